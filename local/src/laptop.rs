//! The template as it holds on a laptop.

use std::path::Path;

use anyhow::Result;
use posthorn_local_aws::template::Template;

/// The parameters that a laptop gives values of its own: their defaults fit a new AWS account, which runs ten functions at a
/// time.
const PARAMETERS: [(&str, &str); 2] = [("FanOutConcurrency", "32"), ("DeliverConcurrency", "50")];

/// Reads a template. `sqs` is the address of the embedded SQS.
pub(crate) fn template(file: &Path, sqs: &str) -> Result<Template> {
    Template::load(file, sqs, &PARAMETERS)
}
