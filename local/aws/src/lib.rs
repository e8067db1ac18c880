//! DynamoDB and SQS embedded in a process, and the reader of `template.yaml` that sets them up.
//!
//! Nothing here knows Posthorn: these are the parts of AWS that it runs on, over the same wire protocols.

pub mod clients;
pub mod dynamodb;
pub mod sqs;
pub mod template;
