//! Tables of the configuration file, each declared once: what is parsed is what the reference says.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// A table of the file, as the reference shows it.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Where it is: empty for the top of the file, `embedded`, `link.peers.NAME`. A list of tables ends with `[]`.
    pub path: &'static str,
    /// What it is about, a line each.
    pub about: &'static [&'static str],
    /// Its keys, in the order in which they are declared.
    pub keys: &'static [Key],
}

/// A key of a table.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its field's name, with `_` for `-`.
    pub field: &'static str,
    /// Returns which values it takes.
    pub kind: fn() -> String,
    /// Whether values are written in quotes.
    pub is_text: bool,
    /// What holds without it: a value, words in brackets, or empty for nothing.
    pub default: &'static str,
    /// What it means, a line each.
    pub about: &'static [&'static str],
}

impl Key {
    /// Returns the key as it is written.
    pub fn name(&self) -> String {
        self.field.trim_start_matches("r#").replace('_', "-")
    }

    /// Returns the default as it would be written, if it is a value.
    pub fn default_value(&self) -> Option<String> {
        match self.default {
            "" => None,
            words if words.starts_with('(') => None,
            text if self.is_text => Some(format!("\"{text}\"")),
            value => Some(value.to_owned()),
        }
    }
}

/// A type of values.
pub(super) trait Value {
    /// Whether values are written in quotes.
    const IS_TEXT: bool = true;

    /// Says what such a value is.
    fn kind() -> String;
}

/// Says of types what their values are.
macro_rules! values {
    ($($type:ty: $kind:literal $(, $is_text:literal)?;)+) => {
        $(impl $crate::config::table::Value for $type {
            $(const IS_TEXT: bool = $is_text;)?

            fn kind() -> String {
                $kind.to_owned()
            }
        })+
    };
}
pub(super) use values;

values! {
    PathBuf: "a path";
    String: "text";
    bool: "true or false", false;
    NonZeroUsize: "a number, 1 or more", false;
}

impl<T: Value> Value for Option<T> {
    const IS_TEXT: bool = T::IS_TEXT;

    fn kind() -> String {
        T::kind()
    }
}

impl<T: Value> Value for Vec<T> {
    const IS_TEXT: bool = false;

    fn kind() -> String {
        format!("a list: {}", T::kind())
    }
}

impl<T: Value> Value for BTreeMap<String, T> {
    const IS_TEXT: bool = false;

    fn kind() -> String {
        format!("by name, {}", T::kind())
    }
}

/// Declares a table: the struct that is parsed, and [`Table`] beside it. A field is
/// `name: Type => "default"`, and what serde needs to know of it in brackets behind.
macro_rules! table {
    (
        $(#[doc = $about:literal])+
        [$($derive:ident),*] $vis:vis struct $name:ident in $path:literal {
            $(
                $(#[doc = $doc:literal])+
                $field_vis:vis $field:ident: $type:ty => $default:literal $([$($serde:meta),+])?,
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, serde::Deserialize, $($derive),*)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case")]
        $vis struct $name {
            $(
                $(#[doc = $doc])+
                $($(#[$serde])+)?
                $field_vis $field: $type,
            )+
        }

        impl $name {
            /// The table as the reference shows it.
            pub(super) const TABLE: $crate::config::table::Table = $crate::config::table::Table {
                path: $path,
                about: &[$($about),+],
                keys: &[$(
                    $crate::config::table::Key {
                        field: stringify!($field),
                        kind: <$type as $crate::config::table::Value>::kind,
                        is_text: <$type as $crate::config::table::Value>::IS_TEXT,
                        default: $default,
                        about: &[$($doc),+],
                    },
                )+],
            };
        }

        impl $crate::config::table::Value for $name {
            const IS_TEXT: bool = false;

            fn kind() -> String {
                "a table".to_owned()
            }
        }
    };
}
pub(super) use table;
