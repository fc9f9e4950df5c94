//! Declares each table of the configuration file once, for the parser and for the reference.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// A table of the file, for the reference.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// Its path: empty for the top level, or such as `embedded`, `link.peers.NAME`. A list of tables ends with `[]`.
    pub path: &'static str,
    /// Lines of its description.
    pub about: &'static [&'static str],
    /// Its keys in the order of declaration.
    pub keys: &'static [Key],
}

/// A key of a table.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The field's name, with `_` instead of `-`.
    pub field: &'static str,
    /// Returns the description of its values.
    pub kind: fn() -> String,
    /// Whether values are written in quotes.
    pub is_text: bool,
    /// The default: a value, words in brackets, or empty for none.
    pub default: &'static str,
    /// Lines of its description.
    pub about: &'static [&'static str],
}

impl Key {
    /// Returns the key as an operator writes it.
    pub fn name(&self) -> String {
        self.field.trim_start_matches("r#").replace('_', "-")
    }

    /// Returns the default as an operator would write it, if it is a value.
    pub fn default_value(&self) -> Option<String> {
        match self.default {
            "" => None,
            words if words.starts_with('(') => None,
            text if self.is_text => Some(format!("\"{text}\"")),
            value => Some(value.to_owned()),
        }
    }
}

/// The type of a key's value.
pub(super) trait Value {
    /// Whether values are written in quotes.
    const IS_TEXT: bool = true;

    /// Returns the description of such values.
    fn kind() -> String;
}

/// Describes the values of several types.
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

/// Declares a table: the struct for the parser, and its [`Table`]. A field is `name: Type => "default"`, followed by
/// serde attributes in brackets.
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
            /// The table's entry in the reference.
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
