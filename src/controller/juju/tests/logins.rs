//! Every way to log in that a configuration can name: from its text to a model that is live.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use modelferry_protocol::snapshot::{LogSegment, Name};
use serde_json::{Value, json};

use super::fake::Stand;
use super::*;
use crate::config::{Config, ControllerConfig, Environment};
use crate::juju::http::Credentials;

/// A rig whose agent has this configuration; `{dir}` and `{at}` in it are the rig's directory and the controller's address.
async fn configured(files: &[(&str, String)], keys: &str, proof: Credentials) -> Rig {
    let rig = Rig::start().await;
    *rig.fake().proof.lock() = Some(proof);
    for (name, text) in files {
        let path = rig.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let indented = rig.running.ca_cert.replace('\n', "\n      ");
        fs::write(path, text.replace("{at}", &rig.running.address.to_string()).replace("{ca}", &indented)).unwrap();
    }
    let dir = rig.dir.path().display().to_string();
    let text = format!("[controller]\nkind = \"juju\"\nname = \"west\"\n{keys}")
        .replace("{dir}", &dir)
        .replace("{at}", &rig.running.address.to_string());
    let config = Config::parse(&text, std::path::Path::new("agent.toml"), &Environment::default()).unwrap();
    let ControllerConfig::Juju(config) = config.controller else { panic!("no real controller: {text}") };
    rig.restarted_with(config)
}

/// Moves the model: calls, uploads and the log each prove the user.
async fn moves(rig: &Rig) {
    rig.stage().await;
    for call in [activate(), adopt()] {
        rig.insist(&call).await;
    }
    let blob = rig.store.put_bytes(b"2026-08-18T10:13:14.5Z INFO machine-0 juju.worker: one\n").unwrap();
    let segment = LogSegment { name: Name::cut("1-a.log"), until_ms: 1_787_048_795_000, lines: 1, blob };
    rig.juju.take_log(migration(FIRST), &segment).await.unwrap();
    assert_eq!((rig.fake().stand(MODEL), rig.fake().state().lines.len()), (Some(Stand::Live), 1));
}

const GIVEN: &str = "endpoints = [\"{at}\"]\nca-cert = \"{dir}/ca.pem\"\n";

fn macaroons() -> Vec<Vec<Value>> {
    vec![vec![json!({ "c": [], "l": "juju", "i64": "aWQ", "s64": "c2ln" })]]
}

#[tokio::test]
async fn a_model_moves_with_a_session_token() {
    let proof = Credentials { password: "a.session.token".into(), ..Credentials::default() };
    let files = [("token", "a.session.token\n".to_owned())];
    let rig = configured(&files, &format!("{GIVEN}token-file = \"{{dir}}/token\"\n"), proof).await;
    moves(&rig).await;
}

#[tokio::test]
async fn a_model_moves_with_macaroons_of_a_local_user_and_of_an_external_one() {
    for (user, auth_tag) in [("ferry", "user-ferry"), ("ferry@external", "")] {
        let proof = Credentials { auth_tag: auth_tag.to_owned(), macaroons: macaroons(), ..Credentials::default() };
        let files = [("macaroons", json!(macaroons()).to_string())];
        let keys = format!("{GIVEN}user = \"{user}\"\nmacaroons-file = \"{{dir}}/macaroons\"\n");
        let rig = configured(&files, &keys, proof).await;
        moves(&rig).await;
    }
}

/// Returns every file below a directory with its bytes.
fn tree(dir: &std::path::Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut pending = vec![dir.to_owned()];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => pending.push(path),
                false => drop(found.insert(path.clone(), fs::read(path).unwrap())),
            }
        }
    }
    found
}

#[tokio::test]
async fn a_model_moves_with_what_a_clients_store_has_and_the_store_stays_as_it_was() {
    let controllers = "controllers:\n  west:\n    uuid: u\n    api-endpoints: ['{at}']\n    ca-cert: |\n      {ca}\n";
    let value = STANDARD.encode(json!(macaroons()[0]).to_string());
    let cookies = json!([{ "Name": "macaroon-ab", "Value": value }]).to_string();
    let by_password =
        Credentials { auth_tag: "user-ferry".to_owned(), password: "pw".into(), ..Credentials::default() };
    let by_cookies =
        Credentials { auth_tag: "user-ferry".to_owned(), macaroons: macaroons(), ..Credentials::default() };
    for (account, proof) in [("\n    password: pw", by_password), ("", by_cookies)] {
        let accounts = format!("controllers:\n  west:\n    user: ferry{account}\n");
        let files = [
            ("store/controllers.yaml", controllers.to_owned()),
            ("store/accounts.yaml", accounts),
            ("store/cookies/west.json", cookies.clone()),
        ];
        let rig = configured(&files, "client-store = \"{dir}/store\"\n", proof).await;
        let before = tree(&rig.dir.path().join("store"));
        moves(&rig).await;
        assert_eq!(tree(&rig.dir.path().join("store")), before);
    }
}
