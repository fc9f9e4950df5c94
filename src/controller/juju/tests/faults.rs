//! Every call of a migration under every fault: there is one owner, nothing is taken in twice, and the first cause is kept.
//!
//! What comes of each is a row of the table in docs/juju.md, which this compares.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use modelferry_protocol::snapshot::{Call, LogSegment, Name};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::fake::{Fault, Stand};
use super::*;
use crate::controller::juju::refusal::{is_busy, is_denied};
use crate::controller::port::Presence;
use crate::disk::{FaultPlan, Faults};
use crate::juju::rpc::{ErrorCode, RpcError};

/// The calls: what the table calls them, and what the controller does.
const CALLS: [(&str, &str); 12] = [
    ("`Prechecks`", "Prechecks"),
    ("`Import`", "Import"),
    ("a charm", "charms"),
    ("an agent binary", "tools"),
    ("a resource", "resources"),
    ("a unit's revision (3.6)", "units"),
    ("`CheckMachines`", "CheckMachines"),
    ("`Activate`", "Activate"),
    ("`AdoptResources`", "AdoptResources"),
    ("`Abort`", "Abort"),
    ("`LatestLogTime`", "LatestLogTime"),
    ("log transfer", "logtransfer"),
];
const HEAD: &str = "| call | reply lost | cut before | cut within | cut after | refused | busy | controller killed | agent's disk full |\n\
                    |---|---|---|---|---|---|---|---|---|\n";
/// Migrations that run side by side.
const AT_ONCE: usize = 16;
const CAUSE: &str = "the reason of this refusal";

/// What goes wrong at a call.
#[derive(Debug, Clone)]
enum Trouble {
    /// The controller's part.
    Meets(Fault),
    /// The connection ends when the call has been answered.
    CutAfter,
    /// The agent's disk has no room when the call is made.
    DiskFull,
}

/// What came of the migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// It goes on, and nothing was sent again.
    GoesOn,
    /// It goes on, and the call was sent again.
    Again,
    /// The model goes back, and its copy is removed.
    GoesBack,
    /// It ends before the model is frozen.
    Ends,
    /// The controller is not asked for it.
    NotAsked,
}

impl End {
    fn text(self) -> &'static str {
        match self {
            Self::GoesOn => "goes on",
            Self::Again => "again",
            Self::GoesBack => "goes back",
            Self::Ends => "ends before the freeze",
            Self::NotAsked => "not asked",
        }
    }
}

/// A migration that meets trouble at one call.
struct Case {
    rig: Rig,
    faults: Faults,
    what: &'static str,
    trouble: Trouble,
    /// Whether the disk was full at the call.
    was_full: AtomicBool,
}

impl Case {
    async fn start(what: &'static str, trouble: Trouble) -> Self {
        let faults = Faults::default();
        let rig = Rig::on(Disk::faulty(&faults)).await;
        if what == "units" {
            // Later ones are not told.
            *rig.fake().version.lock() = "3.6.11".to_owned();
        }
        if let Trouble::Meets(fault) = &trouble {
            rig.fake().fault(what, fault.clone());
        }
        Self { rig, faults, what, trouble, was_full: AtomicBool::new(false) }
    }

    /// Reports whether the trouble is about this call, or about what is told with it.
    fn is_at(&self, what: &str) -> bool {
        what == self.what || self.what == "units" && what == "CheckMachines"
    }

    /// Prepares what goes wrong around a call.
    fn before(&self, what: &str) {
        let is_full = self.is_at(what) && matches!(self.trouble, Trouble::DiskFull);
        if is_full && !self.was_full.swap(true, Ordering::Relaxed) {
            self.faults.set(FaultPlan { free_bytes: Some(0), ..FaultPlan::default() });
        }
    }

    fn after(&self, what: &str) {
        self.faults.set(FaultPlan::default());
        if self.is_at(what) && matches!(self.trouble, Trouble::CutAfter) {
            self.rig.fake().hang_up();
        }
    }

    async fn perform(&self, call: &Call) -> Result<(), ControllerError> {
        let what = what_of(call);
        self.before(what);
        let outcome = self.rig.perform(call).await;
        self.after(what);
        outcome
    }

