//! An agent beside a real controller, as far as no controller is needed for it. tests/interop has the rest.

use std::fs;

use modelferry::sample::Sample;

use super::host::Host;

/// Puts the agent beside a controller at a port where nobody listens.
fn beside_a_real_one(host: &Host) {
    let dir = host.dir.path();
    fs::write(dir.join("ca.pem"), modelferry::juju::tls::Authority::make().unwrap().cert_pem).unwrap();
    fs::write(dir.join("password"), "secret\n").unwrap();
    let (config, dir) = (fs::read_to_string(host.config()).unwrap(), dir.display());
    let controller = format!(
        "\n[controller]\nkind = \"juju\"\nname = \"west\"\nendpoints = [\"127.0.0.1:1\"]\nca-cert = \"{dir}/ca.pem\"\n\
         password-file = \"{dir}/password\"\n"
    );
    fs::write(host.config(), config + &controller).unwrap();
}

#[test]
fn an_agent_runs_while_its_real_controller_is_away_and_the_doctor_says_what_to_mend() {
    let mut host = Host::bare("dst", "");
    beside_a_real_one(&host);
    host.start();
    assert!(host.run(&["status"]).ok().contains("west"));
    let told = host.run(&["doctor"]).fails(7, "127.0.0.1:1 cannot be reached");
    assert!(told.contains("correct endpoints under [controller]"), "{told}");
    let shown = host.run(&["show-controller", "--format", "json"]).json();
    assert!(shown["west"].is_object(), "{shown}");
    for command in [&["models"][..], &["precheck", "shop", "src"]] {
        host.run(command).fails(5, "cannot be reached");
    }
    for command in [&["embedded", "user", "list"][..], &["embedded", "get", "shop"]] {
        host.run(command).fails(1, "this agent stands beside the real controller \"west\"");
    }
}

#[test]
fn an_agent_that_keeps_models_itself_is_not_put_beside_a_real_controller() {
    let mut host = Host::new("dst");
    host.start();
    host.import(&Sample::default());
    host.stop();
    beside_a_real_one(&host);
    host.start_with(&[]);
    host.wait_for_death("it has models that would be out of reach");
}

#[test]
fn the_doctor_finds_nothing_wrong_with_an_embedded_controller() {
    let mut host = Host::bare("src", "");
    host.start();
    assert!(host.run(&["doctor"]).ok().contains("inside the agent"));
}
