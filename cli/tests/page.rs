//! docs/CLI.md, which is made from the commands' own help. `UPDATE_DOCS=1` writes it anew.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

#[test]
fn the_page_of_the_commands_says_what_their_help_says() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_posthorn"));
    let page = command.arg("docs").env_clear().output().unwrap().stdout;
    let page = String::from_utf8(page).unwrap();
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/CLI.md");
    #[allow(clippy::disallowed_methods, reason = "no function reads it")]
    let updates = std::env::var_os("UPDATE_DOCS").is_some();
    if updates {
        fs::write(&file, &page).unwrap();
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), page, "run this test with UPDATE_DOCS=1");
}

#[test]
fn each_command_has_an_example() {
    let page = fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/CLI.md")).unwrap();
    let sections: Vec<_> =
        page.split("\n#").filter(|section| section.contains("```text\nposthorn")).collect();
    assert!(sections.len() > 30, "{}", sections.len());
    for section in sections {
        let name = section.lines().next().unwrap().trim_start_matches('#').trim();
        assert!(section.contains(&format!("\n{name}")), "{name} has no example");
    }
}
