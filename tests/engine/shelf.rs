//! A controller in memory: one model at most, and a switch for everything that can go wrong.

use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use modelferry::controller::port::{Arrival, ControllerError, Departure, Errand, Examination, Export, Presence};
use modelferry::store::Store;
use modelferry_protocol::codec::Text;
use modelferry_protocol::ids::{MigrationId, ModelUuid};
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::plan::{Finding, Level, ModelFacts};
use modelferry_protocol::snapshot::{BlobRef, Call, Charm, Name};

/// Where the model is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    Absent,
    Live,
    Frozen(MigrationId),
    Importing(MigrationId),
    Staged(MigrationId),
    /// Live by this migration.
    Arrived(MigrationId),
    Redirecting(MigrationId),
    Reaped,
}

/// What goes wrong.
#[derive(Debug, Clone, Default)]
pub struct Trouble {
    pub refuse_precheck: Option<String>,
    pub refuse_freeze: bool,
    pub refuse_stage: Option<String>,
    pub refuse_rehearsal: Option<String>,
    /// Whether an import lasts until this is taken back.
    pub stall_stage: bool,
    /// How many activations fail before one succeeds.
    pub failing_activations: u32,
    /// How many thaws fail before one succeeds.
    pub failing_thaws: u32,
}

#[derive(Debug)]
pub struct Inner {
    pub life: Life,
    pub blobs: Vec<BlobRef>,
    pub trouble: Trouble,
    /// Every effect that was asked for, in order.
    pub asked: Vec<&'static str>,
}

/// The controller.
#[derive(Clone)]
pub struct Shelf {
    pub name: &'static str,
    store: Store,
    inner: Arc<Mutex<Inner>>,
}

pub const MODEL: ModelUuid = ModelUuid([7; 16]);

impl Shelf {
    pub fn new(name: &'static str, store: Store) -> Self {
        let inner = Inner { life: Life::Absent, blobs: Vec::new(), trouble: Trouble::default(), asked: Vec::new() };
        Self { name, store, inner: Arc::new(Mutex::new(inner)) }
    }

    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub fn life(&self) -> Life {
        self.inner().life
    }

    /// Puts a model with these binaries here; the first is its description.
    pub fn hold(&self, blobs: &[Vec<u8>]) {
        let blobs = blobs.iter().map(|bytes| self.store.put_bytes(bytes).unwrap()).collect();
        let mut inner = self.inner();
        (inner.life, inner.blobs) = (Life::Live, blobs);
    }

    fn export_now(&self) -> Export {
        let inner = self.inner();
        let mut calls = vec![Call::Import(inner.blobs[0])];
        for (n, blob) in inner.blobs[1..].iter().enumerate() {
            calls.push(Call::UploadCharm(Charm { url: Name::cut(format!("ch:charm-{n}")), blob: *blob }));
        }
        calls.push(Call::CheckMachines);
        Export { name: "shelf".into(), owner: "admin".into(), complete: true, calls }
    }

    fn asked(&self, what: &'static str) -> MutexGuard<'_, Inner> {
        let mut inner = self.inner();
        inner.asked.push(what);
        inner
    }
}

fn down() -> ControllerError {
    ControllerError::Storage("the controller is down".into())
}

#[async_trait]
impl Departure for Shelf {
    async fn examine(&self, model: ModelUuid, mid: Option<MigrationId>) -> Result<Examination, ControllerError> {
        if model != MODEL || self.life() == Life::Absent {
            return Err(ControllerError::ModelNotFound(model.to_string()));
        }
        let facts = ModelFacts {
            mid,
            uuid: model,
            name: Name::cut("shelf"),
            owner: Name::cut("admin"),
            ..ModelFacts::default()
        };
        Ok(Examination { facts, ..Examination::default() })
    }

    async fn preview(&self, _: ModelUuid) -> Result<Export, ControllerError> {
        Ok(self.export_now())
    }

    async fn freeze(&self, errand: Errand) -> Result<(), ControllerError> {
        let mut inner = self.asked("freeze");
        if inner.trouble.refuse_freeze {
            return Err(ControllerError::Refused("model is dying".into()));
        }
        match inner.life {
            Life::Live | Life::Arrived(_) => inner.life = Life::Frozen(errand.mid),
            Life::Frozen(mid) if mid == errand.mid => {}
            other => panic!("freeze of a model that is {other:?}"),
        }
        Ok(())
    }

