//! Backups as an operator makes them: archives, copies with a peer, and back again.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use modelferry::sample::Sample;

use super::host::{Host, files, ready};

/// A host by itself with the sample model, in which somebody has written.
fn alone(sample: &Sample) -> Host {
    let mut host = Host::new("src");
    host.start();
    host.add_users();
    host.import(sample);
    host.run(&["embedded", "set", &sample.name, "colour=blue"]).ok();
    host
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_model_is_backed_up_verified_listed_lost_and_restored() {
    let sample = Sample::default();
    let host = alone(&sample);
    let (model, file) = (sample.name.as_str(), host.dir.path().join("prod.tar.zst"));
    let before = host.export(model);
    let told = host.run(&["backup", "create", model, text(&file)]).ok();
    assert!(told.contains("backed up to"), "{told}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    host.run(&["backup", "create", model, text(&file)]).fails(1, "exists already");
    host.run(&["backup", "create", model, text(&file), "--force"]).ok();
    let refused = host.run(&["backup", "restore", text(&file)]).fails(1, "model with same UUID already exists");
    assert!(refused.contains("`modelferry show-model ") && !refused.contains("remove"), "{refused}");

    let listed = host.run(&["backup", "list", text(host.dir.path()), "--format", "json"]).json();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["model"]), (1, &format!("admin/{model}").into()));

    host.run(&["embedded", "remove", model]).ok();
    host.run(&["backup", "restore", text(&file)]).ok();
    assert_eq!(files(&before), files(&host.export(model)));
    assert!(host.serves(model));
}

#[test]
fn an_archive_is_verified_and_listed_without_an_agent() {
    let sample = Sample::default();
    let mut host = alone(&sample);
    let file = host.dir.path().join("prod.tar.zst");
    host.run(&["backup", "create", &sample.name, text(&file)]).ok();
    host.stop();
    assert!(host.run(&["backup", "verify", text(&file)]).ok().contains("is whole"));
    host.run(&["backup", "list", text(&file)]).ok();
    // And looked into, as the description by itself is.
    let described = host.dir.path().join(&sample.name).join("model.yaml");
    for command in ["models", "show-model", "status"] {
        let shown = |file: &Path| host.run(&[command, "--from", text(file), "--format", "json"]).ok();
        let named = |shown: String, file: &Path| shown.replace(file.file_name().unwrap().to_str().unwrap(), "FILE");
        assert_eq!(named(shown(&file), &file), named(shown(&described), &described));
    }

    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).unwrap();
    host.run(&["backup", "verify", text(&file)]).fails(1, "is damaged");
    host.run(&["status", "--from", text(&file)]).fails(1, "is damaged");
    fs::write(&file, &bytes[..middle]).unwrap();
    host.run(&["backup", "verify", text(&file)]).fails(1, "was cut short");
    assert_eq!(host.run(&["backup", "list", text(&file)]).code, 1);
    fs::write(&file, "version: 12\n").unwrap();
    host.run(&["backup", "verify", text(&file)]).fails(1, "is no backup");
}

#[test]
fn a_backup_is_restored_into_the_embedded_controller_beside_the_agent_and_into_no_other() {
    let sample = Sample::default();
    let (src, dst, _) = ready(&sample);
    let file = src.dir.path().join("prod.tar.zst");
    src.run(&["backup", "create", &sample.name, text(&file)]).ok();
    src.run(&["embedded", "remove", &sample.name]).ok();
    let elsewhere = src.run(&["backup", "restore", text(&file), "--controller", "dst"]);
    elsewhere.fails(1, "copy the archive to the host of dst");
    let real = src.run(&["backup", "restore", text(&file), "--controller", "maas-prod"]);
    let told = real.fails(1, "no agent that is known here stands beside controller maas-prod");
    assert!(told.contains("set an agent up beside it, see docs/juju.md"), "{told}");
    assert!(!src.serves(&sample.name) && !dst.serves(&sample.name));
    src.run(&["backup", "restore", text(&file), "--controller", "src"]).ok();
    assert!(src.serves(&sample.name));
}

