//! A page of a list, read pod by pod: of all that a server says of hundreds of pods, no more than one is in memory beside its
//! text.

use std::{fmt, marker::PhantomData};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::error::Refusal;

/// Reads a page, and hands over each item of it. What is said of the page itself.
///
/// # Errors
/// What came is no page; the items before that were handed over.
pub(super) fn read<T: DeserializeOwned>(text: &[u8], take: impl FnMut(T)) -> Result<ListMeta, Refusal> {
    let mut text = serde_json::Deserializer::from_slice(text);
    let metadata = Page { take, item: PhantomData }.deserialize(&mut text);
    metadata.and_then(|metadata| text.end().map(|()| metadata)).map_err(Refusal::malformed)
}

struct Page<T, F> {
    take: F,
    item: PhantomData<fn(T)>,
}

/// The items of a page.
struct Items<'f, T, F> {
    take: &'f mut F,
    item: PhantomData<fn(T)>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Field {
    Metadata,
    Items,
    #[serde(other)]
    Other,
}

impl<'de, T: Deserialize<'de>, F: FnMut(T)> DeserializeSeed<'de> for Page<T, F> {
    type Value = ListMeta;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<ListMeta, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: Deserialize<'de>, F: FnMut(T)> Visitor<'de> for Page<T, F> {
    type Value = ListMeta;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<ListMeta, A::Error> {
        let mut metadata = None;
        while let Some(field) = map.next_key()? {
            match field {
                Field::Metadata => metadata = Some(map.next_value()?),
                Field::Items => map.next_value_seed(Items { take: &mut self.take, item: PhantomData })?,
                Field::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        metadata.ok_or_else(|| serde::de::Error::missing_field("metadata"))
    }
}

impl<'de, T: Deserialize<'de>, F: FnMut(T)> DeserializeSeed<'de> for Items<'_, T, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Deserialize<'de>, F: FnMut(T)> Visitor<'de> for Items<'_, T, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the items of a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element()? {
            (self.take)(item);
        }
        Ok(())
    }

    /// Of `null`, which Go makes of a list without items.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(text: &str) -> (Vec<u32>, Result<ListMeta, Refusal>) {
        let mut items = Vec::new();
        let read = read(text.as_bytes(), |item| items.push(item));
        (items, read)
    }

    #[test]
    fn items_come_one_by_one() {
        for text in [
            r#"{"kind":"List","metadata":{"resourceVersion":"7","continue":"x"},"items":[1,2]}"#,
            r#"{"items":[1,2],"more":{"items":[3]},"metadata":{"continue":"x","resourceVersion":"7"}}"#,
        ] {
            let (items, page) = items(text);
            let page = page.unwrap();
            assert_eq!(items, [1, 2], "{text}");
            assert_eq!(
                (page.resource_version.as_deref(), page.continue_.as_deref()),
                (Some("7"), Some("x")),
                "{text}"
            );
        }
        assert!(items(r#"{"metadata":{},"items":null}"#).1.is_ok());
        assert!(items(r#"{"metadata":{}}"#).1.is_ok());
    }

    #[test]
    fn what_is_no_page_is_an_error() {
        for (text, before) in [
            ("", 0),
            ("[]", 0),
            (r#"{"items":[1]}"#, 1),
            (r#"{"metadata":{},"items":{}}"#, 0),
            (r#"{"metadata":{},"items":[1,"a",2]}"#, 1),
            (r#"{"metadata":{},"items":[1,2"#, 2),
            (r#"{"metadata":{},"items":[1]} 2"#, 1),
        ] {
            let (items, page) = items(text);
            assert_eq!(items.len(), before, "{text}");
            assert_eq!(page.unwrap_err().error.kind(), runtime_core::ErrorKind::Protocol, "{text}");
        }
    }
}
