//! Error codes, for programs.

use http::StatusCode;
use serde::{Serialize, Serializer};
use strum::{EnumMessage, IntoStaticStr, VariantArray};

/// The `code` of a problem: one for each thing that a client can do about it. It is printed in snake_case. The comment
/// of each variant says what to do, and is copied to docs/API.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, EnumMessage, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Code {
    /// Send one JSON object. `detail` says where the text stops being one.
    MalformedBody,
    /// Add the field that `param` names.
    MissingField,
    /// Change the value of the field that `param` names.
    InvalidField,
    /// Leave out the field that `param` names, or correct its name.
    UnknownField,
    /// Leave `secret` out of the update, and replace it with `POST …/secret/rotate`.
    SecretNotEditable,
    /// Add a query parameter that `detail` names.
    MissingParameter,
    /// Change the value of the query parameter that `param` names.
    InvalidParameter,
    /// Leave out the query parameter that `param` names, or correct its name.
    UnknownParameter,
    /// Start the list again, and pass the `next_cursor` of each response.
    UnknownCursor,
    /// Ask for the `pageSize` that `detail` names, or page with `starting_after`.
    PageTooLarge,
    /// Change the value of the header that `param` names, or leave it out.
    InvalidHeader,
    /// Name the account in the header `Posthorn-Account`.
    MissingAccount,
    /// Send an API key: `Authorization: Bearer …`.
    MissingApiKey,
    /// Use another API key. This one is unknown, expired or revoked.
    UnknownApiKey,
    /// Sign the request with a registered key, as `detail` says.
    InvalidSignature,
    /// Use an API key with the scope that `detail` names.
    MissingScope,
    /// Use an API key of the other mode, or leave out `livemode`.
    WrongMode,
    /// Leave out the header `Posthorn-Account`, or use the platform's key.
    WrongAccount,
    /// Use a platform key.
    PlatformKeyRequired,
    /// Correct the path. `GET /api/openapi.json` lists the routes.
    UnknownRoute,
    /// Check the endpoint's id, and the account and mode of the API key.
    EndpointNotFound,
    /// Check the event's id, and the account and mode of the API key. Retry if the event is seconds old.
    EventNotFound,
    /// Check the attempt's id, and the account and mode of the API key.
    AttemptNotFound,
    /// Send the event with a recovery of the endpoint, with the scope `missing`.
    DeliveryNotFound,
    /// Check the recovery's id and its endpoint's.
    RecoveryNotFound,
    /// Check the account's id, or create the account with `PUT /api/accounts/{id}`.
    AccountNotFound,
    /// Check the key's id, and the account.
    KeyNotFound,
    /// Ask for a new portal session. There is no such code.
    CodeNotFound,
    /// Use a method that the header `Allow` names.
    MethodNotAllowed,
    /// Read the endpoint again, then retry the request.
    ConcurrentEdit,
    /// Delete an endpoint first, or raise the limit (the parameter `MaxEndpoints`).
    EndpointLimitReached,
    /// Set the endpoint's `status` to `enabled` first.
    EndpointDisabled,
    /// Resume the endpoint first, with `POST …/resume`.
    EndpointPaused,
    /// Register the endpoint again. This one was deleted, so nothing can be sent to it.
    EndpointDeleted,
    /// Use the key that is registered, or register another one.
    KeyExists,
    /// Wait until the account's deletion is completed, or use another id.
    AccountDeleted,
    /// Use a new key for a new event. Retry a request unchanged.
    IdempotencyKeyReused,
    /// Start a recovery instead. This event was resent to this endpoint as often as allowed.
    RetryLimitReached,
    /// Wait until a replaced secret expires, or send `expire_now`.
    SecretLimitReached,
    /// Ask for a new portal session, at `return_url` if it is there. This code is used or too old.
    CodeSpent,
    /// Begin again with `since`. What the feed had after this cursor has expired.
    CursorExpired,
    /// Send a smaller body, or fewer events at once.
    BodyTooLarge,
    /// Send a smaller event: reference large data instead of including it.
    EventTooLarge,
    /// Send JSON, with `Content-Type: application/json`.
    UnsupportedMediaType,
    /// Send the body uncompressed, without `Content-Encoding`.
    UnsupportedEncoding,
    /// Report it with the request id. Retry a publication only with an idempotency key.
    InternalError,
    /// Retry the request in a few seconds. Retry a publication only with an idempotency key.
    Unavailable,
}

impl Code {
    /// Every code, in the order of their statuses.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// Returns the code as text.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Returns what a client can do about it, in one or two sentences.
    pub fn advice(self) -> &'static str {
        self.get_documentation().expect("each variant has a comment, or the compiler warns")
    }

    /// Returns the HTTP status of answers with this code.
    pub fn status(self) -> StatusCode {
        match self {
            Self::MalformedBody
            | Self::MissingField
            | Self::InvalidField
            | Self::UnknownField
            | Self::SecretNotEditable
            | Self::MissingParameter
            | Self::InvalidParameter
            | Self::UnknownParameter
            | Self::UnknownCursor
            | Self::PageTooLarge
            | Self::InvalidHeader
            | Self::MissingAccount => StatusCode::BAD_REQUEST,
            Self::MissingApiKey | Self::UnknownApiKey | Self::InvalidSignature => StatusCode::UNAUTHORIZED,
            Self::MissingScope | Self::WrongMode | Self::WrongAccount | Self::PlatformKeyRequired => {
                StatusCode::FORBIDDEN
            }
            Self::UnknownRoute
            | Self::EndpointNotFound
            | Self::EventNotFound
            | Self::AttemptNotFound
            | Self::DeliveryNotFound
            | Self::RecoveryNotFound
            | Self::AccountNotFound
            | Self::KeyNotFound
            | Self::CodeNotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::ConcurrentEdit
            | Self::EndpointLimitReached
            | Self::EndpointDisabled
            | Self::EndpointPaused
            | Self::EndpointDeleted
            | Self::KeyExists
            | Self::AccountDeleted
            | Self::IdempotencyKeyReused
            | Self::RetryLimitReached
            | Self::SecretLimitReached => StatusCode::CONFLICT,
            Self::CodeSpent | Self::CursorExpired => StatusCode::GONE,
            Self::BodyTooLarge | Self::EventTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType | Self::UnsupportedEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_snake_case_in_the_order_of_their_statuses_and_say_what_to_do() {
        assert_eq!(Code::IdempotencyKeyReused.as_str(), "idempotency_key_reused");
        assert!(Code::ALL.is_sorted_by_key(|code| code.status()));
        for code in Code::ALL {
            assert!(code.advice().ends_with('.'), "{code:?}: {}", code.advice());
        }
    }
}
