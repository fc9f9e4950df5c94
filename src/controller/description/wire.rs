//! How Juju writes lists and statuses: wrapped in a map with a version of their own.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

/// Something that a description lists inside a wrapper: `{version: 1, <LIST>: […]}`.
pub(super) trait Listed {
    /// The wrapper's key for the list.
    const LIST: &'static str;
}

/// Reads a wrapped list. A wrapper that is missing or null is an empty list; its version decides nothing here.
pub(super) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Listed + Deserialize<'de>,
{
    struct Wrapper<T>(PhantomData<T>);

    impl<'de, T: Listed + Deserialize<'de>> Visitor<'de> for Wrapper<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a map with `version` and `{}`", T::LIST)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<T>, A::Error> {
            let mut items = Vec::new();
            while let Some(key) = map.next_key::<String>()? {
                if key == T::LIST {
                    items = map.next_value::<Option<Vec<T>>>()?.unwrap_or_default();
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(items)
        }

        fn visit_unit<E>(self) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }
    }

    deserializer.deserialize_any(Wrapper(PhantomData))
}

/// Reads a wrapped list that must be there.
pub(super) fn present<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Listed + Deserialize<'de>,
{
    list(deserializer).map(Some)
}

/// Reads a value that may be written as null.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Declares what a description's entity is called in its list.
macro_rules! listed {
    ($($entity:ty = $list:literal),+ $(,)?) => {
        $(impl super::wire::Listed for $entity { const LIST: &'static str = $list; })+
    };
}
pub(super) use listed;
