//! Places at which a test ends the process, cuts the link or lets the controller refuse, in the very code
//! that ships. Without the feature `failpoints` there is nothing here.
//!
//! A point stands before and after each durable record and each effect of the two machines. Its name is
//! the side, the record or effect, and `before` or `after`: `source.Committed.before`, `target.stage.after`.

use crate::controller::port::ControllerError;
use crate::link::Session;

/// What an armed point does, once.
#[cfg(feature = "failpoints")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// Ends the process as a power cut would.
    Kill,
    /// Ends the connection to the peer.
    Cut,
    /// Lets the controller refuse the effect; only `before` points of effects know it.
    Refuse,
}

#[cfg(feature = "failpoints")]
static ARMED: parking_lot::Mutex<Option<(String, Action)>> = parking_lot::Mutex::new(None);

#[cfg(feature = "failpoints")]
type Hook = std::rc::Rc<dyn Fn(&str)>;

#[cfg(feature = "failpoints")]
thread_local! {
    /// What a simulation does at points that are passed on this thread.
    static HOOK: std::cell::RefCell<Option<Hook>> = const { std::cell::RefCell::new(None) };
}

/// Calls `hook` with the name of every point that is passed on this thread from now on; nothing, for nobody.
#[cfg(feature = "failpoints")]
pub fn hook(hook: Option<Hook>) {
    HOOK.set(hook);
}

/// Arms one point: `source.Committed.before=kill`, `…=cut`, `…=refuse`.
///
/// Errors: the text, if it is no such thing.
#[cfg(feature = "failpoints")]
pub fn arm(spec: &str) -> Result<(), String> {
    let (point, action) = spec.split_once('=').ok_or_else(|| format!("{spec:?} is not POINT=ACTION"))?;
    let action = match action {
        "kill" => Action::Kill,
        "cut" => Action::Cut,
        "refuse" => Action::Refuse,
        other => return Err(format!("{other:?} is not kill, cut or refuse")),
    };
    *ARMED.lock() = Some((point.to_owned(), action));
    Ok(())
}

/// Passes a point.
///
/// `side`: `source` or `target`. `what`: the record's or the effect's name. `when`: `before` or `after`.
/// Errors: a controller that is down, if the point is armed so; only effects heed it.
#[cfg(feature = "failpoints")]
pub fn pass(side: &str, what: &str, when: &str, session: Option<&Session>) -> Result<(), ControllerError> {
    let point = format!("{side}.{what}.{when}");
    if let Some(hook) = HOOK.with_borrow(Clone::clone) {
        hook(&point);
    }
    let mut armed = ARMED.lock();
    match armed.take_if(|(armed, _)| *armed == point) {
        Some((_, Action::Kill)) => kill(),
        Some((_, Action::Cut)) => {
            if let Some(session) = session {
                session.close(crate::link::CloseCode::Done, "cut by a failpoint");
            }
            Ok(())
        }
        Some((_, Action::Refuse)) => Err(ControllerError::Storage("refused by a failpoint".into())),
        None => Ok(()),
    }
}

/// Passes a point: nothing happens there.
///
/// Errors: none.
#[cfg(not(feature = "failpoints"))]
pub fn pass(_: &str, _: &str, _: &str, _: Option<&Session>) -> Result<(), ControllerError> {
    Ok(())
}

#[cfg(feature = "failpoints")]
fn kill() -> ! {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    // The signal cannot be caught: it is here already, or comes before anything else does.
    loop {
        std::thread::park();
    }
}
