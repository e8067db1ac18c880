//! `posthorn sessions create`

use anyhow::Result;
use clap::Args;
use posthorn_domain::Scope;
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;

use crate::api::object;
use crate::api::operations::CREATE_SESSION;
use crate::settings::Settings;

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn sessions create --account acct_1 --live --minutes 1440")]
pub(crate) struct Create {
    /// What its holder may do, separated by commas. By default, all that a session can
    #[arg(long, value_name = "SCOPE,…", value_delimiter = ',')]
    scopes: Vec<Scope>,
    /// How long it lasts: 5 minutes to 7 days
    #[arg(long, value_name = "NUMBER", default_value_t = 60, value_parser = clap::value_parser!(u32).range(5..=10_080))]
    minutes: u32,
    /// Where a visitor goes whose link was used or is too old
    #[arg(long, value_name = "URL")]
    return_url: Option<Url>,
    /// For an operator, who may act for all accounts. Needs a platform key
    #[arg(long)]
    operator: bool,
}

/// What is needed of the API's answer.
#[derive(Deserialize)]
struct Created {
    url: String,
}

impl Create {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let scopes: Vec<Value> = self.scopes.iter().map(|scope| scope.to_string().into()).collect();
        let body = object([
            ("capabilities", Some(scopes).filter(|scopes| !scopes.is_empty()).map(Value::from)),
            ("expires_in", Some((self.minutes * 60).into())),
            ("return_url", self.return_url.map(|url| url.to_string().into())),
            ("operator", self.operator.then_some(true.into())),
        ]);
        let answer = settings.api()?.call(CREATE_SESSION).json(&body).raw().await?;
        let Created { url } = serde_json::from_str(answer.get())?;
        settings.output().done(&url, &answer)
    }
}
