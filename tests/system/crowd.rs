//! Local users who connect to the control socket again and again.

use std::collections::VecDeque;
use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::host::{THIN, big, ready};

/// Clients of the crowd.
const CLIENTS: usize = 5000;
/// Connections that the crowd has open at once, which a process may by default.
const OPEN: usize = 500;

/// Connects [`CLIENTS`] times, by a thread of another user where this process is root's, and keeps the last [`OPEN`].
fn crowd(socket: &Path) -> VecDeque<UnixStream> {
    let socket = socket.to_owned();
    let connect = move || {
        if rustix::process::geteuid().is_root() {
            rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(65534)).unwrap();
        }
        let mut open = VecDeque::new();
        for _ in 0..CLIENTS {
            open.push_back(UnixStream::connect(&socket).unwrap());
            if open.len() > OPEN {
                open.pop_front();
            }
        }
        open
    };
    std::thread::spawn(connect).join().unwrap()
}

/// They used up the agent's file descriptors, which was taken for a fault of the store and ended the migration.
#[test]
fn five_thousand_local_clients_end_no_migration_and_keep_no_root_from_status() {
    let sample = big();
    let (src, dst, _) = ready(&sample);
    let id = format!("{}:0", sample.uuid);
    src.run(&["migrate", &sample.name, "dst", "--bwlimit", THIN]).ok();
    let is_root = rustix::process::geteuid().is_root();
    for host in [&src, &dst] {
        fs::set_permissions(host.dir.path(), Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(host.dir.path().join("ferry.sock"), Permissions::from_mode(0o666)).unwrap();
        let crowd = crowd(&host.dir.path().join("ferry.sock"));
        if is_root {
            host.run(&["status"]).ok();
        }
        let mut told = String::new();
        crowd.back().unwrap().read_to_string(&mut told).unwrap();
        assert!(told.contains("clients connected already") || told.contains("clients are connected already"), "{told}");
        drop(crowd);
        assert!(host.view(&id)["ended-ms"].is_null(), "the crowd came while the model was moving");
    }
    src.run(&["wait", &id]).ok();
    assert!(dst.serves(&sample.name));
}
