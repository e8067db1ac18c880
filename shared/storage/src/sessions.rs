//! Portal sessions.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, Update};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use posthorn_domain::{AccountId, Appearance, AuditEntry, Grant, Invalid, Mode, Session, Timestamp};

use crate::codec::read_json;
use crate::error::StorageError;
use crate::grants::{TokenHash, read_grant, token_key, token_row};
use crate::items::{millis, primary_key};
use crate::transaction::{delete_item, put_item, retrying, transact, update_item};
use crate::{accounts, audit_log};

/// The number of sessions that are ended concurrently.
const AT_ONCE: usize = 16;
/// The sort key of a code's row.
const CODE: &str = "code";

/// The portal sessions, in the endpoints table. A new session is under `pk = code#{sha256 of its code}`, `sk = code`. When
/// the code is exchanged, the session also gets a row like a key's, under its token's hash. An account's sessions are listed
/// under `pk = sessions#{account}`, `sk = {session id}`, those of the platform's operators under `pk = sessions#`. All rows
/// expire with the session.
#[derive(Debug, Clone)]
pub struct Sessions {
    client: Client,
    table: String,
}

/// The result of exchanging a code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exchanged {
    /// The token opens this from now on.
    Now(Session),
    /// The code was used before, is too old, or its session was ended.
    Spent(Session),
    /// There is no such code.
    Unknown,
}

impl Sessions {
    /// Uses the sessions in this table.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Adds a session, which begins when its code is exchanged. Errors if its account is being deleted.
    pub async fn create(
        &self,
        code: TokenHash,
        session: &Session,
        audit: &AuditEntry,
    ) -> Result<(), StorageError> {
        let grant = &session.grant;
        let mut row = token_row(code, grant);
        row.extend(code_key(&code.hex()));
        if let Some(url) = &session.return_url {
            row.insert("return_url".to_owned(), AttributeValue::S(url.as_str().to_owned()));
        }
        if session.appearance != Appearance::default() {
            let json = serde_json::to_string(&session.appearance).expect("texts are JSON");
            row.insert("appearance".to_owned(), AttributeValue::S(json));
        }
        let mut entry = entry_key(grant.reach.account(), &grant.id.to_string());
        entry.insert("code".to_owned(), AttributeValue::S(code.hex()));
        let ttl = grant.expires_at.map_or(0, Timestamp::as_seconds);
        entry.insert("ttl".to_owned(), AttributeValue::N(ttl.to_string()));
        if let Some(mode) = grant.reach.mode() {
            entry.insert("livemode".to_owned(), AttributeValue::Bool(mode.into()));
        }
        let put = |item| put_item(Put::builder().table_name(&self.table).set_item(Some(item)));
        let account =
            grant.reach.account().map(|account| accounts::touch(&self.table, account, grant.created_at));
        let audit = audit_log::write(&self.table, audit);
        let writes: Vec<_> = [put(row), put(entry), audit].into_iter().chain(account).collect();
        match retrying(|| transact(&self.client, writes.clone())).await?.first() {
            None => Ok(()),
            Some(_) => Err(StorageError::AccountDeleted),
        }
    }

