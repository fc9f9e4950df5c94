//! Waits for file descriptors. A process, or a host, that has run out of them has no broken disk: the same call succeeds
//! once another file or socket is closed, so that nothing is aborted for it.

use std::io;
use std::time::Duration;

use rustix::io::Errno;

/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(50);
/// Attempts, ten minutes of them. Longer than any crowd of short-lived connections; shorter than for ever, because the
/// caller blocks a thread.
const ATTEMPTS_MAX: u32 = 12_000;

/// Repeats `open` while no file descriptors are left.
#[expect(
    clippy::disallowed_methods,
    reason = "disk work has a thread of its own; no event says that a file was closed"
)]
pub fn when_available<T>(mut open: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    for attempt in 0..ATTEMPTS_MAX {
        match open() {
            Err(error) if is_out_of_descriptors(&error) => {
                if attempt == 0 {
                    tracing::warn!("no file descriptors are left, so that work on the disk waits: {error}");
                }
                std::thread::sleep(PAUSE);
            }
            opened => return opened,
        }
    }
    open()
}

/// Reports whether the process (EMFILE) or the host (ENFILE) has no file descriptors left.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE].iter().any(|known| error.raw_os_error() == Some(known.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_waits_for_descriptors_and_for_nothing_else() {
        for errno in [Errno::MFILE, Errno::NFILE] {
            let mut left = 3;
            let opened = when_available(|| {
                left -= 1;
                if left > 0 { Err(io::Error::from(errno)) } else { Ok("opened") }
            });
            assert_eq!((opened.unwrap(), left), ("opened", 0));
        }
        let mut asked = 0;
        let refused = when_available(|| {
            asked += 1;
            Err::<(), _>(io::Error::from(Errno::NOSPC))
        });
        assert_eq!((refused.unwrap_err().kind(), asked), (io::ErrorKind::StorageFull, 1));
    }
}
