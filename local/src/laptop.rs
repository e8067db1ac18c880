//! The template as it holds on a laptop.

use std::path::Path;

use anyhow::Result;
use posthorn_local_aws::template::Template;

/// The parameters that a laptop gives values of its own: their defaults fit a new AWS account, which runs ten functions at a
/// time.
const PARAMETERS: [(&str, &str); 3] =
    [("FanOutConcurrency", "32"), ("FirstAttemptsConcurrency", "32"), ("DeliverConcurrency", "50")];

/// Reads a template. `sqs` is the address of the embedded SQS.
pub(crate) fn template(file: &Path, sqs: &str) -> Result<Template> {
    Template::load(file, sqs, &PARAMETERS)
}

/// The same with the template's own parameters.
pub(crate) fn template_as_deployed(file: &Path, sqs: &str) -> Result<Template> {
    Template::load(file, sqs, &[])
}
