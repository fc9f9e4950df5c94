//! Users of the model, and consumers of its offers.

use async_trait::async_trait;

use super::*;
use crate::controller::gateway::Way;
use crate::juju::params::admin::{HostPort, UserInfo};
use crate::juju::params::tag;
use crate::juju::rpc::{Connection, FacadeVersions, Limits, LoggedIn, RpcCall, Service, Session};

/// The destination's controller, as far as connections are carried to it.
pub(super) struct Destination {
    server: Server,
    ca: String,
}

struct Answers;

impl Destination {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = Authority::make().unwrap();
        let tls = server_config(&authority.issue(&[], &[]).unwrap()).unwrap();
        let server = Server::start(listener, tls, Arc::new(Answers), Limits::default()).unwrap();
        Self { server, ca: authority.cert_pem }
    }

    /// Returns its address and its CA.
    pub(super) fn at(&self) -> (String, String) {
        (self.server.address().to_string(), self.ca.clone())
    }

    pub(super) fn servers(&self) -> Vec<Vec<HostPort>> {
        vec![vec![HostPort::new("10.0.0.9", 17070)]]
    }
}

#[async_trait]
impl Service for Answers {
    async fn login(&self, connection: &Connection, login: LoginRequest) -> Result<LoggedIn, RpcError> {
        if &*login.credentials == "wrong" {
            return Err(RpcError::bad_login());
        }
        let model_tag = match &connection.scope {
            Scope::Controller => String::new(),
            Scope::Model(uuid) => tag::model(uuid),
        };
        let user_info =
            tag::user_of(&login.auth_tag).map(|_| UserInfo { identity: login.auth_tag.clone(), ..UserInfo::default() });
        let result = LoginResult {
            servers: vec![vec![HostPort::new("10.0.0.9", 17070)]],
            controller_tag: format!("controller-{}", script::CONTROLLER),
            server_version: "4.1-beta2".to_owned(),
            model_tag,
            user_info,
            facades: vec![FacadeVersions::new("Machiner", &[5]), FacadeVersions::new("ModelManager", &[10])],
            ..LoginResult::default()
        };
        Ok(LoggedIn { result, session: Arc::new(Self) })
    }
}

#[async_trait]
impl Session for Answers {
    async fn call(&self, call: RpcCall) -> Result<Value, RpcError> {
        Ok(json!({ "by": "the destination", "method": call.method, "params": call.params }))
    }
}

#[tokio::test]
async fn users_are_sent_to_the_destination_once_the_model_is_there() {
    let served = Served::start().await;
    let login = by_password("user-bob", "his own");
    let refused = refusal(served.login(&of_model(), &login).await);
    assert_eq!(refused.code.as_str(), "model migration in progress");
    served.script.stands(MigrationPhase::Moved);
    match served.login(&of_model(), &login).await {
        Err(ClientError::Redirected(redirect)) => {
            assert_eq!(redirect.to.servers[0][0].to_string(), "10.0.0.9:17070");
            assert_eq!(redirect.to.controller_tag, format!("controller-{}", script::CONTROLLER));
        }
        other => panic!("{:?}", other.map(|(_, result)| result)),
    }
    served.script.stands(MigrationPhase::Aborted);
    refusal(served.login(&of_model(), &login).await);
}

#[tokio::test]
async fn consumers_of_offers_are_carried_as_they_follow_one_hop_alone() {
    let served = Served::start().await;
    served.script.stands(MigrationPhase::Moved);
    let there = Destination::start().await;
    *served.script.connects.lock() = Some(there.at());
    let anonymous = by_password("user-jujuanonymous", "");
    let (_, login) = served.login(&of_model(), &anonymous).await.unwrap();
    assert_eq!(login.model_tag, of_sample()["model-tag"]);
    assert_eq!(login.servers[0][0].to_string(), served.address(), "the only address that they are known to reach");
}

#[tokio::test]
async fn a_user_who_was_told_the_gateways_address_logs_in_to_the_destination_by_it() {
    let served = Served::start().await;
    let there = Destination::start().await;
    *served.script.connects.lock() = Some(there.at());
    let bob = by_password("user-bob", "his own");
    refusal(served.login(&Scope::Controller, &bob).await);
    served.script.stands(MigrationPhase::Moved);
    let (client, login) = served.login(&Scope::Controller, &bob).await.unwrap();
    assert_eq!(login.user_info.unwrap().identity, "user-bob");
    let told = client.call_version("ModelManager", 10, "", "ListModels", json!({})).await.unwrap();
    assert_eq!(told["by"], "the destination");
    let wrong = by_password("user-bob", "wrong");
    let refused = refusal(served.login(&Scope::Controller, &wrong).await);
    assert_eq!(refused.message, "invalid entity name or password", "in the destination's own words");
}

#[tokio::test]
async fn a_client_that_asks_where_it_was_sent_is_told() {
    let served = Served::start().await;
    served.script.stands(MigrationPhase::Moved);
    let client = served.dial(&of_model()).await;
    let told = client.call_version("Admin", 3, "", "RedirectInfo", json!({})).await.unwrap();
    assert_eq!(told["ca-cert"], "THE DESTINATION'S CA");
    assert_eq!(told["servers"][0][0]["value"], "10.0.0.9");
}

/// An operator takes a gateway away once nobody needs it: so it is noted who comes, who is carried, and when that ends.
#[tokio::test]
async fn whoever_comes_by_the_gateway_after_the_move_is_noted_until_the_connection_ends() {
    let served = Served::start().await;
    served.script.stands(MigrationPhase::Moved);
    let there = Destination::start().await;
    *served.script.connects.lock() = Some(there.at());
    let noted = |served: &Served| {
        let visitors = std::mem::take(&mut *served.script.visitors.lock());
        visitors.into_iter().map(|(what, visitor)| (what, visitor.who, visitor.way)).collect::<Vec<_>>()
    };
    let _ = served.login(&of_model(), &by_password("user-bob", "his own")).await;
    let _ = served.agent("machine-0", "3.6.11").await;
    let sent = [("came", "user-bob".to_owned(), Way::Redirected), ("came", "machine-0".to_owned(), Way::Redirected)];
    assert_eq!(noted(&served), sent);
    refusal(served.login(&Scope::Controller, &by_password("user-bob", "wrong")).await);
    assert_eq!(noted(&served), [], "nobody who is refused depends on it");
    let (client, _) = served.login(&of_model(), &by_password("user-jujuanonymous", "")).await.unwrap();
    let carried = |what| (what, "user-jujuanonymous".to_owned(), Way::Carried);
    assert_eq!(served.script.visitors.lock()[0].1.from, "127.0.0.1");
    assert_eq!(noted(&served), [carried("came")]);
    client.close().await;
    while served.script.visitors.lock().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(noted(&served), [carried("left")]);
}