#[test]
fn a_backup_that_cannot_be_made_is_refused_and_leaves_nothing() {
    let sample = Sample::default();
    let host = alone(&sample);
    let dir = host.dir.path().join("not-there");
    host.run(&["backup", "create", &sample.name, text(&dir.join("x.tar.zst"))]).fails(1, "cannot write");
    host.run(&["backup", "create", "nothing", "./x.tar.zst"]).fails(1, "not found");
    host.run(&["backup", "create", &sample.name, "nowhere"]).fails(1, "is no peer, and nothing of that name is here");
    host.run(&["backup", "create", &sample.name]).fails(2, "name the model");
    assert!(!dir.exists());
}

#[test]
fn every_model_is_backed_up_into_a_directory() {
    let sample = Sample::default();
    let host = alone(&sample);
    let uuid = "5b0d2c1e-8f34-4a67-9c1b-3e7a90d4f801".to_owned();
    let other = Sample { name: "other".to_owned(), uuid, ..Sample::default() };
    host.import(&other);
    let dir = host.dir.path().join("backups");
    fs::create_dir(&dir).unwrap();
    host.run(&["backup", "create", "--all", text(&dir)]).ok();
    for model in [&sample.name, &other.name] {
        host.run(&["backup", "verify", text(&dir.join(format!("admin_{model}.tar.zst")))]).ok();
    }
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 2);
    assert_eq!(host.run(&["backup", "create", "--all", text(&dir)]).code, 1);
}

#[test]
fn a_migration_whose_backup_fails_is_not_begun() {
    let sample = Sample::default();
    let (src, dst, _) = ready(&sample);
    let model = sample.name.as_str();
    let (gone, file) = (src.dir.path().join("not-there/x.tar.zst"), src.dir.path().join("prod.tar.zst"));
    src.run(&["migrate", model, "dst", "--backup", text(&gone), "--wait"]).fails(1, "cannot write");
    assert_eq!(src.run(&["migrations", "--format", "json"]).json(), serde_json::json!([]));
    assert!(src.serves(model));

    src.run(&["migrate", model, "dst", "--backup", text(&file), "--wait"]).ok();
    src.run(&["backup", "verify", text(&file)]).ok();
    // It has left: neither its old controller nor another makes a second owner of a backup.
    src.run(&["backup", "restore", text(&file)]).fails(1, "migrated");
    let mut third = Host::new("third");
    third.start();
    third.run(&["backup", "restore", text(&file)]).fails(1, "add --source-lost");
    third.run(&["backup", "restore", text(&file), "--source-lost"]).ok();
    assert!(dst.serves(model));
}

#[test]
fn a_peer_keeps_a_live_model_and_the_next_day_only_what_is_new_is_sent() {
    let sample = Sample::default();
    let (src, mut dst, _) = ready(&sample);
    let model = sample.name.as_str();
    dst.run(&["peer", "set", "src", "--keep", "on"]).ok();
    let first = src.run(&["backup", "create", model, "dst", "--format", "json"]).json();
    assert!(first["sent"].as_u64().unwrap() > 0, "{first}");
    assert!(src.serves(model), "a backup freezes nothing");
    let before = src.export(model);
    let second = src.run(&["backup", "create", model, "dst", "--format", "json"]).json();
    // What has been written since, and no binary and no description.
    assert!(second["sent"].as_u64().unwrap() < 4096, "{second}");
    assert_eq!(dst.run(&["migrations", "--format", "json"]).json(), serde_json::json!([]));

    dst.stop();
    dst.start();
    let listed = dst.run(&["backup", "list", "--format", "json"]).json();
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    let (older, newer) = (first["id"].as_str().unwrap(), second["id"].as_str().unwrap());
    dst.run(&["backup", "verify", newer]).ok();
    // And looked into, by its id, as the archive would be; an id that nobody keeps is told from a file.
    for command in ["models", "show-model", "status"] {
        let kept = dst.run(&[command, "--from", &newer[..12], "--format", "json"]).ok();
        assert!(kept.contains(model) && kept.contains(&newer[..12]), "{command}: {kept}");
    }
    let described = dst.run(&["show-model", "--from", newer]).ok();
    assert!(described.starts_with(&format!("{model}:\n  name: admin/{model}\n")), "{described}");
    dst.run(&["status", "--from", "0123456789ab"]).fails(1, "a path such as ./0123456789ab");
    dst.run(&["backup", "remove", &older[..1]]).fails(1, "8 of its digits");
    let said = dst.run(&["backup", "remove", &older[..12]]).ok();
    assert!(said.contains(older) && said.contains(&format!("model \"admin/{model}\", taken 20")), "{said}");
    dst.run(&["backup", "verify", older]).fails(1, "is kept here");
    dst.until("peers are connected", |host| host.connected().then_some(()));

    // While its own controller has the model, nobody else takes it.
    dst.run(&["backup", "restore", newer]).fails(1, "it would be on both");
    dst.run(&["backup", "restore", newer, "--source-lost"]).fails(1, "it would be on both");
    src.run(&["embedded", "remove", model]).ok();
    dst.run(&["backup", "restore", &newer[..8]]).ok();
    // A copy that a peer keeps has no log; all else is in it.
    let mut before = files(&before);
    before.retain(|path, _| !path.starts_with("logs"));
    assert_eq!(before, files(&dst.export(model)));
}

