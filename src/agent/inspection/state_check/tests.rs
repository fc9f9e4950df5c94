use std::fs::Permissions;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use super::*;

fn own() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// A state directory with an entry for each row of the table.
fn with_every_entry() -> (tempfile::TempDir, Vec<(PathBuf, u32)>) {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path().join("state");
    fs::create_dir(&dir).unwrap();
    set_mode(&dir, 0o700);
    let mut made = Vec::new();
    for (pattern, refused) in ENTRIES {
        let path = dir.join(pattern.replace('*', "some"));
        let holds_more = ENTRIES.iter().any(|(other, _)| other.starts_with(&format!("{pattern}/")));
        if holds_more {
            fs::create_dir(&path).unwrap();
            set_mode(&path, 0o700);
        } else {
            fs::write(&path, "content").unwrap();
            set_mode(&path, 0o600);
        }
        made.push((path, *refused));
    }
    (scratch, made)
}

/// Checks a directory on a host where every group has strangers in it.
fn told(dir: &Path, user: u32) -> String {
    check_for(dir, Agent { user, is_private: &|_| false })
        .unwrap()
        .err()
        .map(|untrusted| untrusted.to_string())
        .unwrap_or_default()
}

#[test]
fn every_entry_that_the_architecture_lists_has_a_row() {
    let text = include_str!("../../../../ARCHITECTURE.md");
    let section = text.split("## State on disk").nth(1).unwrap();
    let listing = section.split("```").nth(1).unwrap().strip_prefix("text\n").unwrap();
    let mut listed = 0;
    for line in listing.lines() {
        let names = line.split("  ").next().unwrap();
        for name in names.split(' ') {
            let name = name.trim_end_matches('/').replace("<blake3>", "a").replace("<id>", "a").replace("<mid>", "a");
            let name = name.replace("<peer>", "a").replace("*.", "a.");
            let row = ENTRIES.iter().find(|(pattern, _)| matches(pattern, &name));
            assert!(row.is_some_and(|(pattern, _)| *pattern != "*"), "{name} has no row of its own");
            listed += 1;
        }
    }
    assert!(listed > 15, "{listed}");
}

#[test]
fn a_state_directory_as_the_agent_makes_it_is_trusted() {
    let (scratch, _) = with_every_entry();
    assert_eq!(told(&scratch.path().join("state"), own()), "");
}

#[test]
fn an_entry_that_others_may_write_is_refused_with_the_chmod_to_type() {
    let (scratch, made) = with_every_entry();
    let dir = scratch.path().join("state");
    for (path, refused) in made {
        let before = fs::metadata(&path).unwrap().permissions();
        for bit in [0o020, 0o002] {
            set_mode(&path, before.mode() | bit);
            let told = told(&dir, own());
            let sign = if refused == ANY && path.is_file() { "go=" } else { "go-w" };
            assert!(told.contains(&format!("`chmod {sign} {}`", path.display())), "{told}");
            assert!(told.contains("every model stays as it is"), "{told}");
        }
        fs::set_permissions(&path, before).unwrap();
    }
    assert_eq!(told(&dir, own()), "");
}

#[test]
fn a_file_that_holds_secrets_is_refused_if_others_may_read_it_and_any_other_file_is_not() {
    let (scratch, made) = with_every_entry();
    let dir = scratch.path().join("state");
    for (path, refused) in made {
        let before = fs::metadata(&path).unwrap().permissions();
        set_mode(&path, before.mode() | 0o044);
        assert_eq!(told(&dir, own()).is_empty(), refused != ANY || path.is_dir(), "{}", path.display());
        fs::set_permissions(&path, before).unwrap();
    }
}

#[test]
fn a_link_in_place_of_an_entry_is_refused() {
    let (scratch, made) = with_every_entry();
    let dir = scratch.path().join("state");
    let aside = scratch.path().join("aside");
    for (path, _) in made {
        fs::rename(&path, &aside).unwrap();
        symlink(&aside, &path).unwrap();
        let told = told(&dir, own());
        assert!(told.contains(&format!("{} is a symbolic link: type `rm ", path.display())), "{told}");
        fs::remove_file(&path).unwrap();
        fs::rename(&aside, &path).unwrap();
    }
    let socket = dir.join("state.redb");
    fs::remove_file(&socket).unwrap();
    let _listener = UnixListener::bind(&socket).unwrap();
    assert!(told(&dir, own()).contains("state.redb is neither a file nor a directory"), "{}", told(&dir, own()));
}

