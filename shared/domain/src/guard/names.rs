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

/// Whether a host may have this name: letters, digits, hyphens and underscores between single dots, one more of which
/// may end it.
pub(super) fn is_host(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    labels(name).all(|label| !label.is_empty() && label.chars().all(is_plain))
}

/// Whether a host may have this name on the public internet, where each has two labels at least. The name is in lower
/// case, as the URL standard has it.
pub(super) fn is_public(name: &str) -> bool {
    let last = labels(name).next_back();
    is_host(name)
        && labels(name).nth(1).is_some()
        && NOT_PUBLIC.iter().all(|(reserved, _)| last != Some(*reserved))
}

fn labels(name: &str) -> std::str::Split<'_, char> {
    name.strip_suffix('.').unwrap_or(name).split('.')
}
