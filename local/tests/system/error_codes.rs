//! The codes of problems are listed once, in the code. docs/API.md and the OpenAPI document repeat them: with `UPDATE_DOCS=1`
//! these tests write both anew.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use posthorn_api::Code;

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Holds what stands in a file between two texts against what should stand there, or writes it.
#[expect(clippy::disallowed_methods, reason = "who runs the tests says whether to write")]
fn check(path: &str, (before, after): (&str, &str), wanted: &str) {
    let text = std::fs::read_to_string(file(path)).unwrap();
    let (head, rest) = text.split_once(before).unwrap_or_else(|| panic!("{path} should have {before:?}"));
    let (found, tail) = rest.split_once(after).unwrap_or_else(|| panic!("{path} should have {after:?}"));
    if found != wanted && std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(file(path), [head, before, wanted, after, tail].concat()).unwrap();
        return;
    }
    assert_eq!(found, wanted, "{path} is not as the code says. Run this test with UPDATE_DOCS=1 to write it");
}

#[test]
fn the_table_of_codes_in_the_docs_is_that_of_the_code() {
    let mut table = String::from("\n| status | code | what to do |\n|---|---|---|\n");
    for code in Code::ALL {
        let (status, advice) = (code.status().as_u16(), code.advice().replace('\n', " "));
        writeln!(table, "| {status} | `{}` | {advice} |", code.as_str()).unwrap();
    }
    let marks = ("<!-- The table of codes is made from shared/api/src/code.rs. -->", "<!-- end -->");
    check("docs/API.md", marks, &table);
}

#[test]
fn the_codes_in_the_openapi_document_are_those_of_the_code() {
    let codes: Vec<_> = Code::ALL.iter().map(|code| format!("          \"{}\"", code.as_str())).collect();
    let marks = ("says what.\",\n        \"enum\": [", "]");
    check("functions/src/openapi/openapi.json", marks, &format!("\n{}\n        ", codes.join(",\n")));
}
