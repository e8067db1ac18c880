//! Which names a host can have, and which of them can be on the public internet.

/// The last labels of names that are not public, and the source of each.
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

/// The longest name, and the longest label, the part between two dots ([RFC 1035
/// §2.3.4](https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4)).
const MAX_NAME_LENGTH: usize = 253;
const MAX_LABEL_LENGTH: usize = 63;

/// Returns whether a host may have this name, in DNS and in a TLS handshake: labels of at most 63 letters, digits,
/// underscores, and hyphens between them, joined by single dots, with an optional dot at the end. The last label must
/// not be a number, or the name would be parsed as an address.
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

/// Returns whether the URL standard parses this label as a number: decimal, or hexadecimal after `0x`.
fn is_number(label: &str) -> bool {
    let hexadecimal = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    label.chars().all(|c| c.is_ascii_digit())
        || hexadecimal.is_some_and(|digits| digits.chars().all(|c| c.is_ascii_hexdigit()))
}

/// Returns whether a host name can be on the public internet, where names have at least two labels. The name must be in
/// lower case, as the URL standard makes it.
pub(super) fn is_public(name: &str) -> bool {
    let last = labels(name).next_back();
    labels(name).nth(1).is_some() && NOT_PUBLIC.iter().all(|(reserved, _)| last != Some(*reserved))
}

fn labels(name: &str) -> std::str::Split<'_, char> {
    name.strip_suffix('.').unwrap_or(name).split('.')
}
