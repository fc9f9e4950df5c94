//! Finds authorized keys that are no valid SSH keys.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Returns which lines of authorized keys, counted from 1, are no key: its data has to begin with its own kind.
pub(in crate::controller::description) fn scrambled(keys: &str) -> Vec<usize> {
    let lines = keys.lines().map(str::trim).enumerate();
    let keys = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    keys.filter(|(_, line)| !is_key(line)).map(|(index, _)| index + 1).collect()
}

fn is_key(line: &str) -> bool {
    // Options may stand before the kind.
    let mut words = line.split_whitespace().skip_while(|word| !is_kind(word));
    let (Some(kind), Some(data)) = (words.next(), words.next()) else { return false };
    let Ok(data) = STANDARD.decode(data) else { return false };
    let name = data.split_first_chunk::<4>().and_then(|(bytes, rest)| rest.get(..u32::from_be_bytes(*bytes) as usize));
    name == Some(kind.as_bytes())
}

fn is_kind(word: &str) -> bool {
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"].iter().any(|kind| word.starts_with(kind)) && !word.contains('=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_its_kind_inside_and_out() {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIWgyAmWH7WuJjkhkTMJx1dyoG5iKaKuk8ibpOHUA8pY rig@example";
        let with_options = format!("from=\"10.0.0.0/8\" {key}");
        assert!(scrambled(&format!("{key}\n\n# a comment\n{with_options}\n")).is_empty());
        let swapped = key.replace("ssh-ed25519 AAAAC3", "ssh-ed25519 AAAAD3");
        assert_eq!(scrambled(&format!("{key}\n{swapped}\nnonsense\nssh-rsa\n")), [2, 3, 4]);
    }
}
