//! The key and the peers on disk: what is made, what survives, and what is refused.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use modelferry::disk::{Disk, FaultPlan, Faults};
use modelferry::link::{Identity, IdentityError, Peers, verify_signature};
use modelferry_protocol::ids::Pin;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use tempfile::TempDir;

use crate::support::{Agent, loopback, pair, quick};

/// A state directory with an identity, and the path of its key.
fn with_identity() -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    load(&dir).unwrap();
    let key = dir.path().join("identity/key.pem");
    (dir, key)
}

fn load(dir: &TempDir) -> Result<Identity, IdentityError> {
    Identity::load_or_create(dir.path(), &Disk::real())
}

/// Expects that the identity is refused as a mistake of configuration, in words that contain all of `named`.
fn refused(dir: &TempDir, named: &[&str]) {
    let error = load(dir).unwrap_err();
    assert!(error.is_config(), "{error:?}");
    for word in named {
        assert!(error.to_string().contains(word), "`{error}` lacks `{word}`");
    }
}

#[test]
fn an_identity_is_made_once_and_its_key_is_its_owners_alone() {
    let (dir, key) = with_identity();
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(load(&dir).unwrap().pin(), load(&dir).unwrap().pin());
}

#[test]
fn a_signature_holds_for_one_key_and_one_text() {
    let (identity, other) = (load(&with_identity().0).unwrap(), load(&with_identity().0).unwrap());
    let signature = identity.sign(b"prepared");
    assert!(verify_signature(identity.spki(), b"prepared", &signature));
    assert!(!verify_signature(identity.spki(), b"prepares", &signature));
    assert!(!verify_signature(other.spki(), b"prepared", &signature));
    assert!(!verify_signature(b"no key", b"prepared", &signature));
}

#[test]
fn a_key_that_others_can_read_is_refused_with_the_chmod_to_type() {
    let (dir, key) = with_identity();
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    refused(&dir, &[key.to_str().unwrap(), "mode 0644", "chmod 0600"]);
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    load(&dir).unwrap();
}

#[test]
fn a_key_behind_a_link_is_refused() {
    let (dir, key) = with_identity();
    let elsewhere = dir.path().join("elsewhere.pem");
    fs::hard_link(&key, &elsewhere).unwrap();
    refused(&dir, &["hard link", "chmod 0600"]);
    fs::remove_file(&key).unwrap();
    symlink(&elsewhere, &key).unwrap();
    refused(&dir, &["symbolic link", "chmod 0600"]);
}

#[test]
fn a_truncated_or_foreign_key_is_refused_and_left_alone() {
    let (dir, key) = with_identity();
    let whole = fs::read(&key).unwrap();
    let foreign = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
    for content in [&whole[..whole.len() / 2], b"", b"not a key", foreign.as_bytes()] {
        fs::write(&key, content).unwrap();
        refused(&dir, &[key.to_str().unwrap(), "Ed25519", "pair"]);
        assert_eq!(fs::read(&key).unwrap(), content);
    }
}

#[test]
fn a_key_of_another_user_is_refused() {
    let (dir, key) = with_identity();
    // Giving a file away takes root.
    if std::os::unix::fs::chown(&key, Some(65_534), None).is_ok() {
        refused(&dir, &["belongs to user 65534", "chown"]);
    }
}

/// The bug: a new key was written in the place of the lost one, and the certificate was then said to be the fault.
#[test]
fn a_lost_key_whose_certificate_is_there_is_refused_and_nothing_is_written() {
    let (dir, key) = with_identity();
    let certificate = fs::read(dir.path().join("identity/cert.pem")).unwrap();
    fs::remove_file(&key).unwrap();
    for _ in 0..2 {
        refused(&dir, &[key.to_str().unwrap(), "is missing", "restore it", "move", "identity"]);
        assert!(!key.exists());
        assert_eq!(fs::read(dir.path().join("identity/cert.pem")).unwrap(), certificate);
    }
}

#[test]
fn a_certificate_for_another_key_is_refused_and_a_lost_one_is_made_anew() {
    let ((dir, _), (other, _)) = (with_identity(), with_identity());
    let pin = load(&dir).unwrap().pin();
    let certificate = |dir: &TempDir| dir.path().join("identity/cert.pem");
    fs::copy(certificate(&other), certificate(&dir)).unwrap();
    refused(&dir, &["cert.pem", "restore both", "Only if the key is the one that the peers have paired with"]);
    fs::remove_file(certificate(&dir)).unwrap();
    assert_eq!(load(&dir).unwrap().pin(), pin);
}

#[test]
fn a_peers_file_that_cannot_be_trusted_is_set_aside_whole_and_says_why() {
    // A cut file kept the agent from starting, so that there was no status and no abort either.
    let dir = TempDir::new().unwrap();
    let pins = ["11".repeat(32), "22".repeat(32)];
    let entry = |name: &str, pin: &str| {
        format!("[[peer]]\nname = \"{name}\"\npin = \"{pin}\"\naddresses = []\npaired_ms = 0\n")
    };
    for (text, named) in [
        (entry("east", &pins[0]) + "colour = 1\n", "colour"),
        (entry("east", "11"), "pin"),
        (entry("-east", &pins[0]), "-east"),
        (entry("east", &pins[0]) + &entry("east", &pins[1]), "twice"),
        (entry("east", &pins[0]) + &entry("west", &pins[0]), "twice"),
        ("[[peer]".to_owned(), "line 1 is no TOML"),
        (String::new(), "empty"),
        ("# Written by".to_owned(), "names no peer"),
        (format!("peers = 2\n{}", entry("east", &pins[0])), "should have 2 peers and has 1"),
    ] {
        fs::write(dir.path().join("peers.toml"), &text).unwrap();
        assert_eq!(Peers::load(dir.path(), &Disk::real()).unwrap().list(), []);
        let why = Peers::why_set_aside(dir.path()).unwrap();
        assert!(why.contains(named), "`{why}` lacks `{named}`");
        assert!(!why.contains('\n') && !why.contains('|'), "{why}");
        assert_eq!(fs::read_to_string(dir.path().join("peers.toml.damaged")).unwrap(), text);
        assert!(!dir.path().join("peers.toml").exists());
    }
}

#[tokio::test]
async fn peers_that_pin_a_key_that_was_lost_are_named_until_they_are_paired_again() {
    // A deleted identity/ was replaced by a new key, and nobody was told why the peers stayed away.
    let (east, west) = (Agent::new("east").await, Agent::new("west").await);
    pair(&east, &west).await.unwrap();
    let own = load(&east.dir).unwrap().pin();
    let loaded = |pin| Peers::load(east.dir.path(), &Disk::real()).unwrap().owned_by(pin);
    assert!(loaded(own).pinning_another_key().is_empty());
    assert_eq!(loaded(Pin([7; 32])).pinning_another_key(), ["\"west\""]);
}

#[tokio::test]
async fn a_pairing_that_reaches_no_disk_pairs_nobody_there() {
    let faults = Faults::new(FaultPlan { fail_sync: Some(0), ..FaultPlan::default() });
    let disk = Disk::faulty(&faults);
    let east = Agent::with(&disk, quick(), TempDir::new().unwrap(), "east", loopback()).await;
    let west = Agent::new("west").await;
    let failed = pair(&east, &west).await;
    assert!(failed.as_ref().is_err_and(|error| error.to_string().contains("could not save")), "{failed:?}");
    assert_eq!((east.link.peers(), west.link.peers()), (vec![], vec![]));
}
