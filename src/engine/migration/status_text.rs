//! Status texts of migrations: Juju's words in Juju's phases, our own before them.

use modelferry_protocol::ids::ModelUuid;
use modelferry_protocol::record::PrecopyState;
use modelferry_protocol::switch::source::SourceState;
use modelferry_protocol::switch::target::TargetState;

use super::id::migration_id;
use crate::engine::view::Bytes;

/// How far a source is that has handed its model over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct After {
    /// Lines of the log that the target has taken.
    pub log_sent: u64,
    /// Until when the copy is held, Unix milliseconds, once it is.
    pub reap_due_ms: Option<u64>,
}

/// Returns the note of a source in `state`.
///
/// `offered`: whether the target has taken the offer, so that bytes flow. `bytes`: how far they are. `after`: how far it
/// is afterwards.
pub fn of_source(state: &SourceState, offered: bool, bytes: &Bytes, after: &After) -> String {
    match state {
        SourceState::Offered if !offered => "starting".into(),
        SourceState::Offered => format!("copying binaries ahead, model is live ({})", share(bytes)),
        SourceState::Freezing(_) => "exporting model".into(),
        SourceState::Frozen(_) if bytes.held < bytes.total => "uploading model binaries into target controller".into(),
        SourceState::Frozen(_) => "importing model into target controller".into(),
        SourceState::Committed(_) => "transferring ownership of cloud resources to target controller".into(),
        SourceState::Handed(_) => match after.reap_due_ms {
            Some(due_ms) => format!("successful, reap due at {}", utc(due_ms)),
            None => format!("successful, transferring logs to target controller ({} sent)", after.log_sent),
        },
        SourceState::Reaping(_) => "successful, removing model from source controller".into(),
        SourceState::Moved(_) => "successful".into(),
        SourceState::Relaying(_) => "importing model into target controller".into(),
        SourceState::Answered(_) => "imported, waiting for source controller to decide".into(),
        SourceState::Aborting(cause) | SourceState::Aborted(cause) => aborted(cause),
        SourceState::Reclaiming(reclaiming) | SourceState::Seizing(reclaiming) => aborted(&reclaiming.cause),
        SourceState::Reclaimed(_) => "aborted, model taken back".into(),
    }
}

/// Returns the note of a target in `state`.
pub fn of_target(state: &TargetState, bytes: &Bytes) -> String {
    match state {
        TargetState::Receiving => format!("receiving model ({})", share(bytes)),
        TargetState::Importing(_) | TargetState::Staging(_) => "importing model".into(),
        TargetState::Imported(_) => format!("uploading model binaries ({})", share(bytes)),
        TargetState::Prepared(_) => "imported, waiting for source controller to decide".into(),
        TargetState::Activating(_) | TargetState::Seizing(_) => "activating model".into(),
        TargetState::Live(_) => "model is live, transferring ownership of cloud resources".into(),
        TargetState::Active(_) | TargetState::Seized(_) => "successful".into(),
        TargetState::Dropping(dropping) => aborted(&dropping.cause),
        TargetState::Dropped(cause) => aborted(cause),
    }
}

/// Returns the note of a pre-copy of `model` in `state`.
pub fn of_precopy(state: &PrecopyState, model: ModelUuid, bytes: &Bytes) -> String {
    match state {
        PrecopyState::Copying => format!("copying binaries ahead of a migration, model is live ({})", share(bytes)),
        PrecopyState::Copied(_) => "copied; a migration sends only what has changed since".into(),
        PrecopyState::Adopted(adoption) => format!("adopted by migration {}", migration_id(model, adoption.attempt)),
        PrecopyState::Aborted(cause) | PrecopyState::Failed(cause) => {
            format!("ended, what has arrived stays over there: {}", &**cause)
        }
    }
}

/// Returns a time as people read it, to the second.
fn utc(ms: u64) -> String {
    let time = i64::try_from(ms / 1000).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.unwrap_or(jiff::Timestamp::MAX).to_string()
}

fn aborted(cause: &str) -> String {
    format!("aborted, removing model from target controller: {cause}")
}

/// Returns how far the bytes are, and how long the rest takes at the present rate.
fn share(bytes: &Bytes) -> String {
    let percent = bytes.held.saturating_mul(100).checked_div(bytes.total).unwrap_or(0);
    match remaining_seconds(bytes) {
        Some(seconds) => format!("{percent} %, {} left", span(seconds)),
        None => format!("{percent} %"),
    }
}

/// Returns the seconds until all bytes are held, at the present rate; nothing while there is none.
pub fn remaining_seconds(bytes: &Bytes) -> Option<u64> {
    let left = bytes.total.saturating_sub(bytes.held);
    (bytes.rate >= 1.0 && left > 0).then(|| (left as f64 / bytes.rate).ceil() as u64)
}

fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds.div_ceil(60)),
        _ => format!("{}h{}m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use modelferry_protocol::switch::source::Handed;

    use modelferry_protocol::ids::Hash;

    use super::*;

    #[test]
    fn the_share_of_a_copy_says_how_long_it_takes() {
        let bytes = Bytes { total: 100 << 20, held: 43 << 20, rate: 81920.0, ..Bytes::default() };
        assert_eq!(share(&bytes), "43 %, 13m left");
        assert_eq!(share(&Bytes::default()), "0 %");
    }

    #[test]
    fn nothing_left_has_no_remaining_time() {
        assert_eq!(remaining_seconds(&Bytes { total: 5, held: 5, rate: 9.0, ..Bytes::default() }), None);
    }

    #[test]
    fn a_migration_steps_from_starting_to_successful() {
        let (root, bytes) = (Hash::of(b"root"), Bytes::default());
        let states = [
            (SourceState::Offered, false),
            (SourceState::Offered, true),
            (SourceState::Handed(Handed { root, reply: Default::default() }), true),
            (SourceState::Reaping(root), true),
            (SourceState::Moved(root), true),
        ];
        let notes = states.map(|(state, offered)| of_source(&state, offered, &bytes, &After::default()));
        assert_eq!(
            notes,
            [
                "starting",
                "copying binaries ahead, model is live (0 %)",
                "successful, transferring logs to target controller (0 sent)",
                "successful, removing model from source controller",
                "successful",
            ]
        );
    }
}