    /// Makes a call until it succeeds. `gives_up`: whether a refusal ends it, as it does before the source has committed.
    async fn insist(&self, call: &Call, gives_up: bool) -> Result<(), String> {
        loop {
            match self.perform(call).await {
                Ok(()) => return Ok(()),
                Err(error) if gives_up && !error.is_passing() => return Err(error.to_string()),
                Err(_) => tokio::time::sleep(TIMING.look).await,
            }
        }
    }

    async fn stage(&self) -> Result<(), String> {
        for call in &self.rig.calls {
            if let Err(cause) = self.insist(call, true).await {
                if call.imports() {
                    assert_eq!(self.rig.refusal(call).await, cause, "the first cause is not kept");
                }
                return Err(cause);
            }
        }
        Ok(())
    }

    async fn log(&self) {
        let blob = self.rig.store.put_bytes(b"2026-08-18T10:13:14.5Z INFO machine-0 juju.worker: one\n").unwrap();
        let segment = LogSegment { name: Name::cut("1.log"), until_ms: 7, lines: 1, blob };
        loop {
            self.before("logtransfer");
            let taken = self.rig.juju.take_log(migration(FIRST), &segment).await;
            self.after("logtransfer");
            if taken.is_ok() {
                break;
            }
            tokio::time::sleep(TIMING.look).await;
        }
        assert_eq!(self.rig.juju.latest_log_time(migration(FIRST)).await.unwrap(), 7);
    }

    /// Runs the migration to its end, as an agent does.
    async fn run(self) -> End {
        self.before("Prechecks");
        let tried = self.rig.juju.dry_run_stage(migration(FIRST), &self.rig.calls).await;
        self.after("Prechecks");
        if tried.is_err() {
            assert_eq!((self.what, self.rig.fake().count("Import")), ("Prechecks", 0));
            return End::Ends;
        }
        let staged = self.stage().await;
        let is_given_up = staged.is_err() || self.what == "Abort";
        if is_given_up {
            self.insist(&Call::Abort, false).await.unwrap();
        } else {
            for call in [activate(), adopt()] {
                self.insist(&call, false).await.unwrap();
            }
            self.log().await;
        }
        self.has_one_owner(is_given_up).await;
        match staged {
            Err(cause) => {
                let told = !matches!(&self.trouble, Trouble::Meets(Fault::Refuse(_))) || cause.contains(CAUSE);
                assert!(told, "{}: the cause is lost: {cause}", self.what);
                End::GoesBack
            }
            Ok(()) => {
                let usual = self.usually_sent();
                let sent = self.rig.fake().count(self.what);
                if usual == 0 {
                    assert_eq!(sent, 0);
                    return End::NotAsked;
                }
                if sent > usual { End::Again } else { End::GoesOn }
            }
        }
    }

    /// How often the call is sent where nothing goes wrong.
    fn usually_sent(&self) -> usize {
        match self.what {
            "LatestLogTime" => 0,
            "charms" | "tools" | "resources" => self.rig.calls.iter().filter(|call| what_of(call) == self.what).count(),
            _ => 1,
        }
    }

    async fn has_one_owner(&self, is_given_up: bool) {
        let presence = loop {
            match self.rig.juju.probe(migration(FIRST)).await {
                Ok(presence) => break presence,
                Err(_) => tokio::time::sleep(TIMING.look).await,
            }
        };
        let (stand, fake) = (self.rig.fake().stand(MODEL), self.rig.fake());
        let told = format!("{} under {:?}: {presence:?}, {stand:?}", self.what, self.trouble);
        assert!(fake.state().imports <= 1, "{told}: imported twice");
        if is_given_up {
            assert!(presence == Presence::Absent && !matches!(stand, Some(Stand::Live)), "{told}");
            assert!(self.rig.perform(&activate()).await.is_err(), "{told}");
            assert_eq!(fake.count("Activate"), 0, "{told}");
        } else {
            assert!(presence == Presence::Live && stand == Some(Stand::Live), "{told}");
            let uploads = self.rig.calls.iter().filter(|call| call.blob().is_some() && !call.imports()).count();
            assert_eq!(fake.state().uploads.len(), uploads, "{told}");
        }
    }
}