#[test]
fn the_state_directory_itself_and_each_directory_above_are_checked() {
    let scratch = tempfile::tempdir().unwrap();
    let (outer, dir) = (scratch.path().join("outer"), scratch.path().join("outer/state"));
    fs::create_dir_all(&dir).unwrap();
    set_mode(&dir, 0o755);
    for at in [&outer, &dir] {
        set_mode(at, 0o777);
        assert!(told(&dir, own()).contains(&format!("`chmod go-w {}`", at.display())), "{}", told(&dir, own()));
        set_mode(at, 0o755);
    }
    // In a sticky directory nobody removes or renames what belongs to somebody else.
    set_mode(&outer, 0o1777);
    assert_eq!(told(&dir, own()), "");
}

/// systemd's StateDirectory of a dynamic user is a link in `/var/lib`.
#[test]
fn a_state_directory_behind_a_link_is_trusted_if_the_directories_of_both_paths_are() {
    let scratch = tempfile::tempdir().unwrap();
    let (links, private) = (scratch.path().join("lib"), scratch.path().join("private"));
    for dir in [&links, &private, &private.join("ferry")] {
        fs::create_dir(dir).unwrap();
        set_mode(dir, 0o700);
    }
    let link = links.join("ferry");
    symlink(private.join("ferry"), &link).unwrap();
    assert_eq!(told(&link, own()), "");
    for dir in [&links, &private] {
        set_mode(dir, 0o777);
        assert!(told(&link, own()).contains(&format!("`chmod go-w {}`", dir.display())), "{}", told(&link, own()));
        set_mode(dir, 0o700);
    }
}

#[test]
fn what_belongs_to_another_user_is_refused_with_the_chown_to_type() {
    let finding =
        |owner, user| Finding { path: "/s/peers.toml".into(), fault: Fault::Owner { owner, user } }.to_string();
    assert!(
        finding(7, 990).contains("belongs to user 7, the agent runs as 990: type `sudo chown"),
        "{}",
        finding(7, 990)
    );
    // Root that starts the agent of a service's user by hand would leave files there that the service cannot read.
    assert!(finding(990, 0).contains("start the agent as user 990, or `chown -R"), "{}", finding(990, 0));
    if own() != 0 {
        return;
    }
    let (scratch, made) = with_every_entry();
    let dir = scratch.path().join("state");
    for (path, _) in made.iter().map(|(path, _)| (path, ())).chain([(&dir, ())]) {
        std::os::unix::fs::chown(path, Some(65534), None).unwrap();
        assert!(told(&dir, 0).contains(&format!("{} belongs to user 65534", path.display())), "{}", told(&dir, 0));
        std::os::unix::fs::chown(path, Some(0), None).unwrap();
    }
    // What root owns is trusted by every other user.
    assert_eq!(told(&dir, 65534), "");
}

#[test]
fn a_refusal_lists_a_screenful_and_counts_the_rest() {
    let (scratch, made) = with_every_entry();
    let dir = scratch.path().join("state");
    for number in 0..20 {
        fs::write(dir.join(format!("blobs/{number}")), "").unwrap();
        set_mode(&dir.join(format!("blobs/{number}")), 0o666);
    }
    let told = told(&dir, own());
    assert_eq!(told.matches("`chmod").count(), LISTED_MAX, "{told}");
    assert!(told.contains("and 12 more, which the next start names"), "{told}");
    drop(made);
}

/// With the umask 002 that Debian and Ubuntu give to users, the demo's own agents refused their directories.
#[test]
fn what_a_private_group_may_write_is_accepted_and_what_everybody_may_write_is_not() {
    let (scratch, made) = with_every_entry();
    let dir = scratch.path().join("state");
    let check = || check_for(&dir, Agent { user: own(), is_private: &|_| true }).unwrap();
    for (path, _) in &made {
        set_mode(path, fs::metadata(path).unwrap().permissions().mode() | 0o020);
    }
    assert_eq!(check(), Ok(()));
    set_mode(&dir, 0o702);
    assert!(check().is_err());
}
