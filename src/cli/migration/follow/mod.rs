//! Following migrations to their ends.

mod display;
mod interrupt;

use std::time::{Duration, Instant};

use display::Display;

use crate::agent::control::view::{ChecklistView, is_in_doubt};
use crate::agent::control::{Failure, FailureKind, Request, Response};
use crate::cli::Context;
use crate::cli::base::client::{self, Client, deadline};
use crate::cli::base::exit::Exit;
use crate::cli::output::plain;
use crate::cli::output::{Format, byte_count, span, utc};
use crate::cli::texts::{checklist, doubt};
use crate::clock::now_ms;
use crate::engine::view::{Bytes, Direction, MigrationView, Stand};

/// How long an agent that went away may take to come back: systemd restarts it within seconds.
const AGENT_BACK_WITHIN: Duration = Duration::from_secs(60);
/// Pause between two attempts to reach it.
const AGENT_RETRY: Duration = Duration::from_millis(250);
/// What is said while an agent that went away is waited for.
pub(in crate::cli) const GONE: &str = "the agent has gone away; waiting for it to come back";

/// Follows migrations to their ends, one after the other, and tells how the gravest ended. Ctrl-C ends this alone.
pub(in crate::cli) fn all(context: &Context, ids: &[String]) -> Exit {
    let mut display = Display::new(context);
    // Without a handler Ctrl-C ends the command all the same, and says nothing.
    let _ = interrupt::explain(ids, display.bar());
    let mut exit = Exit::Done;
    let mut ids = ids.iter().peekable();
    while let Some(id) = ids.next() {
        match one(context, &mut display, id, None) {
            Ok(ended) => exit = exit.graver(ended),
            Err(failure) => {
                exit = exit.graver(context.fail(&failure));
                if ids.peek().is_some() && context.gives_up(&failure) {
                    break;
                }
            }
        }
    }
    exit
}

/// Follows a migration until it is at rest, `timeout` is over or, without one, it is in doubt. Ctrl-C ends this alone.
pub(in crate::cli) fn follow(context: &Context, id: &str, timeout: Option<Duration>) -> Result<Exit, Failure> {
    let mut display = Display::new(context);
    // As above.
    let _ = interrupt::explain(&[id.to_owned()], display.bar());
    one(context, &mut display, id, timeout)
}

fn one(context: &Context, display: &mut Display<'_>, id: &str, timeout: Option<Duration>) -> Result<Exit, Failure> {
    let deadline = deadline(timeout);
    let mut last: Option<MigrationView> = None;
    let mut client = watch(context, id)?;
    loop {
        // Without news the doubt grows all the same, so it is looked at every second.
        let tick = Instant::now() + Duration::from_secs(1);
        let until = deadline.map_or(tick, |deadline| deadline.min(tick));
        match client.next(Some(until)) {
            Ok(Some(Response::Update(view))) => {
                display.show(&view);
                // It has moved: what is left is waited for by nobody, unless somebody has said for how long.
                if view.is_held() || deadline.is_none() && view.needs_somebody() {
                    display.finish();
                    return Ok(conclude(context, &view));
                }
                last = Some(*view);
            }
            Ok(Some(Response::Migration(view))) => {
                display.finish();
                return Ok(conclude(context, &view));
            }
            Ok(Some(_)) => return Err(client::unexpected()),
            Ok(None) => display.tick(),
            // The migration survives its agent's restart, so whoever waits for it does as well.
            Err(failure) if failure.kind == FailureKind::Unreachable && !client.is_stuck() => {
                display.remark(GONE);
                let patience = Instant::now() + AGENT_BACK_WITHIN;
                let until = deadline.map_or(patience, |deadline| deadline.min(patience));
                client = again(|| watch(context, id), Some(until))?;
            }
            Err(failure) => return Err(failure),
        }
        let over = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        let doubted = last.as_ref().filter(|view| view.stand == Stand::Undecided);
        if let Some(view) = doubted.filter(|view| over || deadline.is_none() && is_in_doubt(view, now_ms())) {
            display.finish();
            return Err(in_doubt(view));
        }
        if let Some(view) = last.as_ref().filter(|view| over && view.needs_somebody()) {
            display.finish();
            return Ok(conclude(context, view));
        }
        if over {
            display.finish();
            return Err(Failure::new(FailureKind::TimedOut, format!("migration \"{id}\" has not finished in time"))
                .state("it goes on; nothing was stopped")
                .hint(format!("follow it with `modelferry wait {id}`")));
        }
    }
}

