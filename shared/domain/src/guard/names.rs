//! Which names a host can have, and which of them on the public internet.

/// What no public name ends in, and who says so.
const NOT_PUBLIC: &[(&str, &str)] = &[
    ("alt", "RFC 9476"),
    ("arpa", "RFC 3172"),
    ("corp", "ICANN, never to be delegated"),
    ("example", "RFC 6761"),
    ("home", "ICANN, never to be delegated"),
    ("internal", "ICANN, for private use"),
    ("intranet", "custom"),
    ("invalid", "RFC 6761"),
    ("lan", "custom"),
    ("local", "RFC 6762"),
    ("localdomain", "custom"),
    ("localhost", "RFC 6761"),
    ("mail", "ICANN, never to be delegated"),
    ("onion", "RFC 7686"),
    ("private", "custom"),
    ("test", "RFC 6761"),
];

/// The longest name, and the longest part of one between two dots
/// ([RFC 1035 §2.3.4](https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4)).
const MAX_NAME_LENGTH: usize = 253;
const MAX_LABEL_LENGTH: usize = 63;

/// Whether a host may have this name, in DNS and in a TLS handshake: letters, digits, underscores, and hyphens between
/// them, in parts of at most 63 characters with single dots between them, one more of which may end the name. The last
/// part is no number: else it would read as an address.
pub(super) fn is_host(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_label = |label: &str| {
        (1..=MAX_LABEL_LENGTH).contains(&label.len())
            && label.chars().all(is_plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= MAX_NAME_LENGTH
        && labels(name).all(is_label)
        && !labels(name).next_back().is_some_and(is_number)
}

/// Whether the URL standard reads this part of a name as a number: decimal, or hexadecimal after `0x`.
fn is_number(label: &str) -> bool {
    let hexadecimal = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    label.chars().all(|c| c.is_ascii_digit())
        || hexadecimal.is_some_and(|digits| digits.chars().all(|c| c.is_ascii_hexdigit()))
}

/// Whether a host's name may be one on the public internet, where each has two labels at least. The name is in lower
/// case, as the URL standard has it.
pub(super) fn is_public(name: &str) -> bool {
    let last = labels(name).next_back();
    labels(name).nth(1).is_some() && NOT_PUBLIC.iter().all(|(reserved, _)| last != Some(*reserved))
}

fn labels(name: &str) -> std::str::Split<'_, char> {
    name.strip_suffix('.').unwrap_or(name).split('.')
}
