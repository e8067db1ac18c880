//! Credentials and what they open: API keys, components' keys.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, Update};
use futures::future::try_join_all;
use posthorn_domain::{
    AccountId, AuditEntry, ComponentKey, Did, Grant, GrantId, Invalid, KeyId, Mode, Reach, Scopes, ShortText,
    Tenant, Timestamp, Token,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::StorageError;
use crate::items::primary_key;
use crate::transaction::{delete_item, put_item, retrying, transact, update_alone, update_item};
use crate::written::Written;
use crate::{accounts, audit_log};

/// The sort key of a token's row.
const GRANT: &str = "key";
const DAY_MILLIS: i64 = 86_400_000;

/// The SHA-256 of a token. The token itself is stored nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Returns the hash of a token.
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    pub(crate) fn hex(self) -> String {
        hex::encode(self.0)
    }
}

impl From<&Token> for TokenHash {
    fn from(token: &Token) -> Self {
        Self::of(token.reveal())
    }
}

/// What a grant is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A token, which requests contain.
    Token(TokenHash),
    /// A component's key, which signs requests.
    Component(ComponentKey),
}

/// The grants, in the endpoints table. That of a token is under `pk = key#{sha256}`, `sk = key`; that of a component's key
/// under `pk = component#{did}`, `sk = {public key}`. An account's keys are listed under `pk = keys#{account}`, `sk = {key
/// id}`, platform keys under `pk = keys#`.
#[derive(Debug, Clone)]
pub struct Grants {
    client: Client,
    table: String,
}

impl Grants {
    /// Uses the grants in this table.
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// Returns a token's grant; `None` if there is no such token. The read is eventually consistent.
    pub async fn find(&self, hash: TokenHash) -> Result<Option<Grant>, StorageError> {
        Ok(self.get(&Place::of_token(&hash.hex()), false).await?.map(|(_, grant)| grant))
    }

