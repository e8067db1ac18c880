//! Errors of calls, with SQS's own names and messages.

/// The error of a call.
#[derive(Debug, thiserror::Error)]
pub(super) enum SqsError {
    /// The caller's fault. The status is 400, or a more specific one.
    #[error("{}: {message}", .fault.query_code())]
    Refused { fault: Fault, message: String },
    /// SQLite failed.
    #[error("the queues' database failed")]
    Store(#[from] rusqlite::Error),
    /// The stored attributes are damaged.
    #[error("stored attributes are not valid JSON")]
    Stored(#[from] serde_json::Error),
    /// The thread that did the work panicked.
    #[error("the call's thread panicked")]
    Thread(#[from] tokio::task::JoinError),
}

impl SqsError {
    pub(super) fn new(fault: Fault, message: impl Into<String>) -> Self {
        Self::Refused { fault, message: message.into() }
    }

    pub(super) fn parameter_value(message: impl Into<String>) -> Self {
        Self::new(Fault::InvalidParameterValue, message)
    }

    pub(super) fn missing(parameter: &str) -> Self {
        Self::new(Fault::MissingParameter, format!("The request must contain the parameter {parameter}."))
    }

    pub(super) fn attribute_value(attribute: &str) -> Self {
        Self::new(Fault::InvalidAttributeValue, format!("Invalid value for the parameter {attribute}."))
    }

    pub(super) fn unsupported(message: &str) -> Self {
        Self::new(Fault::UnsupportedOperation, message)
    }

    pub(super) fn receipt_handle(handle: &str) -> Self {
        Self::new(
            Fault::ReceiptHandleIsInvalid,
            format!("The input receipt handle \"{handle}\" is not valid."),
        )
    }
}

/// The kinds of errors that clients can distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    BatchEntryIdsNotDistinct,
    BatchRequestTooLong,
    EmptyBatchRequest,
    InvalidAttributeName,
    InvalidAttributeValue,
    InvalidBatchEntryId,
    InvalidMessageContents,
    InvalidParameterValue,
    MalformedBody,
    MessageNotInflight,
    MissingParameter,
    QueueDoesNotExist,
    QueueNameExists,
    ReceiptHandleIsInvalid,
    RequestTooLarge,
    ResourceNotFound,
    TooManyEntriesInBatchRequest,
    UnknownOperation,
    UnsupportedOperation,
}

impl Fault {
    /// The name in the JSON protocol. SDKs choose the type of their error by it.
    pub(super) fn shape(self) -> &'static str {
        match self {
            Self::BatchEntryIdsNotDistinct => "com.amazonaws.sqs#BatchEntryIdsNotDistinct",
            Self::BatchRequestTooLong => "com.amazonaws.sqs#BatchRequestTooLong",
            Self::EmptyBatchRequest => "com.amazonaws.sqs#EmptyBatchRequest",
            Self::InvalidAttributeName => "com.amazonaws.sqs#InvalidAttributeName",
            Self::InvalidAttributeValue => "com.amazonaws.sqs#InvalidAttributeValue",
            Self::InvalidBatchEntryId => "com.amazonaws.sqs#InvalidBatchEntryId",
            Self::InvalidMessageContents => "com.amazonaws.sqs#InvalidMessageContents",
            Self::InvalidParameterValue => "com.amazon.coral.service#InvalidParameterValueException",
            Self::MalformedBody => "com.amazon.coral.service#SerializationException",
            Self::MessageNotInflight => "com.amazonaws.sqs#MessageNotInflight",
            Self::MissingParameter => "com.amazon.coral.service#MissingRequiredParameterException",
            Self::QueueDoesNotExist => "com.amazonaws.sqs#QueueDoesNotExist",
            Self::QueueNameExists => "com.amazonaws.sqs#QueueNameExists",
            Self::ReceiptHandleIsInvalid => "com.amazonaws.sqs#ReceiptHandleIsInvalid",
            Self::RequestTooLarge => "com.amazon.coral.service#RequestEntityTooLargeException",
            Self::ResourceNotFound => "com.amazonaws.sqs#ResourceNotFoundException",
            Self::TooManyEntriesInBatchRequest => "com.amazonaws.sqs#TooManyEntriesInBatchRequest",
            Self::UnknownOperation => "com.amazon.coral.service#UnknownOperationException",
            Self::UnsupportedOperation => "com.amazonaws.sqs#UnsupportedOperation",
        }
    }

    /// The name in the older query protocol, which many clients still compare.
    pub(super) fn query_code(self) -> &'static str {
        match self {
            Self::BatchEntryIdsNotDistinct => "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
            Self::BatchRequestTooLong => "AWS.SimpleQueueService.BatchRequestTooLong",
            Self::EmptyBatchRequest => "AWS.SimpleQueueService.EmptyBatchRequest",
            Self::InvalidAttributeName => "InvalidAttributeName",
            Self::InvalidAttributeValue => "InvalidAttributeValue",
            Self::InvalidBatchEntryId => "AWS.SimpleQueueService.InvalidBatchEntryId",
            Self::InvalidMessageContents => "InvalidMessageContents",
            Self::InvalidParameterValue => "InvalidParameterValue",
            Self::MalformedBody => "MalformedInput",
            Self::MessageNotInflight => "AWS.SimpleQueueService.MessageNotInflight",
            Self::MissingParameter => "MissingParameter",
            Self::QueueDoesNotExist => "AWS.SimpleQueueService.NonExistentQueue",
            Self::QueueNameExists => "QueueAlreadyExists",
            Self::ReceiptHandleIsInvalid => "ReceiptHandleIsInvalid",
            Self::RequestTooLarge => "RequestEntityTooLarge",
            Self::ResourceNotFound => "ResourceNotFoundException",
            Self::TooManyEntriesInBatchRequest => "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
            Self::UnknownOperation => "InvalidAction",
            Self::UnsupportedOperation => "AWS.SimpleQueueService.UnsupportedOperation",
        }
    }
}
