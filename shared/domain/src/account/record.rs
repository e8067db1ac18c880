//! An account as a thing: its name, its owner's notes, and its deletion.

use strum::{Display, IntoStaticStr};

use crate::account::AccountId;
use crate::id::GrantId;
use crate::json::{Fields, InvalidField};
use crate::metadata::Metadata;
use crate::text::ShortText;
use crate::time::Timestamp;

/// The fields of an account that a client may send back but not change.
const READ_ONLY: &[&str] = &["id", "status", "webhook_endpoints", "deletion", "created_at", "updated_at"];

/// A customer of the platform. It comes to exist when it is put, or with its first endpoint or key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The id that the platform gave it.
    pub id: AccountId,
    /// Its name, for people.
    pub name: ShortText,
    /// The platform's notes.
    pub metadata: Metadata,
    /// When it came to exist.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Its deletion, from the request on.
    pub deletion: Option<Deletion>,
}

/// What an account is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Display, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum AccountStatus {
    /// It can be used.
    Active,
    /// What belongs to it is being deleted. Nothing can be added.
    Deleting,
    /// What belonged to it is deleted, except events, which expire.
    Deleted,
}

/// The deletion of an account, and how far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletion {
    /// When it was requested.
    pub requested_at: Timestamp,
    /// By whom.
    pub requested_by: GrantId,
    /// When everything was deleted.
    pub completed_at: Option<Timestamp>,
    /// The number of endpoints deleted so far.
    pub endpoints: u64,
    /// The number of keys deleted so far.
    pub keys: u64,
    /// The number of portal sessions ended so far.
    pub sessions: u64,
}

impl Account {
    /// Returns an account that comes to exist `now`.
    pub fn new(id: AccountId, now: Timestamp) -> Self {
        Self {
            id,
            name: ShortText::default(),
            metadata: Metadata::default(),
            created_at: now,
            updated_at: now,
            deletion: None,
        }
    }

    /// Returns its status.
    pub fn status(&self) -> AccountStatus {
        match self.deletion {
            None => AccountStatus::Active,
            Some(Deletion { completed_at: None, .. }) => AccountStatus::Deleting,
            Some(Deletion { completed_at: Some(_), .. }) => AccountStatus::Deleted,
        }
    }
}

/// A request to create or change an account. What it does not name stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountEdit {
    name: Option<ShortText>,
    metadata: Option<Metadata>,
}

impl AccountEdit {
    /// Reads a request's fields.
    pub fn read(fields: &mut Fields<'_>) -> Result<Self, InvalidField> {
        fields.ignore(READ_ONLY);
        let name = fields.nullable("name")?.map(Option::unwrap_or_default);
        let metadata = fields.nullable("metadata")?.map(Option::unwrap_or_default);
        Ok(Self { name, metadata })
    }

    /// Returns the account after the edit.
    pub fn apply(self, account: Account, now: Timestamp) -> Account {
        let edited = Account {
            name: self.name.unwrap_or_else(|| account.name.clone()),
            metadata: self.metadata.unwrap_or_else(|| account.metadata.clone()),
            ..account.clone()
        };
        if edited == account { account } else { Account { updated_at: now, ..edited } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(json: &str) -> AccountEdit {
        AccountEdit::read(&mut Fields::parse(json).unwrap()).unwrap()
    }

    #[test]
    fn an_edit_changes_what_it_names_and_null_empties_it() {
        let at = Timestamp::from_millis;
        let account = Account::new("acct_1".parse().unwrap(), at(0));
        let named =
            edit(r#"{"name": "Ada", "metadata": {"tier": "gold"}, "id": "acct_1"}"#).apply(account, at(1));
        assert_eq!((named.name.as_str(), named.updated_at), ("Ada", at(1)));
        assert_eq!(edit("{}").apply(named.clone(), at(2)), named, "nothing changes");
        let emptied = edit(r#"{"metadata": null}"#).apply(named.clone(), at(3));
        assert_eq!((emptied.name, emptied.metadata), (named.name, Metadata::default()));
    }
}
