//! The API's endpoint object, with and without header values.

use serde::Serialize;

use crate::endpoint::Endpoint;
use crate::endpoint::headers::CustomHeaders;
use crate::id::EndpointId;

/// The endpoint with the values of its headers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WholeEndpoint {
    #[serde(flatten)]
    endpoint: Endpoint,
    headers: CustomHeaders,
}

impl From<Endpoint> for WholeEndpoint {
    fn from(endpoint: Endpoint) -> Self {
        Self { headers: endpoint.headers.clone(), endpoint }
    }
}

/// The endpoint as lists and events show it: only with the names of its headers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedEndpoint {
    #[serde(flatten)]
    endpoint: Endpoint,
    header_names: Vec<String>,
}

impl ListedEndpoint {
    /// Returns the endpoint's id.
    pub fn id(&self) -> EndpointId {
        self.endpoint.id
    }
}

/// The endpoint for one client: whole, or without the values of its headers, which are often credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ShownEndpoint {
    /// For clients that may read secrets.
    Whole(WholeEndpoint),
    /// For other clients.
    WithoutHeaderValues(ListedEndpoint),
}

impl ShownEndpoint {
    /// Returns the endpoint for clients that may, or may not, read secrets.
    pub fn to_those_who(may_read_secrets: bool, endpoint: Endpoint) -> Self {
        if may_read_secrets {
            Self::Whole(endpoint.into())
        } else {
            Self::WithoutHeaderValues(endpoint.into())
        }
    }
}

impl From<Endpoint> for ListedEndpoint {
    fn from(endpoint: Endpoint) -> Self {
        Self { header_names: endpoint.headers.names().map(str::to_owned).collect(), endpoint }
    }
}
