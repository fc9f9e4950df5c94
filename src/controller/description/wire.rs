//! How Juju writes lists and statuses: wrapped in a map with a version of their own.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Something that a description lists inside a wrapper: `{version: 1, <LIST>: […]}`.
pub(super) trait Listed {
    /// The wrapper's key for the list.
    const LIST: &'static str;

    /// Reports whether the thing lacks what it is known by. Juju never writes one, and a few bytes each
    /// could make a document of millions of them.
    fn is_nameless(&self) -> bool;
}

/// A list whose every element is known by something.
struct Named<T>(Vec<T>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Listed + Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements<T>(PhantomData<T>);

        impl<'de, T: Listed + Deserialize<'de>> Visitor<'de> for Elements<T> {
            type Value = Named<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of {}", T::LIST)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Named<T>, A::Error> {
                let mut named = Vec::new();
                while let Some(element) = elements.next_element::<T>()? {
                    if element.is_nameless() {
                        return Err(A::Error::custom(format!("something without a name among the {}", T::LIST)));
                    }
                    named.push(element);
                }
                Ok(Named(named))
            }
        }

        deserializer.deserialize_seq(Elements(PhantomData))
    }
}

/// A list with its wrapper's version.
pub(super) struct Section<T> {
    /// 0 for a wrapper that is missing or null.
    pub(super) version: u64,
    /// What is listed.
    pub(super) items: Vec<T>,
}

impl<T> Default for Section<T> {
    fn default() -> Self {
        Self { version: 0, items: Vec::new() }
    }
}

impl<'de, T: Listed + Deserialize<'de>> Deserialize<'de> for Section<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        section(deserializer)
    }
}

/// Reads a wrapped list. A wrapper that is missing or null is an empty list; its version decides nothing here.
pub(super) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Listed + Deserialize<'de>,
{
    section(deserializer).map(|section| section.items)
}

fn section<'de, D, T>(deserializer: D) -> Result<Section<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Listed + Deserialize<'de>,
{
    struct Wrapper<T>(PhantomData<T>);

    impl<'de, T: Listed + Deserialize<'de>> Visitor<'de> for Wrapper<T> {
        type Value = Section<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a map with `version` and `{}`", T::LIST)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Section<T>, A::Error> {
            let mut section = Section::default();
            while let Some(key) = map.next_key::<String>()? {
                if key == T::LIST {
                    section.items = map.next_value::<Option<Named<T>>>()?.unwrap_or_default().0;
                } else if key == "version" {
                    section.version = map.next_value::<Option<u64>>()?.unwrap_or_default();
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(section)
        }

        fn visit_unit<E>(self) -> Result<Section<T>, E> {
            Ok(Section::default())
        }
    }

    deserializer.deserialize_any(Wrapper(PhantomData))
}

/// Reads a list that stands without a wrapper.
pub(super) fn bare<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Listed + Deserialize<'de>,
{
    Ok(Option::<Named<T>>::deserialize(deserializer)?.unwrap_or_default().0)
}

/// Reads a value that may be written as null.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Declares what a description's entities are called in their list, and what each is known by.
macro_rules! listed {
    ($($entity:ident = $list:literal by $name:expr),+ $(,)?) => {
        $(impl super::wire::Listed for $entity {
            const LIST: &'static str = $list;

            fn is_nameless(&self) -> bool {
                let name: fn(&$entity) -> &str = $name;
                name(self).is_empty()
            }
        })+
    };
}
pub(super) use listed;
