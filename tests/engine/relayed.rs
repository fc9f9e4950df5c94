//! What two controllers say to each other through the agents, which do not understand it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use modelferry::controller::port::{Arrival, ControllerError, Duplex, MigrationRef, Presence, Said, VerbatimCall};
use modelferry::engine::EngineError;
use modelferry_protocol::codec::Bytes;
use modelferry_protocol::ids::MigrationId;
use modelferry_protocol::limits::{VERBATIM_BYTES_MAX, VERBATIM_FRAME_BYTES_MAX};
use modelferry_protocol::message::ControllerCard;
use modelferry_protocol::plan::{Finding, ModelFacts};
use modelferry_protocol::snapshot::{Call, LogSegment, Reply};
use modelferry_protocol::stream::{Open, StreamPurpose};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use super::controller::MODEL;
use super::engines::{Host, connected};
use super::memory_controller::noise;

/// Generous: nothing is claimed about time here.
const PATIENCE: Duration = Duration::from_secs(60);

/// Says when it is dropped.
struct Dropped(Option<oneshot::Sender<()>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.take().map(|tell| tell.send(()));
    }
}

/// A controller that repeats what it is told.
#[derive(Default)]
struct Echo {
    called: Mutex<Vec<VerbatimCall>>,
    /// Told when a call that never ends is given up.
    given_up: Mutex<Option<oneshot::Sender<()>>>,
}

#[async_trait]
impl Arrival for Echo {
    async fn card(&self) -> Result<ControllerCard, ControllerError> {
        Ok(ControllerCard::default())
    }

    async fn prechecks(&self, _: &ModelFacts) -> Result<Vec<Finding>, ControllerError> {
        Ok(Vec::new())
    }

    async fn perform(&self, _: MigrationRef, _: &Call) -> Result<Reply, ControllerError> {
        Ok(Reply::default())
    }

    async fn latest_log_time(&self, _: MigrationRef) -> Result<u64, ControllerError> {
        Ok(0)
    }

    async fn take_log(&self, _: MigrationRef, _: &LogSegment) -> Result<u64, ControllerError> {
        Ok(0)
    }

    async fn probe(&self, _: MigrationRef) -> Result<Presence, ControllerError> {
        Ok(Presence::Absent)
    }

    async fn relay(&self, call: &VerbatimCall) -> Result<Said, ControllerError> {
        self.called.lock().unwrap().push(call.clone());
        if call.method == "Never" {
            let _dropped = Dropped(self.given_up.lock().unwrap().take());
            std::future::pending::<()>().await;
        }
        Ok(match call.method.as_str() {
            "Fails" => Said::Error(call.params.clone()),
            _ => Said::Response(call.params.clone()),
        })
    }

    async fn stream(&self, open: &Open) -> Result<Box<dyn Duplex>, ControllerError> {
        if open.purpose == StreamPurpose::Api {
            return Err(ControllerError::Refused("no API here".into()));
        }
        let (here, there) = tokio::io::duplex(1 << 10);
        tokio::spawn(async move {
            let (mut from, mut to) = tokio::io::split(there);
            let _ = tokio::io::copy(&mut from, &mut to).await;
            let _ = to.shutdown().await;
        });
        Ok(Box::new(here))
    }
}

async fn pair() -> (Host, Host, Arc<Echo>) {
    let echo = Arc::new(Echo::default());
    let (src, dst) = (Host::start("src").await, Host::start_beside("dst", echo.clone()).await);
    let (code, _) = src.link().offer(Some("dst".into())).await.unwrap();
    dst.link().accept(code, &src.link().local_addr().to_string(), Some("src".into())).await.unwrap();
    connected(&src, &dst).await;
    (src, dst, echo)
}

fn call(method: &str, params: Vec<u8>) -> VerbatimCall {
    VerbatimCall { model: MODEL, facade: "MigrationTarget".into(), version: 6, method: method.into(), params }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it happens soon")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_and_its_reply_pass_as_they_are_in_a_frame_or_as_blobs() {
    let (src, _dst, echo) = pair().await;
    for params in [b"{}".to_vec(), Vec::new(), noise(1, VERBATIM_FRAME_BYTES_MAX), noise(2, 3 << 20)] {
        let prechecks = call("Prechecks", params.clone());
        assert_eq!(soon(src.engine().relay("dst", prechecks.clone())).await.unwrap(), Said::Response(params.clone()));
        assert_eq!(echo.called.lock().unwrap().pop(), Some(prechecks));
        let said = soon(src.engine().relay("dst", call("Fails", params.clone()))).await.unwrap();
        assert_eq!(said, Said::Error(params), "what the controller says is no failure of the agents'");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_an_owner_and_what_is_too_large_is_not_passed_on() {
    let (src, _dst, echo) = pair().await;
    for method in ["Import", "Activate", "AdoptResources", "Abort"] {
        let refused = soon(src.engine().relay("dst", call(method, b"{}".to_vec()))).await.unwrap_err();
        assert!(matches!(&refused, EngineError::Peer { text, .. } if text.contains(method)), "{refused}");
    }
    let large = vec![0; VERBATIM_BYTES_MAX as usize + 1];
    let refused = soon(src.engine().relay("dst", call("Prechecks", large))).await.unwrap_err();
    assert!(matches!(&refused, EngineError::Peer { text, .. } if text.contains("more than")), "{refused}");
    assert_eq!(*echo.called.lock().unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_nobody_waits_for_any_more_ends_at_the_controller() {
    let (src, _dst, echo) = pair().await;
    let (tell, given_up) = oneshot::channel();
    *echo.given_up.lock().unwrap() = Some(tell);
    let engine = src.engine().clone();
    let asking = tokio::spawn(async move { engine.relay("dst", call("Never", Vec::new())).await });
    soon(async {
        while echo.called.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    asking.abort();
    soon(given_up).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_stream_joins_the_two_controllers_and_a_refusal_is_told() {
    let (src, _dst, _echo) = pair().await;
    let open = |purpose| Open { purpose, mid: MigrationId([3; 16]), model: MODEL, head: Bytes::default() };
    let mut stream = src.engine().open_stream("dst", open(StreamPurpose::Log)).await.unwrap();
    let sent = noise(3, 1 << 20);
    let (mut from, mut to) = tokio::io::split(&mut stream);
    let mut back = Vec::new();
    let writing = async {
        to.write_all(&sent).await.unwrap();
        to.shutdown().await.unwrap();
    };
    let (_, read) = soon(async { tokio::join!(writing, from.read_to_end(&mut back)) }).await;
    read.unwrap();
    assert!(back == sent, "{} of {} bytes came back", back.len(), sent.len());

    let mut refused = src.engine().open_stream("dst", open(StreamPurpose::Api)).await.unwrap();
    assert_eq!(soon(refused.read_to_end(&mut Vec::new())).await.unwrap(), 0);
}