    /// Returns the keys that are registered under a component's DID, and their grants. The read is eventually consistent.
    pub async fn find_component(&self, did: &Did) -> Result<Vec<(Credential, Grant)>, StorageError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", AttributeValue::S(Place::component(did)))
            .expression_attribute_values(":prefix", AttributeValue::S("0x".to_owned()));
        let items = query.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
        let items = items.map_err(StorageError::from_call("Query"))?;
        items.into_iter().map(GrantRow::read).collect()
    }

    /// Adds a key, unless it already exists. Its account comes to exist if it did not. Errors if the account is being
    /// deleted.
    pub async fn add(
        &self,
        credential: &Credential,
        grant: &Grant,
        audit: Option<&AuditEntry>,
    ) -> Result<Written, StorageError> {
        let place = Place::of(credential);
        let put = |item| Put::builder().table_name(&self.table).set_item(Some(item));
        let row =
            put(GrantRow::item(&place, credential, grant)).condition_expression("attribute_not_exists(pk)");
        let entry = put(place.list_entry(grant));
        let account =
            grant.reach.account().map(|account| accounts::touch(&self.table, account, grant.created_at));
        let audit = audit.map(|entry| audit_log::write(&self.table, entry));
        let writes: Vec<_> =
            [put_item(row), put_item(entry)].into_iter().chain(account).chain(audit).collect();
        match retrying(|| transact(&self.client, writes.clone())).await?.first() {
            None => Ok(Written::Now),
            Some(0) => Ok(Written::Before),
            Some(_) => Err(StorageError::AccountDeleted),
        }
    }

    /// Returns an account's keys, the oldest first; platform keys, if no account is given.
    pub async fn list(&self, account: Option<&AccountId>) -> Result<Vec<(Credential, Grant)>, StorageError> {
        self.page(account, None, usize::MAX, |_| true).await
    }

    /// Returns those of an account's keys that `is_asked` accepts, the oldest first: at least `most` of those after `after`, if
    /// there are as many. Platform keys, if no account is given.
    pub async fn page(
        &self,
        account: Option<&AccountId>,
        after: Option<KeyId>,
        most: usize,
        is_asked: impl Fn(&Grant) -> bool,
    ) -> Result<Vec<(Credential, Grant)>, StorageError> {
        let after = after.map_or_else(|| "key_".to_owned(), |id| id.to_string());
        let query = self.listed(account, "sk > :from", after).set_limit(i32::try_from(most).ok());
        let mut entries = query.into_paginator().items().send();
        let mut found = Vec::new();
        loop {
            let mut places = Vec::new();
            while places.len() < most
                && let Some(entry) = entries.next().await
            {
                let entry = entry.map_err(StorageError::from_call("Query"))?;
                places.push(Place::read(account, &entry)?);
            }
            let grants = try_join_all(places.iter().map(|place| self.get(place, true))).await?;
            found.extend(grants.into_iter().flatten().filter(|(_, grant)| is_asked(grant)));
            if places.len() < most || found.len() >= most {
                return Ok(found);
            }
        }
    }

    /// Returns a key of an account, or a platform key; `None` if there is no such key.
    pub async fn get_key(
        &self,
        account: Option<&AccountId>,
        id: KeyId,
    ) -> Result<Option<(Credential, Grant)>, StorageError> {
        match self.place(account, id).await? {
            Some(place) => self.get(&place, true).await,
            None => Ok(None),
        }
    }

    /// Finds and revokes a key of an account, or a platform key. Returns `false` if there is no such key.
    pub async fn revoke(
        &self,
        account: Option<&AccountId>,
        id: KeyId,
        now: Timestamp,
    ) -> Result<bool, StorageError> {
        let Some(place) = self.place(account, id).await? else { return Ok(false) };
        self.revoke_at(&place, now, None).await?;
        Ok(true)
    }

    /// Revokes a key that was found.
    pub async fn revoke_found(
        &self,
        credential: &Credential,
        now: Timestamp,
        audit: &AuditEntry,
    ) -> Result<(), StorageError> {
        self.revoke_at(&Place::of(credential), now, Some(audit)).await
    }

    async fn revoke_at(
        &self,
        place: &Place,
        now: Timestamp,
        audit: Option<&AuditEntry>,
    ) -> Result<(), StorageError> {
        let update = self.set(place, "revoked_at", now.as_millis());
        let update = update.condition_expression("attribute_exists(pk) AND attribute_not_exists(revoked_at)");
        let audit = audit.map(|entry| audit_log::write(&self.table, entry));
        let writes: Vec<_> = [update_item(update)].into_iter().chain(audit).collect();
        // Its condition fails if the key was revoked before.
        retrying(|| transact(&self.client, writes.clone())).await.map(drop)
    }

    /// Deletes a key of an account that is being deleted.
    pub async fn remove(&self, credential: &Credential, grant: &Grant) -> Result<(), StorageError> {
        let place = Place::of(credential);
        let listed = Place { pk: list_key(grant.reach.account()), sk: grant.id.to_string() };
        let writes = [listed, place]
            .map(|place| delete_item(Delete::builder().table_name(&self.table).set_key(Some(place.key()))));
        retrying(|| transact(&self.client, writes.to_vec())).await.map(drop)
    }

    /// Records that a credential was used today (UTC). Writes at most once a day.
    pub async fn note_use(
        &self,
        credential: &Credential,
        grant: &Grant,
        now: Timestamp,
    ) -> Result<(), StorageError> {
        let today = now.as_millis().div_euclid(DAY_MILLIS) * DAY_MILLIS;
        if grant.last_used_on.map(Timestamp::as_millis) == Some(today) {
            return Ok(());
        }
        let place = Place::of(credential);
        let update = self.set(&place, "last_used_on", today).condition_expression("attribute_exists(pk)");
        let update = update.build().expect("table, key and expression are set");
        let answer = update_alone(&self.client, update).send().await;
        answer.map_err(StorageError::from_call("UpdateItem")).map(drop)
    }

    async fn get(
        &self,
        place: &Place,
        is_consistent: bool,
    ) -> Result<Option<(Credential, Grant)>, StorageError> {
        let get = self.client.get_item().table_name(&self.table).set_key(Some(place.key()));
        let get = get.consistent_read(is_consistent);
        let answer = get.send().await.map_err(StorageError::from_call("GetItem"))?;
        answer.item.map(GrantRow::read).transpose()
    }

    fn set(&self, place: &Place, attribute: &str, millis: i64) -> UpdateBuilder {
        Update::builder()
            .table_name(&self.table)
            .set_key(Some(place.key()))
            .update_expression("SET #attribute = :millis")
            .expression_attribute_names("#attribute", attribute)
            .expression_attribute_values(":millis", AttributeValue::N(millis.to_string()))
    }

    /// Returns the place of a key of an account, or of a platform key; `None` if there is no such key.
    async fn place(&self, account: Option<&AccountId>, id: KeyId) -> Result<Option<Place>, StorageError> {
        let answer = self.listed(account, "sk = :from", id.to_string()).send().await;
        let entry = answer.map_err(StorageError::from_call("Query"))?.items.and_then(|mut items| items.pop());
        entry.map(|entry| Place::read(account, &entry)).transpose()
    }

    /// Returns a query for entries of the list of an account's keys, or of platform keys.
    fn listed(&self, account: Option<&AccountId>, condition: &str, from: String) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .key_condition_expression(format!("pk = :pk AND {condition}"))
            .expression_attribute_values(":pk", AttributeValue::S(list_key(account)))
            .expression_attribute_values(":from", AttributeValue::S(from))
            .consistent_read(true)
    }
}

