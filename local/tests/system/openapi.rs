//! The OpenAPI document: that it is one, complete, and true. What the system answers is held against it wherever a test
//! sends a request.

use std::collections::BTreeSet;

use posthorn_local_aws::template::Template;
use serde_json::Value;

use crate::contract::{DOCUMENT, operations, schema, token};
use crate::harness::{TestSystem, template, text};

/// Calls `visit` with every part of the document, and its place.
fn walk<'v>(place: &str, part: &'v Value, visit: &mut impl FnMut(&str, &'v Value)) {
    visit(place, part);
    let names: Vec<String> = match part {
        Value::Object(fields) => fields.keys().cloned().collect(),
        Value::Array(entries) => (0..entries.len()).map(|index| index.to_string()).collect(),
        _ => Vec::new(),
    };
    for name in names {
        let within = format!("/{}", token(&name));
        walk(&format!("{place}{within}"), part.pointer(&within).unwrap(), visit);
    }
}

#[test]
fn the_document_has_the_templates_routes_and_no_others() {
    let template = Template::load(&template(), "http://127.0.0.1:9324", &[]).unwrap();
    let routes = template.functions.iter().flat_map(|function| &function.routes);
    let routes = routes.filter(|route| route.path.starts_with("/api/"));
    let routes: BTreeSet<_> = routes.map(|route| format!("{} {}", route.method, route.path)).collect();
    let paths = DOCUMENT["paths"].as_object().unwrap().iter();
    let documented = paths.flat_map(|(path, of_path)| {
        operations(of_path).map(move |(method, _)| format!("{} {path}", method.to_uppercase()))
    });
    assert_eq!(documented.collect::<BTreeSet<_>>(), routes);
}

#[test]
fn every_operation_is_named_once_and_described_with_examples() {
    let tags = DOCUMENT["tags"].as_array().unwrap();
    let tags: BTreeSet<_> = tags.iter().map(|tag| text(tag, "name")).collect();
    let mut names = BTreeSet::new();
    let has_example = |content: &Value| {
        let content = &content["content"]["application/json"];
        !content["example"].is_null() || !content["examples"].is_null()
    };
    for (path, of_path) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in operations(of_path) {
            assert!(names.insert(text(operation, "operationId")), "{method} {path}");
            let (summary, description) = (text(operation, "summary"), text(operation, "description"));
            assert!(summary.len() <= 40 && !summary.ends_with('.'), "{method} {path}: {summary}");
            assert!(description.ends_with('.'), "{method} {path}: {description}");
            assert!(
                operation["tags"].as_array().unwrap().iter().all(|tag| tags.contains(tag.as_str().unwrap()))
            );
            assert!(
                operation["requestBody"].is_null() || has_example(&operation["requestBody"]),
                "{method} {path}"
            );
            let answers = operation["responses"].as_object().unwrap().iter();
            let mut answers = answers.filter(|(status, _)| status.starts_with('2'));
            assert!(answers.all(|(_, answer)| has_example(answer)), "{method} {path}");
        }
    }
}

/// The schemas that these parts of all operations refer to, in whatever way.
fn schemas_of(part: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut places = vec![];
    for (path, operations_of) in DOCUMENT["paths"].as_object().unwrap() {
        places.extend(
            operations(operations_of).map(|(method, _)| format!("/paths/{}/{method}/{part}", token(path))),
        );
    }
    while let Some(place) = places.pop() {
        let Some(start) = DOCUMENT.pointer(&place) else { continue };
        walk(&place, start, &mut |_, part| {
            if let Some(reference) = part["$ref"].as_str()
                && found.insert(reference.to_owned())
            {
                places.push(reference.trim_start_matches('#').to_owned());
            }
        });
    }
    found
}

#[test]
fn answers_may_grow_and_requests_may_not() {
    let (requests, answers) = (schemas_of("requestBody"), schemas_of("responses"));
    let mut seen = (0, 0);
    walk("", &DOCUMENT, &mut |place, part| {
        if !part["properties"].is_object() {
            return;
        }
        let is_closed = part["additionalProperties"] == false || part["unevaluatedProperties"] == false;
        let reference = format!("#{place}");
        if answers.contains(&reference) || place.contains("/responses/") {
            assert!(!is_closed, "{place} should be open");
            seen.0 += 1;
        } else {
            assert!(requests.contains(&reference), "{place} should be a schema of its own, and used");
            assert!(is_closed, "{place} should be closed");
            seen.1 += 1;
        }
    });
    assert!(seen.0 > 20 && seen.1 > 6, "{seen:?}");
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_one() {
    walk("", &DOCUMENT, &mut |place, part| {
        if let Some(reference) = part["$ref"].as_str() {
            let target = reference.strip_prefix('#').unwrap();
            assert!(DOCUMENT.pointer(target).is_some(), "{place} refers to {reference}");
        }
        if place.ends_with("/schema")
            || place.rsplit_once('/').is_some_and(|(parent, _)| parent == "/components/schemas")
        {
            schema(place);
        }
    });
}

#[test]
fn every_example_is_what_its_schema_asks_for() {
    let check = |place: &str, example: &Value| {
        if let Err(error) = schema(place).validate(example) {
            panic!("an example of {place}: {error}");
        }
    };
    let mut examples = 0;
    walk("", &DOCUMENT, &mut |place, part| {
        let of_value = part["schema"].is_object().then(|| format!("{place}/schema"));
        let one = part.get("example").into_iter();
        let named = part["examples"]
            .as_object()
            .into_iter()
            .flat_map(|named| named.values().map(|named| &named["value"]));
        for example in one.chain(named) {
            check(of_value.as_ref().unwrap_or_else(|| panic!("{place} has no schema")), example);
            examples += 1;
        }
        for example in part["examples"].as_array().into_iter().flatten() {
            check(place, example);
            examples += 1;
        }
    });
    assert!(examples > 100, "there are {examples}");
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_may_read_the_document_which_is_that_of_this_version() {
    let system = TestSystem::start().await;
    let answer = system.request_as(Some("sk_wrong"), "GET", "/api/openapi.json", None).await;
    assert_eq!(answer, (200, DOCUMENT.clone()));
    assert_eq!(text(&DOCUMENT["info"], "version"), env!("CARGO_PKG_VERSION"));
}
