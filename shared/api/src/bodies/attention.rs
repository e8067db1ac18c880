//! An endpoint that needs attention.

use posthorn_domain::{AccountId, Endpoint, Timestamp, Trouble, TroubleState};
use serde::Serialize;

use crate::bodies::EndpointBody;

/// What is wrong with an endpoint, since when, and the endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttentionBody {
    state: TroubleState,
    since: Timestamp,
    account: AccountId,
    webhook_endpoint: EndpointBody,
}

impl AttentionBody {
    /// Returns what is wrong with this endpoint of an account.
    pub fn new(trouble: Trouble, account: AccountId, endpoint: Endpoint) -> Self {
        let Trouble { state, since } = trouble;
        Self { state, since, account, webhook_endpoint: EndpointBody::for_everybody(endpoint) }
    }
}
