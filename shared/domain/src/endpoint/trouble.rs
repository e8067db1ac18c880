//! Which endpoints need their operator's attention.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use crate::endpoint::health::HealthState;
use crate::endpoint::hold::HoldPhase;
use crate::endpoint::{Endpoint, EndpointStatus};
use crate::invalid::Invalid;
use crate::time::Timestamp;

/// Why an endpoint does not get its events now, or gets them late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble {
    /// What is wrong.
    pub state: TroubleState,
    /// Since when.
    pub since: Timestamp,
}

/// What is wrong with an endpoint; the first one that applies.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = Invalid, parse_err_fn = Invalid::none_of::<TroubleState>)]
pub enum TroubleState {
    /// It is disabled, by its owner or by Posthorn.
    Disabled,
    /// Its owner has paused it.
    Paused,
    /// It is down. Its deliveries are held, and probes are made.
    Held,
    /// It has acknowledged nothing for a while, and still gets attempts.
    Failing,
}

impl Endpoint {
    /// Returns what is wrong with the endpoint; `None` if nothing is known to be. A disabled endpoint is one since its
    /// last change, which is the one that disabled it unless a client has changed it since.
    pub fn trouble(&self) -> Option<Trouble> {
        let is = |state, since| Some(Trouble { state, since });
        match (self.status, self.hold.map(|hold| (hold.phase, hold.since))) {
            (EndpointStatus::Disabled, _) => is(TroubleState::Disabled, self.updated_at),
            (_, Some((HoldPhase::Paused, since))) => is(TroubleState::Paused, since),
            (_, Some((HoldPhase::Held(_), since))) => is(TroubleState::Held, since),
            _ if self.health.state == HealthState::Failing => is(TroubleState::Failing, self.health.since),
            _ => None,
        }
    }
}