    async fn export(&self, _: Errand) -> Result<Export, ControllerError> {
        Ok(self.export_now())
    }

    async fn thaw(&self, errand: Errand) -> Result<(), ControllerError> {
        let mut inner = self.asked("thaw");
        if inner.trouble.failing_thaws > 0 {
            inner.trouble.failing_thaws -= 1;
            return Err(down());
        }
        if inner.life == Life::Frozen(errand.mid) {
            inner.life = Life::Live;
        }
        Ok(())
    }

    async fn redirect(&self, errand: Errand, _: &ControllerCard) -> Result<(), ControllerError> {
        let mut inner = self.asked("redirect");
        if inner.life == Life::Frozen(errand.mid) {
            inner.life = Life::Redirecting(errand.mid);
        }
        Ok(())
    }

    async fn reap(&self, errand: Errand) -> Result<(), ControllerError> {
        let mut inner = self.asked("reap");
        if inner.life == Life::Redirecting(errand.mid) {
            inner.life = Life::Reaped;
        }
        Ok(())
    }
}

#[async_trait]
impl Arrival for Shelf {
    async fn card(&self) -> Result<ControllerCard, ControllerError> {
        Ok(ControllerCard { name: Name::cut(self.name), ..ControllerCard::default() })
    }

    async fn prechecks(&self, _: &ModelFacts) -> Result<Vec<Finding>, ControllerError> {
        let refuse = self.inner().trouble.refuse_precheck.clone();
        let (level, text) = refuse.map_or((Level::Pass, String::new()), |text| (Level::Fail, text));
        Ok(vec![Finding { level, check: Text::cut("shelf"), text: Text::cut(text), fix: Text::default() }])
    }

    async fn rehearse(&self, _: Errand, calls: &[Call]) -> Result<(), ControllerError> {
        for blob in calls.iter().filter_map(Call::blob) {
            self.store.verify(blob).expect("every blob is here when it is tried");
        }
        self.inner().trouble.refuse_rehearsal.clone().map_or(Ok(()), |text| Err(ControllerError::Refused(text)))
    }

    async fn perform(&self, errand: Errand, call: &Call) -> Result<(), ControllerError> {
        while matches!(call, Call::Import(_)) && self.inner().trouble.stall_stage {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let mut inner = self.asked(call.name());
        match call {
            Call::Import(blob) => {
                if let Some(text) = inner.trouble.refuse_stage.clone() {
                    return Err(ControllerError::Refused(text));
                }
                let again = inner.life == Life::Importing(errand.mid);
                assert!(again || matches!(inner.life, Life::Absent | Life::Reaped), "import over {:?}", inner.life);
                (inner.life, inner.blobs) = (Life::Importing(errand.mid), vec![*blob]);
            }
            Call::UploadCharm(charm) => inner.blobs.push(charm.blob),
            Call::CheckMachines => {
                assert_eq!(inner.life, Life::Importing(errand.mid));
                for blob in &inner.blobs {
                    self.store.verify(*blob).expect("every blob is here and proven before it is staged");
                }
                inner.life = Life::Staged(errand.mid);
            }
            Call::Activate => {
                if inner.trouble.failing_activations > 0 {
                    inner.trouble.failing_activations -= 1;
                    return Err(down());
                }
                assert_eq!(inner.life, Life::Staged(errand.mid));
                inner.life = Life::Arrived(errand.mid);
            }
            Call::AdoptResources => assert_eq!(inner.life, Life::Arrived(errand.mid)),
            Call::Abort => match inner.life {
                Life::Importing(mid) | Life::Staged(mid) if mid == errand.mid => inner.life = Life::Absent,
                Life::Arrived(mid) if mid == errand.mid => return Err(ControllerError::NotImporting),
                _ => {}
            },
            Call::ImportEntries(_) | Call::UploadAgentBinary(_) | Call::UploadResource(_) => {}
        }
        Ok(())
    }

    async fn probe(&self, errand: Errand) -> Result<Presence, ControllerError> {
        Ok(match self.life() {
            Life::Absent | Life::Reaped | Life::Redirecting(_) => Presence::Absent,
            Life::Importing(mid) if mid == errand.mid => Presence::Importing,
            Life::Staged(mid) if mid == errand.mid => Presence::Staged,
            Life::Arrived(mid) if mid == errand.mid => Presence::Live,
            _ => Presence::Other,
        })
    }
}
