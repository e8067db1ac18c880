//! `posthorn accounts create`

use anyhow::{Result, bail};
use clap::Args;
use posthorn_domain::AccountId;
use serde_json::{Map, Value};

use crate::api::operations::{GET_ACCOUNT, PUT_ACCOUNT};
use crate::input;
use crate::settings::Settings;

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn accounts create acct_1 --name 'Shop 1'")]
pub(crate) struct Create {
    /// The account's id. You choose it
    #[arg(value_name = "ACCOUNT")]
    id: AccountId,
    #[command(flatten)]
    fields: Fields,
}

/// The fields of an account, as options name them.
#[derive(Args)]
pub(super) struct Fields {
    /// Its name, shown in lists
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Metadata, such as plan=pro. Repeat it for further entries
    #[arg(long, value_name = "NAME=VALUE", value_parser = input::pair)]
    metadata: Vec<(String, String)>,
}

impl Fields {
    /// Returns the fields that are given.
    pub(super) fn read(self) -> Map<String, Value> {
        let mut fields = Map::new();
        if let Some(name) = self.name {
            fields.insert("name".to_owned(), name.into());
        }
        if let Some(metadata) = input::metadata(self.metadata) {
            fields.insert("metadata".to_owned(), metadata);
        }
        fields
    }
}

impl Create {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let (api, id) = (settings.api()?, self.id);
        if super::update::exists(api.call(GET_ACCOUNT).path(id.as_str())).await? {
            bail!("there is an account {id}. To change it: posthorn accounts update {id}");
        }
        let body = Value::Object(self.fields.read());
        settings.output().one(&api.call(PUT_ACCOUNT).path(id.as_str()).json(&body).raw().await?)
    }
}
