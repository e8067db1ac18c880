//! The event types that `PaymentKit` publishes.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::event::event_type::EventType;

/// A well-known event type.
#[derive(Debug, Deserialize)]
pub struct CatalogueEntry {
    /// The type.
    #[serde(rename = "type")]
    pub event_type: EventType,
    /// The heading it is listed under.
    pub group: String,
    /// What happened, as a sentence.
    pub description: String,
    /// The kind of object that the event is about.
    pub object: String,
}

static ENTRIES: LazyLock<Vec<CatalogueEntry>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("event_types.json")).expect("a test parses this file")
});

static SAMPLES: LazyLock<BTreeMap<String, Box<RawValue>>> =
    LazyLock::new(|| serde_json::from_str(include_str!("samples.json")).expect("a test parses this file"));

/// Returns the catalogue of well-known event types, sorted. Other types are valid, too.
pub fn event_types() -> impl Iterator<Item = &'static CatalogueEntry> {
    ENTRIES.iter()
}

/// Returns a sample `data.object` of a well-known event, as JSON; `None` for a type outside the catalogue.
pub fn sample(event_type: &EventType) -> Option<&'static RawValue> {
    let place = ENTRIES.binary_search_by(|entry| entry.event_type.cmp(event_type)).ok()?;
    SAMPLES.get(&ENTRIES[place].object).map(AsRef::as_ref)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_catalogue_holds_its_types_sorted_and_once_each() {
        let types: Vec<&EventType> = event_types().map(|entry| &entry.event_type).collect();
        assert!(types.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(types.contains(&&"checkout.session.nft_minted".parse().unwrap()));
        assert!(event_types().all(|entry| !entry.group.is_empty() && entry.description.ends_with('.')));
    }

    #[test]
    fn each_kind_of_object_has_a_sample_that_says_so() {
        #[derive(Deserialize)]
        struct Sample {
            id: String,
            object: String,
        }
        for entry in event_types() {
            let sample: Sample = serde_json::from_str(sample(&entry.event_type).unwrap().get()).unwrap();
            assert_eq!(sample.object, entry.object);
            assert!(!sample.id.is_empty());
        }
        let kinds: BTreeSet<&str> = event_types().map(|entry| entry.object.as_str()).collect();
        assert_eq!(SAMPLES.keys().map(String::as_str).collect::<BTreeSet<_>>(), kinds);
        assert!(sample(&"order.paid".parse().unwrap()).is_none());
    }
}
