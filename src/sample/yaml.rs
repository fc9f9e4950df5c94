//! YAML as Juju's library writes it: block style, keys in the order given, sequences not indented under their key,
//! strings quoted only where they would be read as something else.

/// A piece of a document.
#[derive(Debug, Clone)]
pub(super) enum Node {
    /// Nothing: the key that holds it is left out.
    Absent,
    /// A number, a truth value or a time: never quoted.
    Plain(String),
    /// A string, quoted where needed.
    Text(String),
    /// Keys in order, each rendered already.
    Map(Vec<(String, Node)>),
    /// Items in order.
    List(Vec<Node>),
}

impl Node {
    /// Makes a map from keys that are data, not field names.
    pub(super) fn keyed<K: AsRef<str>>(entries: impl IntoIterator<Item = (K, Node)>) -> Self {
        Self::Map(entries.into_iter().map(|(key, node)| (scalar(key.as_ref()), node)).collect())
    }

    /// Makes Juju's wrapper around a list: its version, then the list under `key`.
    pub(super) fn wrapped(version: u32, key: &str, items: Vec<Node>) -> Self {
        Self::Map(vec![("version".into(), version.into()), (key.into(), Self::List(items))])
    }

    /// Renders the whole document.
    pub(super) fn document(&self) -> String {
        let mut out = String::new();
        self.block(0, &mut out);
        out
    }

    /// Adds `more`'s entries behind this map's own.
    pub(super) fn and(self, more: Node) -> Self {
        match (self, more) {
            (Self::Map(mut entries), Self::Map(more)) => {
                entries.extend(more);
                Self::Map(entries)
            }
            (other, _) => other,
        }
    }

    fn block(&self, indent: usize, out: &mut String) {
        match self {
            Self::Absent | Self::Plain(_) | Self::Text(_) => {}
            Self::Map(entries) => {
                for (key, node) in entries.iter().filter(|(_, node)| !matches!(node, Self::Absent)) {
                    out.extend(std::iter::repeat_n(' ', indent));
                    out.push_str(key);
                    out.push(':');
                    node.value(indent, out);
                }
            }
            Self::List(items) => {
                for item in items {
                    let mut lines = String::new();
                    match item {
                        Self::Map(entries) if !entries.is_empty() => item.block(indent + 2, &mut lines),
                        _ => {
                            lines.extend(std::iter::repeat_n(' ', indent + 1));
                            item.value(indent, &mut lines);
                        }
                    }
                    // The item's first line gives up its indentation to the dash.
                    out.extend(std::iter::repeat_n(' ', indent));
                    out.push_str("- ");
                    out.push_str(&lines[indent + 2..]);
                }
            }
        }
    }

    /// Renders what follows a key and its colon, to the end of the line or of the block.
    fn value(&self, indent: usize, out: &mut String) {
        match self {
            Self::Absent => out.push('\n'),
            Self::Plain(text) => out.push_str(&format!(" {text}\n")),
            Self::Text(text) if text.contains('\n') => {
                out.push_str(if text.ends_with('\n') { " |\n" } else { " |-\n" });
                for line in text.lines() {
                    out.extend(std::iter::repeat_n(' ', indent + 2));
                    out.push_str(line);
                    out.push('\n');
                }
            }
            Self::Text(text) => out.push_str(&format!(" {}\n", scalar(text))),
            Self::Map(entries) if entries.is_empty() => out.push_str(" {}\n"),
            Self::List(items) if items.is_empty() => out.push_str(" []\n"),
            Self::Map(_) => {
                out.push('\n');
                self.block(indent + 2, out);
            }
            Self::List(_) => {
                out.push('\n');
                self.block(indent, out);
            }
        }
    }
}

