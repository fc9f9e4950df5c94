//! Reads JSON values as Go's `encoding/json` does: keys of structs match in any case, null is the zero value of every type,
//! unknown keys are ignored.

use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Value};

/// Reads `value` by Go's rules.
///
/// ```
/// # use modelferry::juju::params::{Entities, from_value};
/// let entities: Entities = from_value(&serde_json::json!({"Entities": [{"TAG": "model-1"}], "trace-id": 7})).unwrap();
/// assert_eq!(entities.entities[0].tag, "model-1");
/// assert!(from_value::<Entities>(&serde_json::json!({"entities": null})).unwrap().entities.is_empty());
/// ```
pub fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, Error> {
    T::deserialize(Go(value))
}

/// A value that is read by Go's rules.
#[derive(Clone, Copy)]
struct Go<'a>(&'a Value);

impl<'de> IntoDeserializer<'de, Error> for Go<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Reads null as the zero value, and everything else as serde does.
macro_rules! zero_for_null {
    ($($method:ident => $visit:ident($zero:expr),)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            if self.0.is_null() { visitor.$visit($zero) } else { self.0.$method(visitor) }
        }
    )*};
}

impl<'de> Deserializer<'de> for Go<'de> {
    type Error = Error;

    zero_for_null! {
        deserialize_bool => visit_bool(false),
        deserialize_i8 => visit_i8(0),
        deserialize_i16 => visit_i16(0),
        deserialize_i32 => visit_i32(0),
        deserialize_i64 => visit_i64(0),
        deserialize_u8 => visit_u8(0),
        deserialize_u16 => visit_u16(0),
        deserialize_u32 => visit_u32(0),
        deserialize_u64 => visit_u64(0),
        deserialize_f32 => visit_f32(0.0),
        deserialize_f64 => visit_f64(0.0),
        deserialize_str => visit_borrowed_str(""),
        deserialize_string => visit_borrowed_str(""),
    }

    forward_to_deserialize_any! { i128 u128 char bytes byte_buf unit unit_struct identifier ignored_any }

    /// A type that looks for itself: a `Value` keeps null and the keys as they are.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(_) => self.deserialize_seq(visitor),
            Value::Object(_) => self.deserialize_map(visitor),
            plain => plain.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(items) => visitor.visit_seq(SeqDeserializer::new(items.iter().map(Go))),
            Value::Null => visitor.visit_seq(SeqDeserializer::new(std::iter::empty::<Self>())),
            other => other.deserialize_seq(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(map) => {
                visitor.visit_map(MapDeserializer::new(map.iter().map(|(key, value)| (key.as_str(), Go(value)))))
            }
            Value::Null => visitor.visit_map(MapDeserializer::new(std::iter::empty::<(&str, Self)>())),
            other => other.deserialize_map(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(map) => visitor.visit_map(Fields::matching(map, fields)),
            Value::Null => visitor.visit_map(Fields { pairs: Vec::new().into_iter(), value: None }),
            other => other.deserialize_map(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }
}

/// The keys of an object that a struct has, each once, under the struct's spelling.
struct Fields<'de> {
    pairs: std::vec::IntoIter<(&'static str, &'de Value)>,
    value: Option<&'de Value>,
}

impl<'de> Fields<'de> {
    /// As in Go, of two keys that differ in case the later one wins, and null leaves what was there.
    fn matching(map: &'de serde_json::Map<String, Value>, fields: &'static [&'static str]) -> Self {
        let mut pairs: Vec<(&'static str, &'de Value)> = Vec::with_capacity(map.len().min(fields.len()));
        for (key, value) in map.iter().filter(|(_, value)| !value.is_null()) {
            let exact = fields.iter().find(|field| **field == key.as_str());
            let Some(field) = exact.or_else(|| fields.iter().find(|field| field.eq_ignore_ascii_case(key))) else {
                continue;
            };
            match pairs.iter_mut().find(|(known, _)| known == field) {
                Some(pair) => pair.1 = value,
                None => pairs.push((field, value)),
            }
        }
        Self { pairs: pairs.into_iter(), value: None }
    }
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((field, value)) = self.pairs.next() else { return Ok(None) };
        self.value = Some(value);
        let key: StrDeserializer<'_, Error> = field.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(Go(self.value.take().unwrap_or(&Value::Null)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default, rename_all = "kebab-case")]
    struct Sample {
        model_tag: String,
        dry_run: bool,
        count: u32,
        names: Vec<String>,
        config: BTreeMap<String, Value>,
        inner: Option<Box<Sample>>,
        #[serde(with = "crate::juju::params::values::bytes")]
        payload: Vec<u8>,
    }

    #[test]
    fn null_is_the_zero_value_of_every_type() {
        let all_null = json!({"model-tag": null, "dry-run": null, "count": null, "names": null, "config": null,
            "inner": null, "payload": null});
        assert_eq!(from_value::<Sample>(&all_null).unwrap(), Sample::default());
        assert_eq!(from_value::<Sample>(&Value::Null).unwrap(), Sample::default());
        assert_eq!(from_value::<Vec<Option<u8>>>(&json!([null, 1])).unwrap(), [None, Some(1)]);
        assert_eq!(from_value::<Vec<String>>(&json!([null, "a"])).unwrap(), ["", "a"]);
    }

    #[test]
    fn keys_of_structs_match_in_any_case_and_keys_of_maps_stay() {
        let value = json!({"Model-Tag": "model-1", "INNER": {"DRY-RUN": true}, "config": {"Name": null, "name": 1}});
        let sample: Sample = from_value(&value).unwrap();
        assert_eq!(sample.model_tag, "model-1");
        assert!(sample.inner.unwrap().dry_run);
        assert_eq!(sample.config, BTreeMap::from([("Name".to_owned(), Value::Null), ("name".to_owned(), json!(1))]));
    }

    #[test]
    fn of_two_spellings_the_later_one_wins_and_unknown_keys_are_ignored() {
        let sample: Sample = from_value(&json!({"count": 1, "Count": 2, "COUNT": null, "trace-id": {}})).unwrap();
        assert_eq!(sample.count, 2);
    }

    #[test]
    fn bytes_are_base64_or_numbers() {
        assert_eq!(from_value::<Sample>(&json!({"payload": "AQL/"})).unwrap().payload, [1, 2, 255]);
        assert_eq!(from_value::<Sample>(&json!({"payload": [1, 2, 255]})).unwrap().payload, [1, 2, 255]);
        assert!(from_value::<Sample>(&json!({"payload": "AQL"})).is_err());
        let text = serde_json::to_value(Sample { payload: vec![1, 2, 255], ..Sample::default() }).unwrap();
        assert_eq!(text["payload"], "AQL/");
    }

    #[test]
    fn a_wrong_type_is_an_error() {
        assert!(from_value::<Sample>(&json!({"count": "1"})).is_err());
        assert!(from_value::<Sample>(&json!({"names": {}})).is_err());
        assert!(from_value::<Sample>(&json!([])).is_err());
    }
}
