//! Files of whoever types a command: opened by the command, and handed to the agent.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use modelferry::agent::control::fd_passing::hand;
use modelferry::sample::Sample;
use serde_json::{Value, json};

use super::host::{Host, files};

/// A client that says what it likes.
struct Client(BufReader<UnixStream>);

impl Client {
    fn asking(host: &Host, request: &Value) -> Self {
        let mut stream = UnixStream::connect(host.dir.path().join("ferry.sock")).unwrap();
        writeln!(stream, "{request}").unwrap();
        Self(BufReader::new(stream))
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

fn host() -> Host {
    let mut host = Host::new("src");
    host.start();
    host.add_users();
    host
}

#[test]
fn an_agent_opens_no_path_that_it_is_told_but_asks_for_the_file() {
    let (host, sample) = (host(), Sample::default());
    let description = sample.write(&host.dir.path().join("model")).unwrap().description;
    // What is named is nowhere; what is handed over is taken.
    let request = json!({ "verb": "embedded-import", "file": "/no/such/model.yaml" });
    let mut client = Client::asking(&host, &request);
    let wanted = json!({ "answer": "wanted", "body": { "path": "/no/such/model.yaml", "create": false } });
    assert_eq!(client.answer(), wanted);
    hand(client.0.get_ref(), &File::open(&description)).unwrap();
    assert_eq!(client.answer()["answer"], "imported");

    // And a file that is there for the agent is not taken if the client does not open it.
    host.run(&["embedded", "remove", &sample.name]).ok();
    let mut client = Client::asking(&host, &json!({ "verb": "embedded-import", "file": description }));
    assert_eq!(client.answer()["answer"], "wanted");
    hand(client.0.get_ref(), &File::open("/no/such/file")).unwrap();
    let failed = client.answer();
    assert!(failed["body"]["message"].as_str().unwrap().contains("No such file"), "{failed}");
}

#[test]
fn a_client_that_hands_over_no_file_or_goes_away_leaves_nothing_behind() {
    let host = host();
    let request = json!({ "verb": "embedded-import", "file": "/no/such/model.yaml" });
    let mut client = Client::asking(&host, &request);
    client.answer();
    hand(client.0.get_ref(), &File::open("/dev/null")).unwrap();
    let failed = client.answer();
    assert!(failed["body"]["message"].as_str().unwrap().contains("it is no regular file"), "{failed}");
    let mut client = Client::asking(&host, &request);
    client.answer();
    drop(client);
    let models = host.run(&["models", "--format", "json"]).json();
    assert_eq!(models["models"].as_array().unwrap().len(), 1, "{models}");
}

#[test]
fn what_is_written_for_somebody_belongs_to_them_and_is_for_their_eyes_alone() {
    let (host, sample) = (host(), Sample::default());
    host.import(&sample);
    let model = sample.name.as_str();
    let exported = host.dir.path().join("out");
    host.run(&["embedded", "export", model, exported.to_str().unwrap()]).ok();
    for file in files(&exported).into_keys() {
        let mode = fs::metadata(exported.join(&file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
    host.run(&["embedded", "export", model, exported.to_str().unwrap()]).fails(1, "is not empty");

    // An archive gets its name when it is whole; until then, and where it never is, nothing else has it.
    let archive = host.dir.path().join("archives/prod.tar.zst");
    fs::create_dir(archive.parent().unwrap()).unwrap();
    host.run(&["backup", "create", "nothing", archive.to_str().unwrap()]).fails(1, "not found");
    assert_eq!(fs::read_dir(archive.parent().unwrap()).unwrap().count(), 0);
    fs::write(&archive, "precious").unwrap();
    host.run(&["backup", "create", model, archive.to_str().unwrap()]).fails(1, "exists already");
    assert_eq!(fs::read(&archive).unwrap(), b"precious");
}
