//! `Authorization: Basic`, which PaymentKit's SDK sends if its base URL contains keys:
//! `https://sk_live_…:sk_test_…@api.example.com`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use posthorn_domain::Mode;

/// Returns the key for this mode: the user name for live data, the password for test data. If only one of them is given,
/// it is that one.
pub(super) fn token(credentials: &str, mode: Mode) -> Option<String> {
    let pair = String::from_utf8(STANDARD.decode(credentials).ok()?).ok()?;
    let (live, test) = pair.split_once(':')?;
    let (wanted, other) = if mode == Mode::Live { (live, test) } else { (test, live) };
    Some(if wanted.is_empty() { other } else { wanted }.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_picks_the_key_and_a_key_alone_is_for_both() {
        let check = |text: &str, live: &str, test: &str| {
            let encoded = STANDARD.encode(text);
            assert_eq!(token(&encoded, Mode::Live).as_deref(), Some(live), "{text}");
            assert_eq!(token(&encoded, Mode::Test).as_deref(), Some(test), "{text}");
        };
        check("sk_live_1:sk_test_2", "sk_live_1", "sk_test_2");
        check("sk_live_1:", "sk_live_1", "sk_live_1");
        check(":sk_test_2", "sk_test_2", "sk_test_2");
        for wrong in ["", "sk_live_1", "c2tfbGl2ZV8x", "/w=="] {
            assert_eq!(token(wrong, Mode::Live), None, "{wrong}");
        }
    }
}
