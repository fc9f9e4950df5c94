//! YAML as Juju writes it: lists not indented, text plain where it can be, in single quotes where it cannot.
//!
//! The YAML crate that reads descriptions quotes differently, and what `show-model` prints is compared
//! with Juju's byte for byte.

use std::fmt::Write;

use serde_json::Value;

/// Returns a tree as a YAML document.
pub fn document(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => entries(&mut text, map, 0),
        Value::Array(list) if !list.is_empty() => items(&mut text, list, 0),
        scalar => {
            text.push_str(&inline(scalar));
            text.push('\n');
        }
    }
    text
}

fn indent(text: &mut String, depth: usize) {
    text.extend(std::iter::repeat_n("  ", depth));
}

fn entries(text: &mut String, map: &serde_json::Map<String, Value>, depth: usize) {
    for (index, (key, value)) in map.iter().enumerate() {
        // The first entry of a list's item stands behind its dash.
        if index > 0 || !text.ends_with("- ") {
            indent(text, depth);
        }
        let _ = write!(text, "{}:", quoted(key));
        match value {
            Value::Object(map) if !map.is_empty() => {
                text.push('\n');
                entries(text, map, depth + 1);
            }
            Value::Array(list) if !list.is_empty() => {
                text.push('\n');
                items(text, list, depth);
            }
            Value::String(block) if may_be_block(block) => {
                text.push_str(if block.ends_with('\n') { " |\n" } else { " |-\n" });
                for line in block.lines() {
                    indent(text, depth + 1);
                    text.push_str(line);
                    text.push('\n');
                }
            }
            scalar => {
                let _ = writeln!(text, " {}", inline(scalar));
            }
        }
    }
}

/// Whether text of several lines reads the same as a block, each line by itself.
fn may_be_block(text: &str) -> bool {
    let whole = |line: &str| !line.is_empty() && !line.starts_with(' ') && !line.chars().any(is_escaped);
    text.contains('\n')
        && !text.ends_with("\n\n")
        && text.split('\n').rev().skip(1).all(whole)
        && text.lines().all(whole)
}

/// Whether a character is only ever shown escaped.
fn is_escaped(c: char) -> bool {
    c.is_control() || c == '\u{feff}' || ('\u{2028}'..='\u{202e}').contains(&c)
}

fn items(text: &mut String, list: &[Value], depth: usize) {
    for value in list {
        indent(text, depth);
        text.push_str("- ");
        match value {
            Value::Object(map) if !map.is_empty() => entries(text, map, depth + 1),
            Value::Array(list) if !list.is_empty() => {
                text.push('\n');
                items(text, list, depth + 1);
            }
            scalar => {
                let _ = writeln!(text, "{}", inline(scalar));
            }
        }
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        // Empty collections and numbers look as they do in JSON.
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    if text.chars().any(is_escaped) {
        // JSON's escapes are YAML's as well; what JSON would let through is escaped by hand.
        let json = Value::from(text).to_string();
        return json.chars().fold(String::new(), |mut shown, c| {
            let _ = match c {
                '\u{7f}'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{feff}' => write!(shown, "\\u{:04x}", c as u32),
                c => write!(shown, "{c}"),
            };
            shown
        });
    }
    if is_another_type(text) {
        return format!("\"{text}\"");
    }
    if may_be_plain(text) { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}

/// Whether a reader would take the plain text for something else than text.
fn is_another_type(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    matches!(lower.as_str(), "" | "~" | "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n")
        // YAML 1.1 has a type of their own for these two.
        || matches!(text, "=" | "<<")
        || matches!(lower.trim_start_matches(['+', '-']), ".inf" | ".nan")
        || lower.replace('_', "").parse::<f64>().is_ok_and(|_| !matches!(lower.as_str(), "inf" | "nan" | "infinity"))
        || ["0x", "0o", "0b"].iter().any(|prefix| lower.starts_with(prefix))
        || is_base_60(&lower)
        || lower.parse::<jiff::civil::Date>().is_ok()
        || lower.to_ascii_uppercase().parse::<jiff::Timestamp>().is_ok()
}

/// Whether a reader of YAML 1.1 would take it for a number in base 60, as it would some MAC addresses.
fn is_base_60(text: &str) -> bool {
    let mut parts = text.trim_start_matches(['+', '-']).split(':');
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let first = parts.next().is_some_and(|part| digits(part) && !part.starts_with('0'));
    let mut rest = parts.peekable();
    first && rest.peek().is_some() && rest.all(|part| digits(part) && part.parse::<u8>().is_ok_and(|part| part < 60))
}

fn may_be_plain(text: &str) -> bool {
    let mut chars = text.chars();
    let first = chars.next().unwrap_or(' ');
    let starts = match first {
        '-' | '?' | ':' => chars.next().is_some_and(|second| second != ' '),
        first => !",[]{}#&*!|>'\"%@` ".contains(first),
    };
    starts && !text.ends_with([' ', ':']) && !text.contains(": ") && !text.contains(" #")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_tree_looks_as_juju_writes_it() {
        let tree = json!({
            "test": {
                "name": "admin/test",
                "is-controller": false,
                "status": { "current": "available", "migration": "aborted, x: \"y\" it's" },
                "users": {},
                "agent-version": "3.1.0",
                "supported-features": [{ "name": "juju", "version": "3.1.0" }, { "name": "k", "list": ["a", "b"] }],
            }
        });
        assert_eq!(
            document(&tree),
            "test:\n  name: admin/test\n  is-controller: false\n  status:\n    current: available\n    \
             migration: 'aborted, x: \"y\" it''s'\n  users: {}\n  agent-version: 3.1.0\n  supported-features:\n  \
             - name: juju\n    version: 3.1.0\n  - name: k\n    list:\n    - a\n    - b\n"
        );
    }

    #[test]
    fn what_yaml_1_1_reads_as_a_number_in_base_60_is_quoted() {
        assert_eq!(quoted("10:20:30:40:50:55"), "\"10:20:30:40:50:55\"");
        for plain in ["fa:16:3e:73:15:c8", "10:20:30:40:50:60", "0:1", "08:53:20Z", "10.0.0.1:17070"] {
            assert_eq!(quoted(plain), plain);
        }
    }

    #[test]
    fn text_stays_text_for_whoever_reads_it_back() {
        for text in [
            "",
            "true",
            "No",
            "3.6",
            "0x1f",
            "1e3",
            "2025-10-08",
            "- x",
            "-",
            "a: b",
            "a #b",
            "#b",
            "x:",
            " x",
            "'",
            "\"q\"",
            "two\nlines",
            "a block\nof lines\n",
            " a\n b",
            "a\n\nb",
            "a\n\n",
            "\n",
            "a\r\nb",
            "\u{1b}[2J",
            "\u{202e}",
            "\u{85}",
            "plain text",
            "3.1.0",
            "5 minutes ago",
            "{}",
            "~",
            "=",
            "<<",
            "é",
        ] {
            let document = document(&json!({ "key": text }));
            let back: std::collections::BTreeMap<String, String> = serde_saphyr::from_str(&document).unwrap();
            assert_eq!(back["key"], text, "{document}");
            assert!(!document.contains('\u{1b}') && !document.contains('\u{202e}'));
        }
    }

    #[test]
    fn what_has_another_type_unquoted_is_quoted() {
        assert_eq!(
            document(&json!(["true", "3.6", "2025-10-08", "12", "=", "<<", "a = b"])),
            "- \"true\"\n- \"3.6\"\n- \"2025-10-08\"\n- \"12\"\n- \"=\"\n- \"<<\"\n- a = b\n"
        );
    }
}
