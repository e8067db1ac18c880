//! What lists of endpoints are sorted and filtered by.

use crate::endpoint::{Endpoint, EndpointStatus};
use crate::id::EndpointId;
use crate::time::Timestamp;

/// The fields that endpoints are sorted and filtered by: small enough that a whole tenant's fit into a function's
/// memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointOutline {
    /// The endpoint.
    pub id: EndpointId,
    /// When a client last changed it.
    pub updated_at: Timestamp,
    /// Its URL, as it was written.
    pub url: String,
    /// Whether it gets events.
    pub status: EndpointStatus,
}

impl From<&Endpoint> for EndpointOutline {
    fn from(endpoint: &Endpoint) -> Self {
        Self {
            id: endpoint.id,
            updated_at: endpoint.updated_at,
            url: endpoint.url.as_str().to_owned(),
            status: endpoint.status,
        }
    }
}
