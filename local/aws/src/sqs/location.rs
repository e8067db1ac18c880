//! Where a caller sees the queues: the host and the region. Addresses in answers use those of the request.

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HOST};

/// The account that owns every queue.
pub(super) const ACCOUNT: &str = "000000000000";

/// The host a request was sent to and the region it was signed for.
#[derive(Clone, Debug)]
pub(super) struct Location {
    host: String,
    region: String,
}

impl Location {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let host = text(HOST).unwrap_or("localhost").to_owned();
        let region = text(AUTHORIZATION).and_then(signed_region).unwrap_or("us-east-1").to_owned();
        Self { host, region }
    }

    pub(super) fn url(&self, queue: &str) -> String {
        format!("http://{}/{ACCOUNT}/{queue}", self.host)
    }

    pub(super) fn arn(&self, queue: &str) -> String {
        format!("arn:aws:sqs:{}:{ACCOUNT}:{queue}", self.region)
    }
}

/// The region in `Credential=key/20260101/region/sqs/aws4_request`.
fn signed_region(authorization: &str) -> Option<&str> {
    let (_, credential) = authorization.split_once("Credential=")?;
    credential.split('/').nth(2)
}

/// Returns the queue's name in an ARN. The region and account do not matter.
pub(super) fn queue_of_arn(arn: &str) -> Option<&str> {
    let mut parts = arn.strip_prefix("arn:aws:sqs:")?.split(':');
    let (_region, _account, name) = (parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then_some(name)
}
