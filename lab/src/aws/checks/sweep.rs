//! Retries that are due later than a queue can delay a message.

use std::time::Duration;

use anyhow::Result;
use posthorn_domain::{Clock as _, DeliveryMessage, DeliveryWork, Mode, Random as _, Tenant};
use posthorn_runtime::{SystemClock, SystemRandom};

use super::Checked;
use crate::aws::lab::{Endpoint, Lab, new_object};

/// When the retry is due. Sweeps look two minutes ahead, so an earlier retry might be in a minute that was already
/// swept.
const DUE: Duration = Duration::from_secs(150);

/// An event with a retry in the due table.
pub(crate) struct Waiting {
    endpoint: Endpoint,
    object: String,
    event_id: String,
}

/// Delivers an event, and puts a retry of it into the due table, as functions do.
pub(crate) async fn begin(lab: &Lab) -> Result<Waiting> {
    let (endpoint, object) = (lab.endpoint("sweep").await?, new_object());
    let event_id = lab.publish(&endpoint, &object).await?;
    lab.arrivals(&endpoint, &object, &event_id, 1).await?;
    lab.delivery(&event_id, "succeeded").await?;
    let resend = u32::try_from(SystemRandom.bits() >> 32)?;
    let message = DeliveryMessage {
        tenant: Tenant { account: lab.account.clone(), mode: Mode::Live },
        event_id: event_id.parse()?,
        chunk: None,
        work: DeliveryWork::Resend { endpoint_id: endpoint.id.parse()?, resend },
    };
    lab.due.put(&[(message, SystemClock.now().plus(DUE))]).await?;
    Ok(Waiting { endpoint, object, event_id })
}

/// Waits for the retry to arrive.
pub(crate) async fn arrives(lab: &Lab, begun: Result<Waiting>) -> Checked {
    let Waiting { endpoint, object, event_id } = begun?;
    let wait = DUE + lab.patience;
    lab.inbox.wait(&endpoint.path, &object, 2, wait).await?;
    lab.arrivals(&endpoint, &object, &event_id, 2).await?;
    Ok(None)
}
