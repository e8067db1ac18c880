//! The header `Retry-After`, by which an endpoint asks to wait (RFC 9110 §10.2.3).

use std::time::Duration;

use posthorn_domain::Timestamp;

/// The longest that an endpoint can postpone an attempt: 24 hours.
const MAX: Duration = Duration::from_hours(24);

/// Returns how long a header asks to wait, counted from `now`, at most 24 hours: whole seconds, seconds with a fraction
/// (which some servers send), or an HTTP date. `None` if the header is malformed.
pub(crate) fn parse(header: &str, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    if header.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        let seconds = header.parse::<f64>().ok()?;
        return Some(Duration::try_from_secs_f64(seconds).map_or(MAX, |wait| wait.min(MAX)));
    }
    let date = httpdate::parse_http_date(header).ok()?;
    let date = date.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Some(Timestamp::from_millis(0).plus(date).since(now).min(MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn seconds_fractions_and_dates_are_understood_and_bounded() {
        // 2026-11-24T10:00:00Z
        let now = Timestamp::from_millis(1_795_514_400_000);
        let check = |header: &str, millis: Option<u64>| {
            assert_eq!(parse(header, now), millis.map(Duration::from_millis), "{header:?}");
        };
        check("120", Some(120_000));
        check(" 0 ", Some(0));
        check("1.5", Some(1_500));
        check("86400", Some(86_400_000));
        check("86401", Some(86_400_000));
        check("99999999999999999999999999", Some(86_400_000));
        check("Tue, 24 Nov 2026 10:01:00 GMT", Some(60_000));
        check("Tue, 24 Nov 2026 09:00:00 GMT", Some(0));
        check("Tuesday, 24-Nov-26 10:01:00 GMT", Some(60_000));
        check("Tue Nov 24 10:01:00 2026", Some(60_000));
        check("Thu, 24 Dec 2099 10:00:00 GMT", Some(86_400_000));
        for nonsense in
            ["", ".", "1.2.3", "-1", "1e9", "soon", "120 s", "NaN", "inf", "Tue, 99 Nov 2026 10:01:00 GMT"]
        {
            check(nonsense, None);
        }
    }

    proptest! {
        #[test]
        fn any_header_is_understood_or_ignored(header in ".{0,60}", now in 0_i64..1 << 42) {
            prop_assert!(parse(&header, Timestamp::from_millis(now)).is_none_or(|wait| wait <= MAX));
        }
    }
}
