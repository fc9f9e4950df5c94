//! What is left to do once a model has moved: printed at the end of `migrate --wait` and `wait`.

use std::fmt::Write;

use crate::agent::control::view::ChecklistView;
use crate::cli::output::plain;

/// Returns the checklist as people read it.
pub(in crate::cli) fn text(list: &ChecklistView) -> String {
    let mut text = String::from("\nWhat to do now:\n");
    let mut line = |what: &str, value: &str| {
        let _ = writeln!(text, "  {:<17}{}", format!("{what}:"), plain(value));
    };
    line("New controller", &format!("{} ({})", list.controller, list.controller_uuid));
    if !list.addresses.is_empty() {
        line("Addresses", &list.addresses.join(", "));
    }
    line("Fingerprint", &format!("[{}]", list.ca_fingerprint));
    line("Switch to it", &list.switch);
    if list.consumers.is_empty() {
        line("Consumers", "none: no other model consumes what this one offers");
    }
    for consumer in &list.consumers {
        let follow = "must reach the new controller: look after it";
        line("Consumer", &format!("{} by model {} ({}); {follow}", consumer.offer, consumer.model_uuid, consumer.user));
    }
    line("Prove it", &list.verify);
    if list.way_back.exists {
        let back = &list.way_back;
        line("Way back", &format!("{} (on the host of {}; {})", back.command, list.controller, back.text));
    } else {
        line("Way back", &list.way_back.text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::description::Consumer;
    use crate::engine::view::WayBackView;

    fn list() -> ChecklistView {
        ChecklistView {
            controller: "west".into(),
            controller_uuid: "3850c8cc".into(),
            addresses: vec!["10.0.0.1:17070".into(), "10.0.0.2:17070".into()],
            ca_fingerprint: "93:73".into(),
            switch: "juju switch west:admin/prod".into(),
            consumers: Vec::new(),
            verify: "modelferry verify 9372:0".into(),
            way_back: WayBackView {
                exists: true,
                text: "at any time".into(),
                command: "modelferry migrate admin/prod east".into(),
            },
        }
    }

    #[test]
    fn the_checklist_names_everything_that_somebody_has_to_look_after() {
        let consumer = Consumer { offer: "db".into(), user: "bob".into(), model_uuid: "5b0d".into() };
        assert_eq!(
            text(&ChecklistView { consumers: vec![consumer], ..list() }),
            "\nWhat to do now:\n\
             \x20 New controller:  west (3850c8cc)\n\
             \x20 Addresses:       10.0.0.1:17070, 10.0.0.2:17070\n\
             \x20 Fingerprint:     [93:73]\n\
             \x20 Switch to it:    juju switch west:admin/prod\n\
             \x20 Consumer:        db by model 5b0d (bob); must reach the new controller: look after it\n\
             \x20 Prove it:        modelferry verify 9372:0\n\
             \x20 Way back:        modelferry migrate admin/prod east (on the host of west; at any time)\n"
        );
    }

    #[test]
    fn without_a_way_back_no_command_is_offered() {
        let none = WayBackView { exists: false, text: "none: newer".into(), command: String::new() };
        let shown = text(&ChecklistView { way_back: none, ..list() });
        assert!(shown.ends_with("  Way back:        none: newer\n"), "{shown}");
        assert!(shown.contains("Consumers:       none"), "{shown}");
    }
}