/// Returns the row of a token's grant.
pub(crate) fn token_row(hash: TokenHash, grant: &Grant) -> HashMap<String, AttributeValue> {
    let credential = Credential::Token(hash);
    GrantRow::item(&Place::of(&credential), &credential, grant)
}

/// Returns the key of a token's row.
pub(crate) fn token_key(hash: &str) -> HashMap<String, AttributeValue> {
    Place::of_token(hash).key()
}

/// Reads the grant in a row of a session's code, which has the attributes of a token's row.
pub(crate) fn read_grant(item: HashMap<String, AttributeValue>) -> Result<Grant, StorageError> {
    GrantRow::read(item).map(|(_, grant)| grant)
}

fn list_key(account: Option<&AccountId>) -> String {
    format!("keys#{}", account.map_or("", AccountId::as_str))
}

/// The key of a grant's row.
struct Place {
    pk: String,
    sk: String,
}

impl Place {
    fn of(credential: &Credential) -> Self {
        match credential {
            Credential::Token(hash) => Self::of_token(&hash.hex()),
            Credential::Component(key) => {
                Self { pk: Self::component(&key.did), sk: key.public_key.to_string() }
            }
        }
    }

    fn of_token(hash: &str) -> Self {
        Self { pk: format!("key#{hash}"), sk: GRANT.to_owned() }
    }

    fn component(did: &Did) -> String {
        format!("component#{did}")
    }

    /// Reads an entry of the list.
    fn read(
        account: Option<&AccountId>,
        entry: &HashMap<String, AttributeValue>,
    ) -> Result<Self, StorageError> {
        let missing = || StorageError::corrupt(&list_key(account), "an entry names no key");
        Self::listed(entry).ok_or_else(missing)
    }

    fn listed(entry: &HashMap<String, AttributeValue>) -> Option<Self> {
        let text = |name: &str| entry.get(name)?.as_s().ok();
        match (text("hash"), text("did")) {
            (Some(hash), _) => Some(Self::of_token(hash)),
            (None, Some(did)) => {
                Some(Self { pk: format!("component#{did}"), sk: text("public_key")?.clone() })
            }
            (None, None) => None,
        }
    }

    /// Returns the entry of the list that names this place.
    fn list_entry(&self, grant: &Grant) -> HashMap<String, AttributeValue> {
        let (kind, name) = self.pk.split_once('#').expect("every place has one");
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let mut entry = primary_key(list_key(grant.reach.account()), grant.id.to_string());
        if kind == "key" {
            entry.insert("hash".to_owned(), text(name));
        } else {
            entry.extend([("did".to_owned(), text(name)), ("public_key".to_owned(), text(&self.sk))]);
        }
        entry
    }

