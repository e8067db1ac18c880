//! The API's endpoint object, as different eyes see it.

use serde::Serialize;

use crate::endpoint::Endpoint;
use crate::endpoint::headers::CustomHeaders;
use crate::id::EndpointId;

/// The endpoint as who asks for it sees it: with the values of its headers.
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

/// The endpoint as lists and events show it: with the names of its headers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedEndpoint {
    #[serde(flatten)]
    endpoint: Endpoint,
    header_names: Vec<String>,
}

impl ListedEndpoint {
    /// Which endpoint it is.
    pub fn id(&self) -> EndpointId {
        self.endpoint.id
    }
}

/// The endpoint as who asks for it sees it: whole, or without the values of its headers, which are often credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ShownEndpoint {
    /// To those who may read secrets.
    Whole(WholeEndpoint),
    /// To others.
    WithoutHeaderValues(ListedEndpoint),
}

impl ShownEndpoint {
    /// The endpoint as those see it who may, or may not, read secrets.
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