impl From<&str> for Node {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<&&str> for Node {
    fn from(text: &&str) -> Self {
        Self::Text((*text).into())
    }
}

impl From<String> for Node {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Node {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

macro_rules! plain {
    ($($type:ty),+) => { $(
        impl From<$type> for Node {
            fn from(value: $type) -> Self {
                Self::Plain(value.to_string())
            }
        }
    )+ };
}
plain!(bool, i32, i64, u16, u32, u64, usize);

impl<T: Into<Node>> From<Option<T>> for Node {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Into::into)
    }
}

impl<T: Into<Node>> From<Vec<T>> for Node {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Node>, const N: usize> From<[T; N]> for Node {
    fn from(items: [T; N]) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

/// Makes a map whose keys are field names, in the order written.
macro_rules! map {
    ($($key:literal : $value:expr),* $(,)?) => {
        $crate::sample::yaml::Node::Map(vec![
            $(($key.to_string(), $crate::sample::yaml::Node::from($value))),*
        ])
    };
}
pub(super) use map;

/// Returns `text` as a one-line YAML string.
fn scalar(text: &str) -> String {
    if text.is_empty() || reads_as_something_else(text) {
        format!("\"{text}\"")
    } else if is_plain(text) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

/// Tells whether a plain `text` would be a number, a truth value, a time or nothing to a YAML 1.1 reader.
fn reads_as_something_else(text: &str) -> bool {
    const WORDS: [&str; 12] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", ".inf", ".nan"];
    let unsigned = text.trim_start_matches(['+', '-']);
    let starts_as_number =
        unsigned.strip_prefix('.').unwrap_or(unsigned).starts_with(|first: char| first.is_ascii_digit());
    let number = starts_as_number && unsigned.replace('_', "").parse::<f64>().is_ok();
    let based = unsigned.starts_with("0x") && unsigned[2..].chars().all(|digit| digit.is_ascii_hexdigit());
    // 10:20:30 is a number to base 60, 2026-01-31 a time.
    let sexagesimal = starts_as_number && unsigned.contains(':') && unsigned.split(':').all(is_digits);
    let time = text.len() >= 8 && text.split('-').count() == 3 && text.split('-').next().is_some_and(is_digits);
    number || based || sexagesimal || time || WORDS.contains(&unsigned.to_ascii_lowercase().as_str())
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_plain(text: &str) -> bool {
    let mut chars = text.chars();
    let first_is_plain = match chars.next() {
        Some('-' | '?' | ':') => chars.next().is_some_and(|second| second != ' '),
        Some(first) => !" ,[]{}#&*!|>'\"%@`".contains(first),
        None => false,
    };
    first_is_plain && !text.contains(": ") && !text.contains(" #") && !text.ends_with([':', ' '])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_quoted_only_where_they_would_be_read_as_something_else() {
        for (text, written) in [
            ("", "\"\""),
            ("0", "\"0\""),
            ("16.9", "\"16.9\""),
            ("0.40.4", "0.40.4"),
            ("0/lxd/0", "0/lxd/0"),
            ("::/0", "::/0"),
            ("yes", "\"yes\""),
            ("2026-03-02", "\"2026-03-02\""),
            ("2d711642b726", "2d711642b726"),
            ("5432e10", "\"5432e10\""),
            ("[\"juju >= 3.6.1\"]", "'[\"juju >= 3.6.1\"]'"),
            ("shop:db postgresql:database", "shop:db postgresql:database"),
            ("it's: this", "'it''s: this'"),
        ] {
            assert_eq!(scalar(text), written);
        }
    }

    #[test]
    fn lists_stand_under_their_key_and_absent_keys_are_left_out() {
        let document = map! {
            "version": 1u32,
            "gone": None::<String>,
            "items": [map! { "id": "0", "text": "two\nlines\n", "empty": Node::List(vec![]) }],
            "names": ["a", "b"],
        }
        .document();
        let expected =
            "version: 1\nitems:\n- id: \"0\"\n  text: |\n    two\n    lines\n  empty: []\nnames:\n- a\n- b\n";
        assert_eq!(document, expected);
    }
}
