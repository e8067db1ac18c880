//! Files that are made from others: openapi.json from openapi.yaml, and docs/API.md from that and the code.
//!
//! Each test compares a file with what it should be. With `UPDATE_DOCS=1` it writes the file instead.

mod api_page;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use posthorn_api::Code;
use serde_yaml_ng::{Mapping, Value};

const YAML: &str = "functions/src/openapi/openapi.yaml";
const JSON: &str = "functions/src/openapi/openapi.json";
const API_PAGE: &str = "docs/API.md";

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(file(path)).unwrap()
}

/// Compares a file with what it should be, or writes it.
#[expect(clippy::disallowed_methods, reason = "who runs the tests says whether to write")]
fn check(path: &str, wanted: &str) {
    if read(path) == wanted {
        return;
    }
    assert!(
        std::env::var_os("UPDATE_DOCS").is_some(),
        "{path} is out of date: run the tests with UPDATE_DOCS=1"
    );
    std::fs::write(file(path), wanted).unwrap();
}

/// Returns the text with this between two marks.
fn filled(text: &str, (before, after): (&str, &str), content: &str) -> String {
    let (head, rest) = text.split_once(before).unwrap_or_else(|| panic!("{before:?} is missing"));
    let (_, tail) = rest.split_once(after).unwrap_or_else(|| panic!("{after:?} is missing"));
    [head, before, content, after, tail].concat()
}

/// Returns openapi.yaml as it should be: with the codes of problems that the code has.
fn yaml() -> String {
    let mut codes = String::new();
    for code in Code::ALL {
        writeln!(codes, "        - {}", code.as_str()).unwrap();
    }
    filled(&read(YAML), ("says what.\"\n      enum:\n", "\n    Problem:"), &codes)
}

/// Returns the OpenAPI document with all merges done, its answers sorted by status.
fn document() -> Value {
    let mut document: Value = serde_yaml_ng::from_str(&yaml()).unwrap();
    document.apply_merge().unwrap();
    let paths = document["paths"].as_mapping_mut().unwrap();
    for operation in paths.values_mut().flat_map(|path| path.as_mapping_mut().unwrap().values_mut()) {
        if let Some(responses) = operation.get_mut("responses").and_then(Value::as_mapping_mut) {
            sort(responses);
        }
    }
    document
}

fn sort(mapping: &mut Mapping) {
    let mut entries: Vec<_> = std::mem::take(mapping).into_iter().collect();
    entries.sort_by(|(a, _), (b, _)| a.as_str().cmp(&b.as_str()));
    mapping.extend(entries);
}

#[test]
fn the_openapi_document_has_the_codes_of_the_code() {
    check(YAML, &yaml());
}

#[test]
fn the_openapi_document_is_served_as_it_is_edited() {
    let json = serde_json::to_string_pretty(&document()).unwrap();
    assert!(!json.contains("\"<<\""), "a merge within a merged part is not done");
    check(JSON, &(json + "\n"));
}

#[test]
fn the_page_about_the_api_has_the_codes_of_the_code_and_the_routes_of_the_document() {
    let mut codes = String::from("\n| status | code | what to do |\n|---|---|---|\n");
    for code in Code::ALL {
        let (status, advice) = (code.status().as_u16(), code.advice().replace('\n', " "));
        writeln!(codes, "| {status} | `{}` | {advice} |", code.as_str()).unwrap();
    }
    let marks = ("<!-- The table of codes is made from shared/api/src/code.rs. -->", "<!-- end -->");
    let page = filled(&read(API_PAGE), marks, &codes);
    let mark = "<!-- What follows is made from functions/src/openapi/openapi.yaml. -->\n";
    let (by_hand, _) = page.split_once(mark).unwrap();
    check(API_PAGE, &[by_hand, mark, &api_page::reference(&document())].concat());
}