/// Returns what the controller calls a call.
fn what_of(call: &Call) -> &'static str {
    match call {
        Call::Import(_) | Call::ImportOpaque(_) | Call::ImportEntries(_) => "Import",
        Call::UploadCharm(_) => "charms",
        Call::UploadAgentBinary(_) => "tools",
        Call::UploadResource(_) => "resources",
        Call::CheckMachines(_) => "CheckMachines",
        Call::Activate(_) => "Activate",
        Call::AdoptResources(_) => "AdoptResources",
        Call::Abort => "Abort",
    }
}

fn refusal(code: &ErrorCode) -> RpcError {
    RpcError::new(code.clone(), CAUSE)
}

/// Every trouble with the column and, for a refusal, the code that it belongs to.
fn troubles() -> Vec<(usize, Option<ErrorCode>, Trouble)> {
    let mut all = vec![
        (0, None, Trouble::Meets(Fault::LoseReply)),
        (1, None, Trouble::Meets(Fault::Cut)),
        (2, None, Trouble::Meets(Fault::CutWithin)),
        (3, None, Trouble::CutAfter),
        (6, None, Trouble::Meets(Fault::Kill)),
        (7, None, Trouble::DiskFull),
    ];
    for code in [ErrorCode::None].iter().chain(ErrorCode::ALL) {
        let column = if is_busy(&refusal(code)) { 5 } else { 4 };
        all.push((column, Some(code.clone()), Trouble::Meets(Fault::Refuse(refusal(code)))));
    }
    all
}

/// Writes a cell: what most codes come to, then the others.
fn cell(ends: &[(Option<ErrorCode>, End)]) -> String {
    let kind = |code: &Option<ErrorCode>| match code {
        Some(code) if is_denied(&refusal(code)) => "denied".to_owned(),
        Some(code) => format!("`{}`", code.as_str()),
        None => String::new(),
    };
    let most = |end: End| ends.iter().filter(|(_, of)| *of == end).count();
    let usual = ends.iter().map(|(_, end)| *end).max_by_key(|end| most(*end)).expect("a cell has a case");
    let mut others: BTreeMap<End, Vec<String>> = BTreeMap::new();
    for (code, end) in ends.iter().filter(|(_, end)| *end != usual) {
        let names = others.entry(*end).or_default();
        let name = kind(code);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut parts = vec![usual.text().to_owned()];
    parts.extend(others.into_iter().map(|(end, names)| format!("{}: {}", names.join(", "), end.text())));
    parts.join("; ")
}

/// How a call under one kind of fault ended, by the code that it was refused with.
type Ends = Vec<(Option<ErrorCode>, End)>;

#[tokio::test(flavor = "multi_thread")]
async fn every_call_under_every_fault_leaves_one_owner_and_the_document_says_what_comes_of_it() {
    let (places, mut cases) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for (row, (_, what)) in CALLS.into_iter().enumerate() {
        for (column, code, trouble) in troubles() {
            let places = places.clone();
            cases.spawn(async move {
                let _place = places.acquire_owned().await.unwrap();
                ((row, column), (code, Case::start(what, trouble).await.run().await))
            });
        }
    }
    let mut cells: BTreeMap<(usize, usize), Ends> = BTreeMap::new();
    while let Some(case) = cases.join_next().await {
        let (place, end) = case.unwrap();
        cells.entry(place).or_default().push(end);
    }
    let order = |code: &Option<ErrorCode>| ErrorCode::ALL.iter().position(|known| Some(known) == code.as_ref());
    let mut table = HEAD.to_owned();
    for (row, (called, _)) in CALLS.into_iter().enumerate() {
        let texts = (0..8).map(|column| {
            let ends = cells.get_mut(&(row, column)).unwrap();
            ends.sort_by_key(|(code, _)| order(code));
            cell(ends)
        });
        table += &format!("| {called} | {} |\n", texts.collect::<Vec<_>>().join(" | "));
    }
    let document = include_str!("../../../../docs/juju.md");
    assert!(document.contains(&table), "docs/juju.md should have this table:\n{table}");
}
