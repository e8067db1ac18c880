//! A signing secret.

use posthorn_domain::Timestamp;
use serde::Serialize;

/// An endpoint's signing secret.
#[derive(Debug, Serialize)]
pub struct SecretBody {
    /// The secret.
    pub secret: String,
}

/// The new secret of an endpoint.
#[derive(Debug, Serialize)]
pub struct RotatedSecretBody {
    /// The secret.
    pub secret: String,
    /// When the previous one stops signing; `None` if it has stopped.
    pub previous_secret_expires_at: Option<Timestamp>,
}
