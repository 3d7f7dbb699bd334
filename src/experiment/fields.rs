//! The keys that a section reads, asked of the section itself.

use serde::de::value::Error;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;

/// The names of the fields that the struct `T` is read from, those of its parts not counted.
pub(super) fn fields<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut found: &'static [&'static str] = &[];
    // Nothing is read: the fields are named first.
    let _ = T::deserialize(Listener(&mut found));
    found
}

struct Listener<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Listener<'_> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        Err(Error::custom("only the names were asked for"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("not a struct"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{ArsSection, RandomSearchSection, StopSection};

    #[test]
    fn a_section_names_its_keys_and_not_those_of_its_parts() {
        assert_eq!(fields::<ArsSection>(), ["top_directions", "shift"]);
        assert_eq!(fields::<StopSection>()[..2], ["evaluation_return", "generations"]);
        assert!(fields::<RandomSearchSection>().is_empty());
        assert!(fields::<Vec<u8>>().is_empty());
    }
}
