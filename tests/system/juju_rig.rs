//! A Juju controller with a model, an agent beside it, and one beside an embedded controller.

use std::sync::atomic::{AtomicU32, Ordering};

use modelferry::sample::{self, Sample};

use super::host::Host;
use super::scripted::{JujuSource, Phase};

/// An address that means something elsewhere, so that agents may be sent to it.
const ELSEWHERE: &str = "addresses = [\"10.0.0.4:17070\"]\naccept-live-models = true\n";

/// An address of a gateway that is the same after a restart, and nobody else's.
fn gateway_address() -> String {
    static RIGS: AtomicU32 = AtomicU32::new(0);
    let (process, rig) = (std::process::id(), RIGS.fetch_add(1, Ordering::Relaxed));
    format!("127.{}.{}.{}:17072", 1 + process / 250 % 250, process % 250, 1 + rig % 250)
}

/// A Juju controller with a model, an agent beside it, and one beside an embedded controller.
pub struct Rig {
    pub source: JujuSource,
    pub src: Host,
    pub dst: Host,
    pub sample: Sample,
}

impl Rig {
    pub fn start() -> Self {
        let sample = Sample::default();
        let mut src = Host::new("src");
        let mut dst = Host::with("dst", ELSEWHERE);
        let written = sample.write(&src.dir.path().join("model")).unwrap();
        let source = JujuSource::start(&written, sample::OWNER);
        let config = std::fs::read_to_string(src.config()).unwrap();
        let real = source.configuration(src.dir.path(), "src", "dst", &gateway_address());
        std::fs::write(src.config(), format!("{config}\n{real}")).unwrap();
        src.start();
        dst.start();
        src.pair(&dst);
        dst.add_users();
        Self { source, src, dst, sample }
    }

    pub fn id(&self) -> String {
        format!("{}:0", self.sample.uuid)
    }

    /// Waits until the source's controller has come to an end.
    pub fn ends(&self) -> Phase {
        self.src.until("the controller's migration ends", |_| self.source.phase().filter(|phase| phase.is_end()))
    }
}
