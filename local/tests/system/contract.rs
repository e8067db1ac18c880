//! The API as its OpenAPI document describes it, to be held against what the system answers. The document leaves answers open,
//! so that they may grow; here they are closed, so that a test notices each field that is not documented.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use jsonschema::{Registry, Validator};
use matchit::Router;
use serde_json::{Value, json};

/// Where the document is, for those who refer to its parts.
const ADDRESS: &str = "https://posthorn.example/openapi.json";

pub(crate) static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(posthorn_functions::DOCUMENT).unwrap());

static CLOSED_DOCUMENT: LazyLock<Value> = LazyLock::new(|| closed(&DOCUMENT));

static REGISTRY: LazyLock<Registry<'static>> = LazyLock::new(|| registry(&CLOSED_DOCUMENT));
static PUBLISHED: LazyLock<Registry<'static>> = LazyLock::new(|| registry(&DOCUMENT));

fn registry(document: &'static Value) -> Registry<'static> {
    Registry::new().add(ADDRESS, document).unwrap().prepare().unwrap()
}

/// The document with every object of known fields closed, but for those that are parts of others.
fn closed(document: &Value) -> Value {
    let mut parts = BTreeSet::new();
    collect_parts(document, &mut parts);
    let mut document = document.clone();
    for (name, schema) in document["components"]["schemas"].as_object_mut().unwrap() {
        let is_part = parts.contains(&format!("#/components/schemas/{name}"));
        if !is_part && (schema.get("properties").is_some() || schema.get("allOf").is_some()) {
            schema.as_object_mut().unwrap().entry("unevaluatedProperties").or_insert(json!(false));
        }
    }
    document
}

/// What stands in an `allOf`.
fn collect_parts(part: &Value, parts: &mut BTreeSet<String>) {
    for entry in part.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        parts.extend(entry["$ref"].as_str().map(str::to_owned));
    }
    match part {
        Value::Object(fields) => fields.values().for_each(|field| collect_parts(field, parts)),
        Value::Array(entries) => entries.iter().for_each(|entry| collect_parts(entry, parts)),
        _ => {}
    }
}

static CONTRACT: LazyLock<Contract> = LazyLock::new(Contract::read);

/// What the document says of answers.
struct Contract {
    /// The document's paths.
    paths: Router<String>,
    /// The schemas of answers, by their places in the document.
    schemas: BTreeMap<String, Validator>,
}

/// Checks that the document has an answer like this one.
pub(crate) fn check_answer(method: &str, path: &str, status: u16, media_type: &str, body: &Value) {
    let path = path.split('?').next().unwrap_or_default();
    let what = format!("{method} {path} answered {status} {media_type}: {body}");
    let route = CONTRACT.paths.at(path).unwrap_or_else(|_| panic!("the document has no such path: {what}"));
    let place = place_of_schema(route.value, &method.to_lowercase(), &status.to_string(), media_type);
    let schema = CONTRACT.schemas.get(&place).unwrap_or_else(|| panic!("this is not documented: {what}"));
    if let Err(error) = schema.validate(body) {
        panic!("{error}, says the document at {place}: {what}");
    }
}

/// The schema at a place in the document, such as `/components/schemas/Event`, which takes no unknown fields.
pub(crate) fn schema(place: &str) -> Validator {
    build(place, &REGISTRY)
}

/// The same as it is published.
pub(crate) fn published_schema(place: &str) -> Validator {
    build(place, &PUBLISHED)
}

fn build(place: &str, registry: &'static Registry<'static>) -> Validator {
    let fragment = place.replace('{', "%7B").replace('}', "%7D");
    let schema = json!({ "$ref": format!("{ADDRESS}#{fragment}") });
    let built = jsonschema::options().with_registry(registry).build(&schema);
    built.unwrap_or_else(|error| panic!("the schema at {place}: {error}"))
}

/// A name as it stands in the place of a part.
pub(crate) fn token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The methods of a path that can be requested, and what the document says of them.
pub(crate) fn operations(path: &Value) -> impl Iterator<Item = (&String, &Value)> {
    path.as_object()
        .unwrap()
        .iter()
        .filter(|(key, _)| ["get", "post", "put", "delete"].contains(&key.as_str()))
}

fn place_of_schema(path: &str, method: &str, status: &str, media_type: &str) -> String {
    let answer = format!("/paths/{}/{method}/responses/{status}", token(path));
    let shared = DOCUMENT.pointer(&format!("{answer}/$ref")).and_then(Value::as_str);
    let answer = shared.map_or(answer, |shared| shared.trim_start_matches('#').to_owned());
    format!("{answer}/content/{}/schema", token(media_type))
}

impl Contract {
    fn read() -> Self {
        let mut contract = Self { paths: Router::new(), schemas: BTreeMap::new() };
        for (path, operations_of) in DOCUMENT["paths"].as_object().unwrap() {
            contract.paths.insert(path, path.clone()).unwrap();
            for (method, operation) in operations(operations_of) {
                for status in operation["responses"].as_object().unwrap().keys() {
                    for media_type in ["application/json", "application/problem+json"] {
                        let place = place_of_schema(path, method, status, media_type);
                        if DOCUMENT.pointer(&place).is_some() {
                            contract.schemas.entry(place).or_insert_with_key(|place| schema(place));
                        }
                    }
                }
            }
        }
        contract
    }
}
