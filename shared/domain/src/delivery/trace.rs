//! How an attempt reached its endpoint: the address, and the time of each phase.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use crate::invalid::Invalid;

/// A time in whole milliseconds. An attempt is copied often, so its parts are small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Millis(u32);

impl Millis {
    /// Returns the number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl From<Duration> for Millis {
    fn from(time: Duration) -> Self {
        Self(u32::try_from(time.as_millis()).unwrap_or(u32::MAX))
    }
}

/// The address that an attempt connected to, and how long each phase took. All is `None` if the attempt used a connection
/// that was open already; what an attempt did not get to is `None`, too.
///
/// As text, it is the address and the phases in milliseconds, separated by commas: `203.0.113.7,2,11,23,84`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trace {
    /// The address. If none answered, the first that was tried.
    pub address: Option<IpAddr>,
    /// The time to resolve the host name.
    pub dns: Option<Millis>,
    /// The time to open the connection.
    pub connect: Option<Millis>,
    /// The time of the TLS handshake.
    pub tls: Option<Millis>,
    /// The time from the request to the end of the answer's headers.
    pub first_byte: Option<Millis>,
}

impl Trace {
    /// Returns whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(address) = self.address {
            write!(f, "{address}")?;
        }
        for phase in [self.dns, self.connect, self.tls, self.first_byte] {
            f.write_str(",")?;
            if let Some(phase) = phase {
                write!(f, "{}", phase.0)?;
            }
        }
        Ok(())
    }
}

impl FromStr for Trace {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::because(format!("must be an address and four times, not {text:?}"));
        let mut parts = text.split(',');
        let address = match parts.next().unwrap_or_default() {
            "" => None,
            address => Some(address.parse().map_err(|_| invalid())?),
        };
        let mut phase = || match parts.next() {
            None => Err(invalid()),
            Some("") => Ok(None),
            Some(millis) => millis.parse().map(|millis| Some(Millis(millis))).map_err(|_| invalid()),
        };
        Ok(Self { address, dns: phase()?, connect: phase()?, tls: phase()?, first_byte: phase()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_read_as_it_is_written() {
        let millis = |number| Some(Millis(number));
        let check = |text: &str, trace: Trace| {
            assert_eq!(trace.to_string(), text);
            assert_eq!(text.parse(), Ok(trace));
        };
        let address = Some("203.0.113.7".parse().unwrap());
        check(
            "203.0.113.7,2,11,23,84",
            Trace { address, dns: millis(2), connect: millis(11), tls: millis(23), first_byte: millis(84) },
        );
        check("203.0.113.7,,,,", Trace { address, ..Trace::default() });
        check(
            "2001:db8::1,,0,,",
            Trace { address: Some("2001:db8::1".parse().unwrap()), connect: millis(0), ..Trace::default() },
        );
        check(",,,,", Trace::default());
        for wrong in ["", "x,,,,", "203.0.113.7,,,", "203.0.113.7,a,,,"] {
            assert!(wrong.parse::<Trace>().is_err(), "{wrong}");
        }
    }
}