fn watch(context: &Context, id: &str) -> Result<Client, Failure> {
    let mut client = context.connect()?;
    client.send(&Request::Watch { id: id.to_owned() })?;
    Ok(client)
}

/// Reaches an agent that went away, again and again; until `deadline`, if there is one.
#[expect(clippy::disallowed_methods, reason = "a command feeds no watchdog, and no event tells that an agent is back")]
pub(in crate::cli) fn again(
    ask: impl Fn() -> Result<Client, Failure>,
    deadline: Option<Instant>,
) -> Result<Client, Failure> {
    let is_over = || deadline.is_some_and(|deadline| Instant::now() >= deadline);
    loop {
        match ask() {
            Err(failure) if failure.kind == FailureKind::Unreachable && !is_over() => {
                std::thread::sleep(AGENT_RETRY);
            }
            outcome => return outcome,
        }
    }
}

fn in_doubt(view: &MigrationView) -> Failure {
    let age = span(Duration::from_millis(view.undecided_for_ms(now_ms()).unwrap_or(0)));
    let waiting = view.waiting.as_deref().unwrap_or("the other agent has not answered");
    Failure::new(FailureKind::InDoubt, format!("migration \"{}\" has been in doubt for {age}: {waiting}", view.id))
        .state(doubt::truth(view))
        .hint(format!(
            "bring the link to \"{}\" back, then `modelferry wait {} --timeout 10m`; or without it:\n  {}",
            view.peer,
            view.id,
            doubt::commands(view).join("\n  ")
        ))
}

/// Asks what is left to do. Whoever cannot be told that has still been told how it ended.
fn checklist_of(context: &Context, view: &MigrationView) -> Option<Box<ChecklistView>> {
    match context.ask(&Request::Checklist { id: view.mid.clone() }) {
        Ok(Response::Checklist(list)) => Some(list),
        _ => None,
    }
}

/// Prints how it ended, and tells how the command ends.
fn conclude(context: &Context, view: &MigrationView) -> Exit {
    let exit = Exit::of_migration(view);
    if !view.moves() && context.format == Format::Tabular {
        precopied(context, view);
        return exit;
    }
    let has_moved = view.stand == Stand::Moved || view.is_held() || view.needs_somebody();
    let is_source = has_moved && view.direction == Direction::Source;
    let checklist = if is_source { checklist_of(context, view) } else { None };
    if context.format != Format::Tabular {
        let mut tree = serde_json::to_value(view).unwrap_or_default();
        if let (Some(list), Some(fields)) = (checklist, tree.as_object_mut()) {
            fields.insert("checklist".to_owned(), serde_json::to_value(list).unwrap_or_default());
        }
        context.print(&tree, String::new);
        return exit;
    }
    let model = format!("{}/{}", plain(&view.owner), plain(&view.model));
    let cause = view.cause.as_deref().map(plain);
    match has_moved {
        true => {
            let (verb, place) = match view.direction {
                Direction::Source => ("has moved to", &view.controller),
                Direction::Target => ("has arrived from", &view.controller),
            };
            let frozen = view
                .frozen_ms
                .map_or_else(String::new, |ms| format!(", frozen for {}", span(Duration::from_millis(ms))));
            let carried = carried(&view.bytes);
            context.put(&format!("Model \"{model}\" {verb} controller \"{}\"{carried}{frozen}.\n", plain(place)));
            if let Some(list) = checklist {
                context.put(&checklist::text(&list));
            }
            if let Some(due_ms) = view.reap_due_ms {
                context.put(&format!(
                    "Its copy here is kept: reap due at {}. `modelferry reap {}` deletes it now.\n",
                    utc(due_ms),
                    plain(&view.id)
                ));
            }
            if view.needs_somebody() {
                return attention(context, view);
            }
            if let Some(cause) = cause {
                context.fail(
                    &Failure::new(FailureKind::Refused, format!("something is left to do: {cause}"))
                        .hint(format!("see `modelferry show-migration {}`", view.id)),
                );
            }
        }
        false => {
            let cause = cause.unwrap_or_else(|| "no cause was recorded".into());
            context.fail(
                &Failure::new(FailureKind::Refused, format!("migration aborted: {cause}"))
                    .state(format!("model \"{model}\" is live on its source, as it was"))
                    .hint(format!("see `modelferry show-migration {}`", view.id)),
            );
        }
    }
    exit
}