#[test]
fn a_peer_that_is_away_keeps_nothing_and_takes_the_copy_when_it_is_back() {
    let sample = Sample::default();
    let (src, mut dst, _) = ready(&sample);
    dst.run(&["peer", "set", "src", "--keep", "on"]).ok();
    dst.stop();
    src.until("the peer is gone", |host| (!host.connected()).then_some(()));
    let told = src.run(&["backup", "create", &sample.name, "dst"]);
    assert_eq!(told.code, 5, "{told:?}");
    dst.start();
    src.until("peers are connected", |host| host.connected().then_some(()));
    src.run(&["backup", "create", &sample.name, "dst"]).ok();
    assert_eq!(dst.run(&["backup", "list", "--format", "json"]).json().as_array().unwrap().len(), 1);
}

#[test]
fn all_models_go_into_a_directory_that_is_there_by_its_bare_name() {
    // Help and docs/backup.md say `backup create --all backups`; it was refused as "no peer, and no path".
    let host = alone(&Sample::default());
    let create = |args: &[&str]| host.told(args, host.command(args).current_dir(host.dir.path()));
    create(&["backup", "create", "--all", "backups"])
        .fails(1, "\"backups\" is no peer, and nothing of that name is here");
    fs::create_dir(host.dir.path().join("backups")).unwrap();
    create(&["backup", "create", "--all", "backups"]).ok();
    assert!(host.dir.path().join("backups/admin_shop-eu.tar.zst").exists());
}

#[test]
fn a_bare_name_means_what_is_there_for_one_model_and_for_all() {
    // `--all backups` took a directory that was there, and `shop-eu prec` refused a file that was there as "no path".
    let host = alone(&Sample::default());
    let create = |args: &[&str]| host.told(args, host.command(args).current_dir(host.dir.path()));
    let at = |name: &str| host.dir.path().join(name);
    create(&["backup", "create", "shop-eu", "prec"]).fails(1, "for a file write ./prec");
    assert!(!at("prec").exists());
    fs::write(at("prec"), b"precious").unwrap();
    let said = create(&["backup", "create", "shop-eu", "prec"]).fails(1, "prec exists already");
    assert!(said.contains("name another file, or replace it with --force"), "{said}");
    // It has no --force, and was told to use it.
    let said = create(&["migrate", "shop-eu", "dst", "--backup", "prec"]).fails(1, "prec exists already");
    assert!(said.contains("name another file, or remove that one") && !said.contains("--force"), "{said}");
    assert_eq!(fs::read(at("prec")).unwrap(), b"precious");
    create(&["backup", "create", "--all", "prec"]).fails(1, "prec is no directory, and with --all");
    create(&["backup", "create", "shop-eu", "prec", "--force"]).ok();
    create(&["backup", "verify", "prec"]).ok();
    fs::create_dir(at("backups")).unwrap();
    for dir in ["backups", "./backups/"] {
        let refused =
            create(&["backup", "create", "shop-eu", dir]).fails(1, "is a directory, and a backup of one model is");
        assert!(refused.contains("backups/MODEL.tar.zst"), "{refused}");
    }
    assert_eq!(fs::read_dir(at("backups")).unwrap().count(), 0);
}
