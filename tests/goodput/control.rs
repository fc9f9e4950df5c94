//! A few bytes that somebody waits for, while bulk fills the link.

use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use modelferry::agent::control::Response;
use modelferry::agent::control::view::{ModelStatusView, ModelView};
use modelferry::config::LinkSettings;
use modelferry::controller::description::Description;
use modelferry::controller::status::ModelStatus;
use modelferry::engine::{Engine, QueryHandler, packed};
use modelferry::sample::Sample;
use modelferry_protocol::ids::Pin;
use tokio::time::Instant;

use super::agents::{Going, NAMES, hosts, virtually};
use super::wire::{Link, Road};

const MIB: u64 = 1 << 20;
/// Megabits per second of a link of 150 kB/s.
const THIN_MBIT: f64 = 1.2;
/// Within this an answer is there.
const WITHIN: Duration = Duration::from_secs(5);
/// Machines of a sample with 5,000 entities and a few more: nearly all have two units, a charm's and its subordinate's.
const MACHINES: usize = 1_670;
/// The question that is answered at length.
const STATUS: &str = "status";

/// Answers [`STATUS`] with what an agent tells of a model of 5,000 entities, and anything else shortly.
pub struct Answers;

#[async_trait]
impl QueryHandler for Answers {
    async fn answer(&self, _: Pin, json: &str) -> Vec<u8> {
        packed::pack(if json == STATUS { large_status() } else { "{}" })
    }
}

fn large_status() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let files = Sample { machines: MACHINES, ..Sample::default() }.write(dir.path()).unwrap();
        let description = Description::parse(&std::fs::read(files.description).unwrap()).unwrap();
        let inside = ModelStatus::of(&description);
        let units = || inside.applications.values().flat_map(|application| application.units.values());
        let subordinates = units().map(|unit| unit.subordinates.iter().count()).sum::<usize>();
        let entities = inside.machines.iter().count() + units().count() + subordinates;
        assert!(entities >= 5_000, "{entities} machines and units");
        let model = ModelView::of_description(&description, NAMES[0]);
        serde_json::to_string(&Response::ModelStatus(Box::new(ModelStatusView { model, inside }))).unwrap()
    })
}

/// Claims that the agent that `asking` belongs to has an answer from `peer` in time.
async fn is_answered(asking: &Engine, peer: &str) {
    let asked = Instant::now();
    assert_eq!(asking.query(peer, STATUS).await.unwrap(), large_status());
    assert!(asked.elapsed() <= WITHIN, "{peer} has answered after {:?}", asked.elapsed());
}

/// Asks both agents, again and again, while bulk goes from one to the other.
async fn both_are_answered(road: Road, settings: LinkSettings) {
    let link = Link::new(road, 7);
    let [src, dst] = hosts(&link, settings).await;
    let mut going = Going::begin(&src, 0, 24 * MIB).await;
    for part in 1..4 {
        going.holds(part * MIB).await;
        is_answered(&dst.engine, NAMES[0]).await;
        is_answered(&src.engine, NAMES[1]).await;
        assert!(!going.holds_now(8 * MIB), "bulk has filled the link meanwhile, and no more than that");
    }
}

#[test]
fn a_large_models_status_comes_in_five_seconds_while_data_fills_a_thin_link() {
    for (rtt_ms, loss) in [(100, 0.0), (100, 0.01), (300, 0.0)] {
        virtually(both_are_answered(Road::new(THIN_MBIT, rtt_ms, loss), LinkSettings::default()));
    }
}

#[test]
fn a_large_models_status_comes_in_five_seconds_under_a_cap() {
    let settings = LinkSettings { bwlimit: Some("1200kbit".parse().unwrap()), ..LinkSettings::default() };
    virtually(both_are_answered(Road::new(100.0, 100, 0.0), settings));
}