/// Tells how much it was, and what of it need not travel, as far as it was counted.
fn carried(bytes: &Bytes) -> String {
    match bytes.counted_from_ms {
        None => format!(": {}, of which {} were there already", byte_count(bytes.total), byte_count(bytes.reused)),
        Some(_) if bytes.total > 0 => format!(": {}", byte_count(bytes.total)),
        Some(_) => String::new(),
    }
}

/// Says how a pre-copy ended.
fn precopied(context: &Context, view: &MigrationView) {
    let model = format!("{}/{}", plain(&view.owner), plain(&view.model));
    if let Some(cause) = &view.cause {
        context.fail(
            &Failure::new(FailureKind::Refused, format!("pre-copy ended: {}", plain(cause)))
                .state(format!("model \"{model}\" is live here, and what has arrived stays over there"))
                .hint(format!("see `modelferry show-migration {}`", view.id)),
        );
        return;
    }
    context.put(&format!(
        "Bytes of model \"{model}\" for controller \"{}\"{}; {}.\n",
        plain(&view.controller),
        carried(&view.bytes),
        plain(&view.note)
    ));
}

/// Says that a model has moved, and that its copy here cannot be deleted or its log cannot follow.
pub(super) fn attention(context: &Context, view: &MigrationView) -> Exit {
    let waiting = plain(view.waiting.as_deref().unwrap_or("the controller does not answer")).into_owned();
    let failure = Failure::new(FailureKind::Refused, waiting);
    let id = plain(&view.id);
    context.fail(&match view.is_log_left_behind() {
        true => failure
            .state("the model is live over there; its log and its copy here are left, which nobody can use")
            .hint(format!(
                "it is tried again and again; `modelferry reap {id} --skip-logs` gives the log up and deletes the copy here"
            )),
        false => failure
            .state("the model is live over there; only its copy here is left, which nobody can use")
            .hint(format!(
                "repair the controller here: it is asked again and again; `modelferry reap {id}` asks at once"
            )),
    });
    Exit::Attention
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::model::status::tests::migration;

    #[test]
    fn what_an_agent_has_not_counted_it_does_not_tell() {
        let bytes = Bytes { total: 64 << 20, held: 64 << 20, reused: 4 << 20, ..Bytes::default() };
        assert_eq!(carried(&bytes), ": 64 MiB, of which 4 MiB were there already");
        assert_eq!(carried(&Bytes { counted_from_ms: Some(1), ..bytes }), ": 64 MiB");
        assert_eq!(carried(&Bytes { counted_from_ms: Some(1), ..Bytes::default() }), "");
    }

    #[test]
    fn a_doubt_says_what_is_true_and_what_to_type() {
        let failure = in_doubt(&migration(Stand::Undecided));
        assert_eq!(Exit::of(&failure), Exit::InDoubt);
        assert!(failure.message.contains("the link to \"west\" is down"), "{failure:?}");
        assert!(failure.state.contains("The model is frozen here"), "{failure:?}");
        assert!(failure.hint.contains("modelferry wait 3850c8cc-0cd0-4d53-8a6d-591b63024141:0"), "{failure:?}");
    }

    #[test]
    fn how_a_migration_stands_decides_the_exit_code() {
        for (stand, exit) in
            [(Stand::Moved, Exit::Done), (Stand::Reverted, Exit::Reverted), (Stand::Running, Exit::TimedOut)]
        {
            assert_eq!(Exit::of_migration(&migration(stand)), exit);
        }
        let attention = MigrationView { cause: Some("reap failed".into()), ..migration(Stand::Moved) };
        assert_eq!(Exit::of_migration(&attention), Exit::Attention);
    }
}
