//! Agents of the model: held, sent on, reassured, carried.

use futures_util::FutureExt;

use super::script::destination;
use super::*;
use crate::controller::gateway::{Admission, RelayError};
use crate::juju::params::admin::RedirectErrorInfo;

const NEW: &str = "3.6.9";
const OLD: &str = "3.6.8";

fn redirected<T>(outcome: Result<T, ClientError>) -> RedirectErrorInfo {
    match outcome {
        Err(ClientError::Redirected(redirect)) => redirect.to,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("not redirected"),
    }
}

#[tokio::test]
async fn agents_are_held_until_all_is_staged_and_then_sent_to_the_destination() {
    let served = Served::start().await;
    served.script.staged.send_replace(None);
    let mut agents: Vec<_> =
        ["machine-0", "unit-db-0", "application-web"].into_iter().map(|tag| Box::pin(served.agent(tag, NEW))).collect();
    for agent in &mut agents {
        tokio::select! {
            _ = agent => panic!("let through before the model is there"),
            () = served.script.until_asked("staged") => {}
        }
        served.script.asked.lock().retain(|asked| asked != "staged");
    }
    assert_eq!(served.script.asked(), ["seal", "seal", "seal"]);
    served.script.staged.send_replace(Some(Ok(json!({}))));
    for agent in agents {
        let to = redirected(agent.await);
        assert_eq!(to.servers[0][0].to_string(), "10.0.0.9:17070");
        assert_eq!(to.ca_cert, "THE DESTINATION'S CA");
    }
}

#[tokio::test]
async fn an_agent_is_told_the_same_in_validation_in_success_and_later() {
    let served = Served::start().await;
    let in_validation = redirected(served.agent("machine-0", NEW).await);
    served.script.stands(MigrationPhase::Moved);
    served.script.asked();
    assert_eq!(redirected(served.agent("machine-0", "4.0.1").await), in_validation);
    assert!(served.script.asked().is_empty(), "nothing is sealed or waited for any more");
}

#[tokio::test]
async fn nothing_is_sealed_while_the_connection_that_carried_the_import_is_open() {
    let served = Served::start().await;
    let master = served.master().await;
    call(&master, "Import", serialized(&yaml())).await.unwrap();
    let mut agent = Box::pin(served.agent("machine-0", NEW));
    // A second connection's round trip: the agent's login has long been read by then.
    for _ in 0..3 {
        let other = served.master().await;
        tokio::select! {
            _ = &mut agent => panic!("let through"),
            pinged = other.call_version("Pinger", 1, "", "Ping", json!({})) => { pinged.unwrap(); }
        }
    }
    assert_eq!(served.script.asked(), ["import"]);
    master.close().await;
    redirected(agent.await);
    assert_eq!(served.script.asked(), ["seal", "staged"]);
}

#[tokio::test]
async fn an_agent_is_never_sent_to_loopback_addresses_alone() {
    let served = Served::start().await;
    *served.script.destination.lock() = Some(destination(&["127.0.0.1", "::1"]));
    let refused = refusal(served.agent("machine-0", NEW).await);
    assert!(refused.message.contains("loopback"), "{refused}");
    *served.script.destination.lock() = Some(destination(&["127.0.0.1", "10.0.0.9"]));
    let to = redirected(served.agent("machine-0", NEW).await);
    assert_eq!(to.servers.concat().iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.9:17070"]);
}

#[tokio::test(start_paused = true)]
async fn agents_are_sent_on_no_faster_than_the_destination_admits_them() {
    // The clock is the test's: what is held stays held until it is moved on.
    let turnstile = crate::controller::gateway::admission::Turnstile::default();
    let admission = Admission { burst: 1, every: std::time::Duration::from_secs(3600) };
    turnstile.pass(admission).await;
    let mut second = Box::pin(turnstile.pass(admission));
    assert_eq!(second.as_mut().now_or_never(), None);
    tokio::time::advance(admission.every).await;
    second.await;
}

#[tokio::test]
async fn when_the_staging_has_failed_agents_report_success_and_the_master_is_told_the_reason() {
    let served = Served::start().await;
    let why = RelayError::Refused(RpcError::plain("importing: user \"eve\" not found"));
    served.script.staged.send_replace(Some(Err(why.clone())));
    served.script.checked.send_replace(Some(Err(why)));
    let (machine, login) = served.agent("machine-0", NEW).await.unwrap();
    assert_eq!(login.model_tag, of_sample()["model-tag"]);
    let entities = json!({ "entities": [{ "tag": "machine-0" }] });
    let life = machine.call_version("Machiner", 5, "", "Life", entities).await.unwrap();
    assert_eq!(life["results"][0]["life"], "alive");
    let (unit, _) = served.agent("unit-db-0", NEW).await.unwrap();
    let entities = json!({ "entities": [{ "tag": "unit-db-0" }] });
    let refreshed = unit.call_version("Uniter", 20, "", "Refresh", entities).await.unwrap();
    assert_eq!(refreshed["results"][0]["life"], "alive");
    let model = unit.call_version("Uniter", 20, "", "CurrentModel", json!({})).await.unwrap();
    assert_eq!(model["uuid"], Sample::default().uuid.to_string(), "an agent compares it");
    refusal(unit.call_version("Uniter", 20, "", "SetAgentStatus", json!({})).await);
    let results = call(&served.master().await, "CheckMachines", of_sample()).await.unwrap();
    assert_eq!(results["results"][0]["error"]["message"], "importing: user \"eve\" not found");
}

#[tokio::test]
async fn an_agent_that_follows_no_redirect_is_carried_once_a_route_is_shown_and_not_before() {
    let served = Served::start().await;
    for version in [OLD, ""] {
        let refused = refusal(served.agent("machine-0", version).await);
        assert!(refused.message.contains("follows no redirect"), "{refused}");
    }
    served.script.destination.lock().as_mut().unwrap().route_shown = true;
    let there = users::Destination::start().await;
    *served.script.connects.lock() = Some(there.at());
    let (agent, login) = served.agent("machine-0", OLD).await.unwrap();
    assert_eq!(login.servers, there.servers(), "the destination's own addresses, which it needs later");
    let told = agent.call_version("Machiner", 5, "", "Life", json!({ "of": "machine-0" })).await.unwrap();
    assert_eq!(told, json!({ "by": "the destination", "method": "Life", "params": { "of": "machine-0" } }));
}

#[tokio::test]
async fn a_connection_that_was_carried_is_no_proof_of_a_route() {
    let served = Served::start().await;
    served.script.stands(MigrationPhase::Moved);
    let there = users::Destination::start().await;
    *served.script.connects.lock() = Some(there.at());
    served.login(&of_model(), &by_password("user-jujuanonymous", "")).await.unwrap();
    let refused = refusal(served.agent("machine-0", OLD).await);
    assert!(refused.message.contains("show the route"), "{refused}");
}

#[tokio::test]
async fn agents_of_an_aborted_or_unknown_model_are_told_that_there_is_none() {
    let served = Served::start().await;
    served.script.stands(MigrationPhase::Aborted);
    refusal(served.agent("machine-0", NEW).await);
    served.script.migrations.lock().clear();
    refusal(served.agent("machine-0", NEW).await);
    assert!(served.script.asked().is_empty());
}
