//! Secrets of a model, followed through a migration: they are in the model, and nowhere else.

use std::fs;
use std::path::{Path, PathBuf};

use modelferry::sample::Sample;

use super::host::{Host, joined};

/// Stands for a cloud's password in the model's credential.
const CLOUD: &str = "canary-of-the-cloud-credential-5e0c71";

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Returns the files below a directory that hold one of the texts.
fn holding(dir: &Path, texts: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path, texts));
        } else if path.is_file() {
            let bytes = fs::read(&path).unwrap_or_default();
            if texts.iter().any(|text| contains(&bytes, text)) {
                found.push(path);
            }
        }
    }
    found
}

/// A host that logs everything.
fn logging(name: &'static str) -> Host {
    let host = Host::new(name);
    let config = fs::read_to_string(host.config()).unwrap();
    fs::write(host.config(), config.replace("info,modelferry=debug", "trace")).unwrap();
    host
}

/// Asks a host for everything that it shows, and for what it refuses.
fn shown(host: &Host, model: &str, id: &str) -> String {
    let asked: [&[&str]; 14] = [
        &["status", "--format", "json"],
        &["status", "-m", model, "--format", "json"],
        &["models", "--format", "json"],
        &["show-model", model, "--format", "json"],
        &["show-controller", "--format", "json"],
        &["migrations", "--format", "json"],
        &["show-migration", id, "--format", "json"],
        &["show-migration", id, "--proof"],
        &["events", "--format", "json"],
        &["peers", "--format", "json"],
        &["store", "show", "--list", "--format", "json"],
        &["verify", id, "--format", "json"],
        &["embedded", "get", model, "no-such-key"],
        &["migrate", model, "nowhere"],
    ];
    let mut told = String::new();
    for args in asked {
        let output = host.command(args).output().unwrap();
        told.push_str(&String::from_utf8_lossy(&output.stdout));
        told.push_str(&String::from_utf8_lossy(&output.stderr));
    }
    told
}

/// The source kept the description, with the credential, and the documents of OCI images for fourteen days.
#[test]
fn secrets_of_a_model_are_in_no_log_and_no_reply_and_leave_the_source_with_the_model() {
    let (src, dst) = joined(logging("src"), logging("dst"));
    let sample = Sample { size_bytes: 1 << 20, ..Sample::default() };
    let files = sample.write(&src.dir.path().join("model")).unwrap();
    let description = fs::read_to_string(&files.description).unwrap();
    assert!(description.contains("not-a-real-password"));
    fs::write(&files.description, description.replace("not-a-real-password", CLOUD)).unwrap();
    let image = files.blobs.join("resources");
    let document = holding(&image, &["docker-registry"]).pop().expect("the document of an image");
    let document: serde_json::Value = serde_json::from_slice(&fs::read(document).unwrap()).unwrap();
    let registry = document["Password"].as_str().unwrap().to_owned();
    let secrets = [CLOUD, registry.as_str()];
    src.run(&["embedded", "import", files.description.to_str().unwrap(), "--blobs", files.blobs.to_str().unwrap()])
        .ok();
    fs::remove_dir_all(src.dir.path().join("model")).unwrap();
    assert!(!holding(src.dir.path(), &secrets).is_empty(), "while the model is here, so are its secrets");

    let (model, id) = (sample.name.as_str(), format!("{}:0", sample.uuid));
    let archive = src.dir.path().join("backup.tar.zst");
    src.run(&["backup", "create", model, archive.to_str().unwrap()]).ok();
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&archive).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "a backup holds the secrets, and is its owner's alone");
    fs::remove_file(&archive).unwrap();
    let mut told = shown(&src, model, &id);
    src.run(&["migrate", model, "dst", "--wait"]).ok();
    dst.until("the target is at rest", |dst| dst.view(&id)["ended-ms"].as_u64());
    src.until("the source has wiped them", |src| holding(src.dir.path(), &secrets).is_empty().then_some(()));
    told.push_str(&shown(&src, model, &id));
    told.push_str(&shown(&dst, model, &id));
    for host in [&src, &dst] {
        ["cmdline", "environ", "status"].iter().for_each(|file| told.push_str(&host.proc(file).unwrap()));
    }
    for secret in secrets {
        assert!(!told.contains(secret), "a reply has {secret}");
    }
    // On the target they are the model's: in the store, and nowhere else.
    for path in holding(dst.dir.path(), &secrets) {
        assert!(path.starts_with(dst.dir.path().join("state/blobs")), "{}", path.display());
    }
    assert!(dst.serves(model));
}
