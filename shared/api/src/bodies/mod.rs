//! The JSON of every answer, field by field.
//!
//! A body is made from the domain's types and serializes in the order of its fields. Nothing else decides what an answer
//! looks like. Requests are read by the domain's own types.

mod account;
mod attempt;
mod attention;
mod audit;
mod endpoint;
mod event;
mod event_type;
mod explanation;
mod feed;
mod key;
mod list;
mod publication;
mod recovery;
mod retry;
mod secret;
mod session;

pub use self::account::{AccountBody, CountedAccountBody};
pub use self::attempt::{AttemptBody, ExpandedAttemptBody};
pub use self::attention::AttentionBody;
pub use self::audit::AuditEntryBody;
pub use self::endpoint::{CreatedEndpointBody, EndpointBody, EndpointDryRunBody, EndpointWithAttemptsBody};
pub use self::event::{EventBody, MAX_SHOWN_DELIVERIES};
pub use self::event_type::EventTypeBody;
pub use self::explanation::ExplanationBody;
pub use self::feed::FeedBody;
pub use self::key::{CreatedKeyBody, KeyBody};
pub use self::list::{CursorListBody, EndpointListBody, ListBody};
pub use self::publication::{BatchEntryBody, PublicationBody};
pub use self::recovery::{RecoveryBody, RecoveryCountBody};
pub use self::retry::RetryBody;
pub use self::secret::{RotatedSecretBody, SecretBody};
pub use self::session::{BegunSessionBody, EndedSessionsBody, SessionBody};
