//! Documentation, help texts, error messages and comments are in plain English: some phrases have better ones.

use std::fs;
use std::path::{Path, PathBuf};

/// Phrases, and what to write instead.
const REPLACED: &[(&str, &str)] = &[
    ("at its leisure", "name the time"),
    ("at the latest", "within, or a maximum"),
    ("be had", "available, or returned"),
    ("by turns", "alternately"),
    ("come along", "name the progress or the thing"),
    ("had again", "restore, or replace"),
    ("is not for that", "name the missing permission"),
    ("just as good", "also allowed"),
    ("mend", "fix"),
    ("mended", "fixed"),
    ("mends", "fixes"),
    ("no success for", "not acknowledged"),
    ("nobody said", "not given"),
    ("none is nothing", "say what happens"),
    ("out of the question", "say what is refused"),
    ("routes that there are", "the routes"),
    ("somebody else", "another process, or another person"),
    ("that there are not", "unknown"),
    ("without saying so", "the default"),
];

/// What people read, from the top of the repository. Tests may tell a story.
const READ: [&str; 12] = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "template.yaml",
    "samconfig.toml",
    "docs",
    "functions/src",
    "shared",
    "local/src",
    "local/aws/src",
    "cli/src",
    "lab/src",
];
const KINDS: [&str; 5] = ["md", "rs", "yaml", "toml", "json"];

fn files(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            files(&entry.unwrap().path(), found);
        }
    } else if path.extension().is_some_and(|kind| KINDS.iter().any(|known| kind == *known)) {
        found.push(path.to_owned());
    }
}

/// The text in lower case, without line breaks and the marks of comments between words.
fn prose(text: &str) -> String {
    let lines = text.lines().map(|line| line.trim_start_matches([' ', '/', '!', '#', '*', '-', '|', '>']));
    lines.map(str::trim).collect::<Vec<_>>().join(" ").to_lowercase()
}

fn has(prose: &str, phrase: &str) -> bool {
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    prose.match_indices(phrase).any(|(at, _)| {
        let (before, after) = (prose[..at].chars().next_back(), prose[at + phrase.len()..].chars().next());
        !is_word(before) && !is_word(after)
    })
}

#[test]
fn texts_say_it_in_plain_words() {
    let top = crate::harness::template();
    let mut found = Vec::new();
    for name in READ {
        files(&top.with_file_name(name), &mut found);
    }
    assert!(found.len() > 150, "only {} files", found.len());
    let mut faults = Vec::new();
    for file in found {
        let prose = prose(&fs::read_to_string(&file).unwrap());
        for (phrase, better) in REPLACED.iter().filter(|(phrase, _)| has(&prose, phrase)) {
            faults.push(format!("{}: {phrase:?} (write {better:?})", file.display()));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn a_phrase_is_found_across_lines_and_not_within_words() {
    assert!(has(&prose("/// Which is not for\n    /// that."), "is not for that"));
    assert!(!has(&prose("an amendment"), "mend"));
}
