//! The row for all of a tenant's endpoints together: `pk = {tenant}`, `sk = meta`. It has their `count`, their
//! `version`, and `changes`: the ids of the endpoints that changed last, the latest at the end.
//!
//! `logged` counts the changes that were added to the list. If it has moved less than the version, an earlier release,
//! which does not know the list, wrote as well, and it is unknown what changed.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_dynamodb::types::Update;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use posthorn_domain::{EndpointId, Listening, Tenant};

use super::{listening, number};
use crate::error::StorageError;

/// The row's sort key.
pub(super) const SORT_KEY: &str = "meta";

/// Maximum number of changes in the row. With them it is smaller than 4 KB, so reading it costs one unit.
const MOST_CHANGES: usize = 200;
/// How many changes stay when the list is full.
const KEPT_CHANGES: usize = 100;

/// A number that increases with each written change of an owner to one of a tenant's endpoints, and when one is
/// disabled, held or released. It is 0 before the first change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Version {
    moved: u64,
    logged: u64,
}

/// The version of a tenant's endpoints, and the last changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Latest {
    /// The current version.
    pub version: Version,
    changes: Vec<EndpointId>,
    /// Whether there is no room for the next change.
    pub(super) is_full: bool,
    pub(super) count: u64,
    /// When somebody listens to the tenant's feed; `None` if nobody ever did.
    pub listening: Option<Listening>,
}

impl Latest {
    /// Returns the endpoints that have changed since that version; `None` if that is no longer on record.
    pub fn changed_since(&self, known: Version) -> Option<BTreeSet<EndpointId>> {
        let moved = self.version.moved.checked_sub(known.moved)?;
        let logged = self.version.logged.checked_sub(known.logged)?;
        let first = self.changes.len().checked_sub(usize::try_from(logged).ok()?)?;
        (moved == logged).then(|| self.changes[first..].iter().copied().collect())
    }

    /// Returns the endpoints of the last `most` changes.
    pub fn last_changes(&self, most: usize) -> BTreeSet<EndpointId> {
        self.changes.iter().rev().take(most).copied().collect()
    }

    pub(super) fn read(
        item: &HashMap<String, AttributeValue>,
        tenant: &Tenant,
    ) -> Result<Self, StorageError> {
        let numeric = |name: &str| item.get(name)?.as_n().ok()?.parse().ok();
        let list = item.get("changes").and_then(|list| list.as_l().ok()).map_or(&[][..], Vec::as_slice);
        let latest = || {
            Some(Self {
                version: Version { moved: numeric("version")?, logged: numeric("logged").unwrap_or(0) },
                // A later release may write the list in another form: then it is unknown what changed.
                changes: list.iter().map(id).collect::<Option<_>>().unwrap_or_default(),
                is_full: list.len() >= MOST_CHANGES,
                count: numeric("count").unwrap_or(0),
                listening: listening::read(item),
            })
        };
        latest().ok_or_else(|| StorageError::corrupt(&format!("{tenant}/{SORT_KEY}"), "it has no version"))
    }

    /// Returns the changes that stay when the list is full.
    pub(super) fn kept(&self) -> AttributeValue {
        list(&self.changes[self.changes.len().saturating_sub(KEPT_CHANGES)..])
    }

    /// Returns how many changes were ever logged, including dropped ones.
    pub(super) fn logged(&self) -> u64 {
        self.version.logged
    }
}

/// Increments the version for a change to this endpoint and adds `count` to the count, if there is room for the change
/// and the condition holds.
pub(super) fn move_version(id: EndpointId, count: i32, condition: Option<&str>) -> UpdateBuilder {
    let room = "(attribute_not_exists(#changes) OR size(#changes) < :most)";
    let condition =
        condition.map_or_else(|| room.to_owned(), |condition| format!("{room} AND ({condition})"));
    Update::builder()
        .update_expression(
            "SET #changes = list_append(if_not_exists(#changes, :none), :change) \
             ADD #count :count, version :one, logged :one",
        )
        .condition_expression(condition)
        .expression_attribute_names("#changes", "changes")
        .expression_attribute_names("#count", "count")
        .expression_attribute_values(":none", list(&[]))
        .expression_attribute_values(":change", list(&[id]))
        .expression_attribute_values(":most", number(MOST_CHANGES as u64))
        .expression_attribute_values(":count", AttributeValue::N(count.to_string()))
        .expression_attribute_values(":one", number(1))
}

fn list(ids: &[EndpointId]) -> AttributeValue {
    AttributeValue::L(ids.iter().map(|id| AttributeValue::B(Blob::new(id.to_bytes()))).collect())
}

fn id(value: &AttributeValue) -> Option<EndpointId> {
    let bytes = value.as_b().ok()?.as_ref();
    Some(EndpointId::from_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(n: u8) -> EndpointId {
        EndpointId::from_bytes([n; 16])
    }

    fn version(moved: u64, logged: u64) -> Version {
        Version { moved, logged }
    }

    #[test]
    fn what_has_changed_since_a_version_is_told_where_it_is_on_record() {
        let changes = [1, 2, 1, 3].map(endpoint).to_vec();
        let latest = Latest { version: version(9, 7), changes, is_full: false, count: 3, listening: None };
        let told = |moved, logged| {
            let since = latest.changed_since(version(moved, logged))?;
            Some(since.into_iter().map(|id| id.to_bytes()[0]).collect::<Vec<_>>())
        };
        assert_eq!(told(9, 7), Some(vec![]));
        assert_eq!(told(8, 6), Some(vec![3]));
        assert_eq!(told(6, 4), Some(vec![1, 2, 3]), "each once");
        assert_eq!(told(5, 3), Some(vec![1, 2, 3]));
        assert_eq!(told(4, 2), None, "longer ago than the row tells");
        assert_eq!(told(7, 6), None, "a release that logs nothing moved it meanwhile");
        assert_eq!(told(10, 8), None, "the row was put back");
    }
}
