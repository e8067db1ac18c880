//! `posthorn events resend`

use anyhow::{Result, ensure};
use clap::Args;
use serde::Deserialize;
use serde_json::json;

use crate::api::operations::{GET_EVENT, RETRY_DELIVERY};
use crate::settings::Settings;

#[derive(Args)]
#[command(after_help = "Example:\n  posthorn events resend evt_…")]
pub(crate) struct Resend {
    /// The event's id
    #[arg(value_name = "EVENT")]
    id: String,
    /// To this endpoint. Repeat it for further ones. By default, to all whose delivery failed or was canceled
    #[arg(long = "endpoint", value_name = "ENDPOINT")]
    endpoints: Vec<String>,
    /// To all endpoints that it was sent to before, also those that acknowledged it
    #[arg(long, conflicts_with = "endpoints")]
    all: bool,
}

/// What is needed of an event.
#[derive(Deserialize)]
struct Event {
    deliveries: Vec<Delivery>,
}

#[derive(Deserialize)]
struct Delivery {
    webhook_endpoint_id: String,
    status: String,
}

impl Resend {
    pub(crate) async fn run(self, settings: &Settings) -> Result<()> {
        let api = settings.api()?;
        let endpoints = if self.endpoints.is_empty() {
            let event: Event = api.call(GET_EVENT).path(&self.id).read().await?;
            self.chosen(event)?
        } else {
            self.endpoints
        };
        for endpoint in endpoints {
            let body = json!({ "event_id": self.id, "webhook_endpoint_id": endpoint });
            let resent = api.call(RETRY_DELIVERY).json(&body).raw().await?;
            settings.output().done(&format!("Resending {} to {endpoint}.", self.id), &resent)?;
        }
        Ok(())
    }

    fn chosen(&self, event: Event) -> Result<Vec<String>> {
        let is_chosen =
            |delivery: &Delivery| self.all || ["failed", "canceled"].contains(&delivery.status.as_str());
        let chosen = event.deliveries.into_iter().filter(is_chosen);
        let chosen: Vec<_> = chosen.map(|delivery| delivery.webhook_endpoint_id).collect();
        ensure!(
            !chosen.is_empty(),
            "no delivery of this event has failed. --all resends it to all its endpoints, --endpoint to one"
        );
        Ok(chosen)
    }
}
