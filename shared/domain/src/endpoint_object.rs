//! The API's endpoint object, as different eyes see it.

use serde::Serialize;

use crate::{CustomHeaders, Endpoint};

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

impl From<Endpoint> for ListedEndpoint {
    fn from(endpoint: Endpoint) -> Self {
        Self { header_names: endpoint.headers.names().map(str::to_owned).collect(), endpoint }
    }
}
