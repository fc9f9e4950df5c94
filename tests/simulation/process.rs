//! What a simulated process takes from its surroundings: a wall clock, and an end that is not the test's.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use modelferry::disk::{FaultPlan, Faults};
use modelferry::journal::JournalError;

thread_local! {
    /// The process whose turn it is on this thread.
    static CURRENT: RefCell<Option<Arc<Process>>> = const { RefCell::new(None) };
    /// The first panic on this thread since it was last asked for.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// One life of an agent's process.
pub struct Process {
    dead: AtomicBool,
    clock_ms: AtomicU64,
    faults: Faults,
}

/// Unwinds a task of a process that has stopped. It is no panic: nothing is printed.
struct Stopped;

impl Process {
    pub fn new(faults: Faults) -> Arc<Self> {
        Arc::new(Self { dead: AtomicBool::new(false), clock_ms: AtomicU64::new(0), faults })
    }

    pub fn is_dead(&self) -> bool {
        self.dead.load(Relaxed)
    }

    pub fn set_clock(&self, unix_ms: u64) {
        self.clock_ms.store(unix_ms, Relaxed);
    }

    /// From now on nothing that it still does reaches disk, network or controller.
    pub fn die(&self) {
        self.dead.store(true, Relaxed);
        self.faults.set(FaultPlan { die_at: Some(0), ..FaultPlan::default() });
    }

    /// Lets `turn` run as this process.
    pub fn run<R>(self: &Arc<Self>, turn: impl FnOnce() -> R) -> R {
        CURRENT.set(Some(self.clone()));
        let _turn = Turn;
        turn()
    }
}

/// The turn of a process; it ends in a panic as well.
struct Turn;

impl Drop for Turn {
    fn drop(&mut self) {
        CURRENT.set(None);
    }
}

fn current() -> Arc<Process> {
    CURRENT.with_borrow(|current| current.clone().expect("agents run inside of a process"))
}

/// The wall clock of the process whose turn it is.
pub fn clock() -> u64 {
    current().clock_ms.load(Relaxed)
}

/// Reports whether the process whose turn it is has died.
pub fn is_dead() -> bool {
    current().is_dead()
}

/// Stops the process whose turn it is.
pub fn stop(_: &JournalError) -> ! {
    current().die();
    std::panic::resume_unwind(Box::new(Stopped))
}

/// Ends the process whose turn it is, as SIGKILL would: what it has written stays.
#[cfg(feature = "failpoints")]
pub fn kill_current() -> ! {
    current().die();
    std::panic::resume_unwind(Box::new(Stopped))
}

/// Notes panics from now on instead of printing them: tokio would swallow those of tasks.
pub fn note_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let is_agent = CURRENT.with_borrow(Option::is_some);
            if is_agent {
                PANIC.with_borrow_mut(|first| _ = first.get_or_insert_with(|| info.to_string()));
            } else {
                print(info);
            }
        }));
    });
}

/// Returns the first panic in a task on this thread since the last call.
pub fn take_panic() -> Option<String> {
    PANIC.take()
}