    fn key(&self) -> HashMap<String, AttributeValue> {
        primary_key(&self.pk, &self.sk)
    }
}

/// The attributes of a grant's row. Times are milliseconds since the Unix epoch, except `ttl`, which is in seconds.
#[derive(Serialize, Deserialize)]
struct GrantRow {
    pk: String,
    sk: String,
    id: GrantId,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    platform: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<AccountId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    livemode: Option<Mode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
    scopes: Scopes,
    name: String,
    created_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revoked_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_used_on: Option<i64>,
    /// When a session's row is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ttl: Option<i64>,
}

impl GrantRow {
    fn item(place: &Place, credential: &Credential, grant: &Grant) -> HashMap<String, AttributeValue> {
        let public_key = match credential {
            Credential::Token(_) => None,
            Credential::Component(key) => Some(key.public_key.to_string()),
        };
        let row = Self {
            pk: place.pk.clone(),
            sk: place.sk.clone(),
            id: grant.id,
            platform: grant.reach == Reach::Platform,
            account: grant.reach.account().cloned(),
            livemode: grant.reach.mode(),
            public_key,
            scopes: grant.scopes.clone(),
            name: grant.name.as_str().to_owned(),
            created_at: grant.created_at.as_millis(),
            expires_at: grant.expires_at.map(Timestamp::as_millis),
            revoked_at: grant.revoked_at.map(Timestamp::as_millis),
            last_used_on: grant.last_used_on.map(Timestamp::as_millis),
            ttl: grant
                .expires_at
                .filter(|_| matches!(grant.id, GrantId::Session(_)))
                .map(Timestamp::as_seconds),
        };
        serde_dynamo::to_item(row).expect("texts, numbers and lists are attributes")
    }

    /// Returns what the grant is found by, from the two parts of its partition key.
    fn credential(&self, kind: &str, name: &str) -> Result<Credential, Invalid> {
        if kind == "component" {
            let public_key = self.public_key.as_deref().unwrap_or_default().parse()?;
            return Ok(Credential::Component(ComponentKey { did: name.parse()?, public_key }));
        }
        let hash = hex::decode(name).ok().and_then(|hash| hash.try_into().ok());
        let hash = hash.ok_or_else(|| Invalid::because("has a key that is no hash"))?;
        Ok(Credential::Token(TokenHash(hash)))
    }

    fn read(item: HashMap<String, AttributeValue>) -> Result<(Credential, Grant), StorageError> {
        let row: Self =
            serde_dynamo::from_item(item).map_err(|error| StorageError::corrupt("a grant", error))?;
        let corrupt = |reason: &str| StorageError::corrupt(&row.id.to_string(), reason);
        let (kind, name) = row.pk.split_once('#').ok_or_else(|| corrupt("its key has no kind"))?;
        let credential = row.credential(kind, name).map_err(|reason| corrupt(&reason.0))?;
        let reach = match (row.platform, row.account, row.livemode) {
            (true, None, None) => Reach::Platform,
            (false, Some(account), Some(mode)) => Reach::Tenant(Tenant { account, mode }),
            (false, Some(account), None) if kind == "component" => Reach::Account(account),
            _ => return Err(StorageError::corrupt(&row.id.to_string(), "it is unclear whose data it opens")),
        };
        let name: ShortText =
            row.name.parse().map_err(|reason| StorageError::corrupt(&row.id.to_string(), reason))?;
        let grant = Grant {
            id: row.id,
            reach,
            scopes: row.scopes,
            name,
            created_at: Timestamp::from_millis(row.created_at),
            expires_at: row.expires_at.map(Timestamp::from_millis),
            revoked_at: row.revoked_at.map(Timestamp::from_millis),
            last_used_on: row.last_used_on.map(Timestamp::from_millis),
        };
        Ok((credential, grant))
    }
}
