//! The endpoints of all tenants that need attention, so that nobody has to look through all endpoints for them:
//! `pk = attention#{shard}`, `sk = {tenant}#{endpoint id}`. A row is written and deleted in the transaction that changes
//! its endpoint's state.

use std::cmp::Reverse;
use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem};
use futures::future::try_join_all;
use posthorn_domain::{EndpointId, EndpointPlace, Mode, Tenant, Timestamp, Trouble, TroubleState};
use serde::Deserialize;

use super::EndpointStore;
use crate::error::StorageError;
use crate::items::{find_first, millis, primary_key};
use crate::transaction::{delete_item, put_item};

/// The number of partitions that the rows are spread over, so that an outage that concerns thousands of endpoints at once
/// does not have to wait for one partition's 1,000 writes a second.
const SHARDS: u8 = 16;

/// An endpoint that needs attention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InTrouble {
    /// The endpoint.
    pub place: EndpointPlace,
    /// What is wrong with it.
    pub trouble: Trouble,
}

/// Which endpoints that need attention are asked for.
#[derive(Debug, Clone, Copy)]
pub enum Whose<'t> {
    /// A tenant's.
    Tenant(&'t Tenant),
    /// Those of all accounts, in one mode or in both.
    Everybody(Option<Mode>),
}

#[derive(Deserialize)]
struct AttentionRow {
    sk: String,
    state: TroubleState,
    since: i64,
}

/// Returns the write that a change of an endpoint's state needs; `None` if there is no change. What stays wrong stays so
/// since the same time.
pub(super) fn change(
    table: &str,
    tenant: &Tenant,
    id: EndpointId,
    before: Option<Trouble>,
    after: Option<Trouble>,
) -> Option<TransactWriteItem> {
    let state = |trouble: Option<Trouble>| trouble.map(|trouble| trouble.state);
    if state(before) == state(after) {
        return None;
    }
    let key = primary_key(pk(shard(id)), sk(tenant, id));
    let Some(Trouble { state, since }) = after else {
        return Some(delete_item(Delete::builder().table_name(table).set_key(Some(key))));
    };
    let put = Put::builder()
        .table_name(table)
        .set_item(Some(key))
        .item("state", AttributeValue::S(state.to_string()))
        .item("since", millis(since));
    Some(put_item(put))
}

fn shard(id: EndpointId) -> u8 {
    id.to_bytes()[15] % SHARDS
}

fn pk(shard: u8) -> String {
    format!("attention#{shard}")
}

fn sk(tenant: &Tenant, id: EndpointId) -> String {
    format!("{tenant}#{id}")
}

impl EndpointStore {
    /// Returns the endpoints that need attention, at most `most`: those before the endpoint `before`, and of this state, if
    /// they are given. They are in the order of their accounts, from the last to the first; of each account, the latest
    /// registered comes first.
    pub async fn in_trouble(
        &self,
        whose: Whose<'_>,
        state: Option<TroubleState>,
        before: Option<&EndpointPlace>,
        most: usize,
    ) -> Result<Vec<InTrouble>, StorageError> {
        let shards = (0..SHARDS).map(|shard| self.in_trouble_of_shard(shard, whose, state, before, most));
        let mut found: Vec<_> = try_join_all(shards).await?.into_iter().flatten().collect();
        found.sort_by_cached_key(|found| Reverse(sk(&found.place.tenant, found.place.id)));
        found.truncate(most);
        Ok(found)
    }

    async fn in_trouble_of_shard(
        &self,
        shard: u8,
        whose: Whose<'_>,
        state: Option<TroubleState>,
        before: Option<&EndpointPlace>,
        most: usize,
    ) -> Result<Vec<InTrouble>, StorageError> {
        let (prefix, mode) = match whose {
            Whose::Tenant(tenant) => (format!("{tenant}#"), None),
            Whose::Everybody(mode) => (String::new(), mode),
        };
        let last = before.map_or_else(|| format!("{prefix}~"), |place| sk(&place.tenant, place.id));
        // No account's id begins with a lower character.
        let first = if prefix.is_empty() { "-".to_owned() } else { prefix };
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", AttributeValue::S(pk(shard)))
            .expression_attribute_values(":first", AttributeValue::S(first))
            .expression_attribute_values(":last", AttributeValue::S(last))
            .scan_index_forward(false)
            .limit(i32::try_from(most).unwrap_or(i32::MAX))
            .consistent_read(true);
        let is_asked = |row: &InTrouble| {
            state.is_none_or(|state| state == row.trouble.state)
                && mode.is_none_or(|mode| mode == row.place.tenant.mode)
                && Some(&row.place) != before
        };
        find_first(query, most, read, is_asked).await
    }
}

fn read(item: HashMap<String, AttributeValue>) -> Result<InTrouble, StorageError> {
    let row: AttentionRow =
        serde_dynamo::from_item(item).map_err(|error| StorageError::corrupt("attention/…", error))?;
    // No part of it contains the other's separator.
    let place = row.sk.replace('#', ".").parse();
    let place = place.map_err(|reason| StorageError::corrupt(&format!("attention/{}", row.sk), reason))?;
    let trouble = Trouble { state: row.state, since: Timestamp::from_millis(row.since) };
    Ok(InTrouble { place, trouble })
}
