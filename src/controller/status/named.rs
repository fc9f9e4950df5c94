//! Maps that keep the order in which Juju prints them.

use std::cmp::Ordering;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};

/// Things by their names, in the order in which Juju prints them: numbers in names count as numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named<T>(Vec<(String, T)>);

impl<T> Named<T> {
    /// Returns whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns what has this name.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.iter().find(|(known, _)| *known == name).map(|(_, thing)| thing)
    }

    /// Returns names and things, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(name, thing)| (name.as_str(), thing))
    }

    /// Returns the things, in order.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, thing)| thing)
    }
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> FromIterator<(String, T)> for Named<T> {
    /// Of several things with one name, the first stays.
    fn from_iter<I: IntoIterator<Item = (String, T)>>(things: I) -> Self {
        let mut things: Vec<(String, T)> = things.into_iter().collect();
        things.sort_by(|(a, _), (b, _)| natural(a, b));
        things.dedup_by(|(later, _), (first, _)| later == first);
        Self(things)
    }
}

impl<T: Serialize> Serialize for Named<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Vec<(String, T)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(entries)
            }
        }

        deserializer.deserialize_map(Entries(PhantomData)).map(Self)
    }
}

/// Compares names as people do: `unit/2` comes before `unit/10`.
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut rest_a, mut rest_b) = (a, b);
    while !rest_a.is_empty() && !rest_b.is_empty() {
        let ((part_a, next_a), (part_b, next_b)) = (part(rest_a), part(rest_b));
        let by_value = match (number(part_a), number(part_b)) {
            (Some(number_a), Some(number_b)) => number_a.len().cmp(&number_b.len()).then(number_a.cmp(number_b)),
            _ => part_a.cmp(part_b),
        };
        if by_value != Ordering::Equal {
            return by_value;
        }
        (rest_a, rest_b) = (next_a, next_b);
    }
    // Names that differ in leading zeroes alone must still have an order.
    rest_a.len().cmp(&rest_b.len()).then(a.cmp(b))
}

/// Splits off the digits, or what is no digit, that `text` begins with.
fn part(text: &str) -> (&str, &str) {
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
    text.split_at(end)
}

/// Returns the digits that make a number's value, if it is one.
fn number(part: &str) -> Option<&str> {
    part.starts_with(|c: char| c.is_ascii_digit()).then(|| part.trim_start_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let named: Named<u8> = ["app/10", "app/2", "app", "0/lxd/11", "0/lxd/2", "0"]
            .map(|name| (name.to_owned(), 0))
            .into_iter()
            .collect();
        let names: Vec<&str> = named.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["0", "0/lxd/2", "0/lxd/11", "app", "app/2", "app/10"]);
        assert_eq!(natural("a/01", "a/1"), Ordering::Less);
    }

    #[test]
    fn the_order_survives_the_wire() {
        let named: Named<u8> = [("b/10".to_owned(), 1), ("b/9".to_owned(), 2)].into_iter().collect();
        let text = serde_json::to_string(&named).unwrap();
        assert_eq!(text, r#"{"b/9":2,"b/10":1}"#);
        assert_eq!(serde_json::from_str::<Named<u8>>(&text).unwrap(), named);
    }
}
