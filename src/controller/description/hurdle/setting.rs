//! What is read of settings and passwords to see a hurdle: never what they say.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// What an agent's password is known by: enough to see that two are the same, and nothing to log in with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

/// Reads a password's hash, and keeps what it is known by.
pub(in crate::controller::description) fn fingerprint<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Fingerprint>, D::Error> {
    let hash = String::deserialize(deserializer)?;
    let mut hasher = DefaultHasher::new();
    hash.hash(&mut hasher);
    Ok((!hash.is_empty()).then(|| Fingerprint(hasher.finish())))
}

/// What kind of value a setting has; never the value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Setting {
    /// A number without a fraction.
    Integer,
    /// Anything else.
    #[default]
    Other,
}

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Kind;

        macro_rules! other {
            ($($method:ident($kind:ty)),+) => {
                $(fn $method<E: Error>(self, _: $kind) -> Result<Setting, E> {
                    Ok(Setting::Other)
                })+
            };
        }

        impl<'de> Visitor<'de> for Kind {
            type Value = Setting;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a setting")
            }

            other!(visit_bool(bool), visit_f64(f64), visit_str(&str));

            fn visit_i64<E: Error>(self, _: i64) -> Result<Setting, E> {
                Ok(Setting::Integer)
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Setting, E> {
                Ok(Setting::Integer)
            }

            fn visit_unit<E: Error>(self) -> Result<Setting, E> {
                Ok(Setting::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Setting, A::Error> {
                while elements.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Setting::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Setting, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Setting::Other)
            }
        }

        deserializer.deserialize_any(Kind)
    }
}