    /// Exchanges a code for a token. Of several at the same time, one succeeds.
    pub async fn exchange(
        &self,
        code: TokenHash,
        token: TokenHash,
        now: Timestamp,
    ) -> Result<Exchanged, StorageError> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(code_key(&code.hex())));
        let answer = get.consistent_read(true).send().await.map_err(StorageError::from_call("GetItem"))?;
        let Some(item) = answer.item else { return Ok(Exchanged::Unknown) };
        let is_used = item.contains_key("used_at");
        let session = read_session(item)?;
        let is_late = now.since(session.grant.created_at) >= Session::CODE_LIFETIME;
        if is_used || is_late || !session.grant.is_valid(now) {
            return Ok(Exchanged::Spent(session));
        }
        let grant = &session.grant;
        let update = |key, expression: &str| {
            Update::builder().table_name(&self.table).set_key(Some(key)).update_expression(expression)
        };
        let used = update(code_key(&code.hex()), "SET used_at = :now")
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(used_at)")
            .expression_attribute_values(":now", millis(now));
        let listed = update(entry_key(grant.reach.account(), &grant.id.to_string()), "SET #token = :token")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#token", "token")
            .expression_attribute_values(":token", AttributeValue::S(token.hex()));
        let row = Put::builder().table_name(&self.table).set_item(Some(token_row(token, grant)));
        let writes = vec![update_item(used), update_item(listed), put_item(row)];
        let failed = retrying(|| transact(&self.client, writes.clone())).await?;
        Ok(if failed.is_empty() { Exchanged::Now(session) } else { Exchanged::Spent(session) })
    }

    /// Ends all sessions of an account, or of the platform's operators; only those of one mode, if it is given. Returns how
    /// many there were, among them expired ones that DynamoDB has not deleted yet.
    pub async fn end_all(
        &self,
        account: Option<&AccountId>,
        mode: Option<Mode>,
        audit: Option<&AuditEntry>,
    ) -> Result<u64, StorageError> {
        if let Some(entry) = audit {
            let put = audit_log::write(&self.table, entry);
            retrying(|| transact(&self.client, vec![put.clone()])).await?;
        }
        let mut ended = 0;
        loop {
            let entries = self.entries(account, mode).await?;
            let ends = entries.iter().map(|entry| self.end(account, entry)).collect::<Vec<_>>();
            let results: Vec<_> = stream::iter(ends).buffered(AT_ONCE).try_collect().await?;
            let now = results.iter().filter(|is_ended| **is_ended).count() as u64;
            ended += now;
            // What is left has been exchanged meanwhile. A code is exchanged once.
            if now == results.len() as u64 {
                return Ok(ended);
            }
            if now == 0 {
                return Err(StorageError::Conflict);
            }
        }
    }

    /// Returns the entries of an account's list, only those of one mode if it is given.
    async fn entries(
        &self,
        account: Option<&AccountId>,
        mode: Option<Mode>,
    ) -> Result<Vec<HashMap<String, AttributeValue>>, StorageError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", AttributeValue::S(list_key(account)))
            .expression_attribute_values(":prefix", AttributeValue::S("ses_".to_owned()))
            .consistent_read(true);
        let entries = query.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        let mut entries = entries.map_err(StorageError::from_call("Query"))?;
        let mode = mode.map(|mode| AttributeValue::Bool(mode.into()));
        entries.retain(|entry| mode.is_none() || entry.get("livemode") == mode.as_ref());
        Ok(entries)
    }

    /// Ends the session of an entry of the list. Returns `false` if its code was exchanged meanwhile: then it has to be read
    /// again.
    async fn end(
        &self,
        account: Option<&AccountId>,
        entry: &HashMap<String, AttributeValue>,
    ) -> Result<bool, StorageError> {
        let text = |name: &str| entry.get(name).and_then(|value| value.as_s().ok()).cloned();
        let delete = |key| Delete::builder().table_name(&self.table).set_key(Some(key));
        let listed = delete(entry_key(account, &text("sk").unwrap_or_default()))
            .expression_attribute_names("#token", "token");
        let (listed, token) = match text("token") {
            None => (listed.condition_expression("attribute_not_exists(#token)"), None),
            Some(token) => {
                let value = AttributeValue::S(token.clone());
                let listed = listed
                    .condition_expression("attribute_not_exists(pk) OR #token = :token")
                    .expression_attribute_values(":token", value);
                (listed, Some(delete(token_key(&token))))
            }
        };
        let code = text("code").map(|code| delete(code_key(&code)));
        let deletes = [Some(listed), token, code].into_iter().flatten();
        let writes: Vec<_> = deletes.map(delete_item).collect();
        Ok(retrying(|| transact(&self.client, writes.clone())).await?.is_empty())
    }
}

fn list_key(account: Option<&AccountId>) -> String {
    format!("sessions#{}", account.map_or("", AccountId::as_str))
}

fn entry_key(account: Option<&AccountId>, id: &str) -> HashMap<String, AttributeValue> {
    primary_key(list_key(account), id)
}

fn code_key(hash: &str) -> HashMap<String, AttributeValue> {
    primary_key(format!("code#{hash}"), CODE)
}

fn read_session(item: HashMap<String, AttributeValue>) -> Result<Session, StorageError> {
    let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok());
    let corrupt = |reason: Invalid| StorageError::corrupt("code#…", reason);
    let return_url = text("return_url").map(|url| url.parse()).transpose().map_err(corrupt)?;
    let appearance = text("appearance").map(|json| read_json(json)).transpose().map_err(corrupt)?;
    let grant: Grant = read_grant(item)?;
    Ok(Session { grant, return_url, appearance: appearance.unwrap_or_default() })
}
