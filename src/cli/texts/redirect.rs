//! The message of Juju's client about a model that has been migrated away, byte for byte.

use std::fmt::Write;

use crate::agent::control::view::RedirectView;
use crate::cli::output::plain;

/// Returns the text, to be printed after `ERROR `.
pub fn text(redirect: &RedirectView) -> String {
    let model = plain(&redirect.model);
    if let Some(known) = &redirect.known_as {
        let known = plain(known);
        return format!(
            "Model \"{model}\" has been migrated to controller \"{known}\".\n\
             To access it run 'juju switch {known}:{model}'."
        );
    }
    if redirect.addresses.is_empty() {
        // An embedded controller without an API, whose database was made anew, or whose link is down: nobody knows where it is.
        let (alias, uuid) = (plain(&redirect.alias), plain(&redirect.controller_uuid));
        let called = if alias.is_empty() { String::new() } else { format!(" \"{alias}\",") };
        return format!(
            "Model \"{model}\" has been migrated to controller{called} of UUID {uuid}.\n\
             No peer that is connected has that controller: it may have been made anew since, under another UUID.\n\
             See 'modelferry peers', and look for the model there with 'modelferry models --controller PEER'."
        );
    }
    let mut text = format!(
        "Model \"{model}\" has been migrated to another controller.\n\
         To access it run one of the following commands (you can replace the -c argument with your own preferred \
         controller name):\n"
    );
    let alias = if redirect.alias.is_empty() { "new-controller".into() } else { plain(&redirect.alias) };
    for address in &redirect.addresses {
        let _ = writeln!(text, "  'juju login {} -c {alias}'", plain(address));
    }
    let _ = write!(text, "\nNew controller fingerprint [{}]", plain(&redirect.ca_fingerprint));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirect() -> RedirectView {
        RedirectView {
            model: "admin/badmodel".into(),
            alias: String::new(),
            controller_uuid: "3850c8cc-0cd0-4d53-8a6d-591b63024141".into(),
            addresses: vec!["1.2.3.4:5555".into()],
            ca_fingerprint: "00:11:22".into(),
            known_as: None,
        }
    }

    #[test]
    fn a_redirect_to_an_unknown_controller_is_jujus_to_the_byte() {
        assert_eq!(
            text(&redirect()),
            "Model \"admin/badmodel\" has been migrated to another controller.\n\
             To access it run one of the following commands (you can replace the -c argument with your own \
             preferred controller name):\n  'juju login 1.2.3.4:5555 -c new-controller'\n\n\
             New controller fingerprint [00:11:22]"
        );
    }

    /// "Run one of the following commands", and there was none.
    #[test]
    fn a_redirect_without_an_address_lists_no_commands_but_says_where_to_look() {
        let text = text(&RedirectView { addresses: Vec::new(), alias: "east".into(), ..redirect() });
        assert!(text.contains("migrated to controller \"east\", of UUID 3850c8cc"), "{text}");
        assert!(!text.contains("following commands") && !text.contains("fingerprint"), "{text}");
        assert!(text.contains("'modelferry peers'"), "{text}");
    }

    #[test]
    fn a_redirect_to_a_known_controller_is_jujus_to_the_byte() {
        assert_eq!(
            text(&RedirectView { known_as: Some("bar".into()), ..redirect() }),
            "Model \"admin/badmodel\" has been migrated to controller \"bar\".\n\
             To access it run 'juju switch bar:admin/badmodel'."
        );
    }
}
