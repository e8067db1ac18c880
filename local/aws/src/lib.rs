//! DynamoDB and SQS embedded in a process, and a reader of `template.yaml`, which defines their tables and queues.
//!
//! Nothing here is specific to Posthorn. These are the parts of AWS that it uses, with the same protocols.

pub mod clients;
pub mod dynamodb;
pub mod sqs;
pub mod template;
