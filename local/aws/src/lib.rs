//! DynamoDB and SQS embedded in a process, and the reader of template.yaml that sets them up.
