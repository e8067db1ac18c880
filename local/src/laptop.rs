//! The template with a laptop's parameters.

use std::path::Path;

use anyhow::Result;
use posthorn_local_aws::template::Template;

/// The parameters that have other values on a laptop. Their defaults fit a new AWS account, which may run only ten
/// functions at a time.
const PARAMETERS: [(&str, &str); 3] =
    [("FanOutConcurrency", "32"), ("FirstAttemptsConcurrency", "32"), ("DeliverConcurrency", "50")];

/// Reads a template. `sqs` is the address of the embedded SQS.
pub fn template(file: &Path, sqs: &str) -> Result<Template> {
    Template::load(file, sqs, &PARAMETERS)
}

/// Reads a template with its own default parameters.
pub fn template_as_deployed(file: &Path, sqs: &str) -> Result<Template> {
    Template::load(file, sqs, &[])
}
