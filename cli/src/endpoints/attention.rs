//! `posthorn endpoints attention`

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::api::operations::LIST_ATTENTION;
use crate::input;
use crate::listing::Listing;
use crate::output::Column;
use crate::settings::Settings;

const COLUMNS: &[Column] = &[
    ("Id", "/webhook_endpoint/id"),
    ("State", "/state"),
    ("Since", "/since"),
    ("Account", "/account"),
    ("URL", "/webhook_endpoint/url"),
];

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn endpoints attention --state held")]
pub(crate) struct Attention {
    /// Only endpoints in this state
    #[arg(long, value_enum)]
    state: Option<State>,
    #[command(flatten)]
    listing: Listing,
}

#[derive(Clone, Copy, ValueEnum)]
enum State {
    Disabled,
    Paused,
    Held,
    Failing,
}

impl Attention {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let api = settings.api()?;
        let pages =
            self.listing.of(api.call(LIST_ATTENTION).query("state", self.state.as_ref().map(input::name)));
        settings.output().list(pages, COLUMNS).await
    }
}
