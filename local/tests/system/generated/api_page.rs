//! The reference part of docs/API.md: each operation and each object of the OpenAPI document, for people.

use std::fmt::Write as _;

use serde_yaml_ng::{Mapping, Value};

/// Returns the operations by tag, and the objects, as Markdown.
pub(super) fn reference(document: &Value) -> String {
    let mut page = String::new();
    for tag in document["tags"].as_sequence().unwrap() {
        let name = text(tag, "name");
        write!(page, "\n## {name}\n\n{}\n", text(tag, "description")).unwrap();
        for (path, of_path) in mapping(&document["paths"]) {
            for (method, of_method) in
                mapping(of_path).iter().filter(|(_, of_method)| of_method["tags"][0] == name)
            {
                let route = format!("{} {}", method.as_str().unwrap().to_uppercase(), path.as_str().unwrap());
                page += &operation(document, &route, of_path, of_method);
            }
        }
    }
    page + &objects(document) + &values(document)
}

fn operation(document: &Value, route: &str, of_path: &Value, operation: &Value) -> String {
    let (summary, description) = (text(operation, "summary"), text(operation, "description"));
    let mut part = format!("\n### {summary}\n\n`{route}`\n\n{description}\n");
    let parameters = sequence(&of_path["parameters"]).iter().chain(sequence(&operation["parameters"]));
    let parameters = parameters.map(|parameter| resolved(document, parameter));
    // Every route has `livemode`: the part above explains it.
    let parameters: Vec<_> = parameters.filter(|parameter| text(parameter, "name") != "livemode").collect();
    if !parameters.is_empty() {
        part += "\n| parameter | in | form | meaning |\n|---|---|---|---|\n";
    }
    for parameter in parameters {
        let (name, place) = (text(parameter, "name"), text(parameter, "in"));
        let (form, meaning) = (form(&parameter["schema"]), cell(text(parameter, "description")));
        writeln!(part, "| `{name}` | {place} | {form} | {meaning} |").unwrap();
    }
    let body = &operation["requestBody"]["content"]["application/json"];
    if body.is_mapping() {
        write!(part, "\n**Request**: {}\n{}", form(&body["schema"]), examples(body)).unwrap();
    }
    let mut errors = Vec::new();
    for (status, answer) in mapping(&operation["responses"]) {
        let (status, answer) = (status.as_str().unwrap(), resolved(document, answer));
        if status.starts_with('2') {
            let body = &answer["content"]["application/json"];
            let (meaning, form) = (text(answer, "description"), form(&body["schema"]));
            write!(part, "\n**Response {status}**: {form}. {meaning}\n{}", examples(body)).unwrap();
        } else {
            errors.push(status);
        }
    }
    write!(part, "\n[Errors](#errors): {}\n", errors.join(", ")).unwrap();
    part
}

/// Returns the examples of a request or an answer, each as a block of JSON.
fn examples(body: &Value) -> String {
    if let Some(examples) = body["examples"].as_mapping() {
        let titled = examples.values().map(|example| {
            let title = example["summary"].as_str().map_or(String::new(), |title| format!("\n{title}:\n"));
            title + &block(&example["value"])
        });
        return titled.collect();
    }
    block(&body["example"])
}

fn block(example: &Value) -> String {
    format!("\n```json\n{}\n```\n", serde_json::to_string_pretty(example).unwrap())
}

/// Returns every schema with fields, as a table of them.
fn objects(document: &Value) -> String {
    let mut part = String::from("\n## Objects\n");
    for (name, schema) in
        mapping(&document["components"]["schemas"]).iter().filter(|(_, schema)| is_object(schema))
    {
        let (name, description) = (name.as_str().unwrap(), text(schema, "description"));
        write!(part, "\n### {name}\n\n{description}\n").unwrap();
        let inherited: Vec<_> = sequence(&schema["allOf"]).iter().map(form).collect();
        if !inherited.is_empty() {
            writeln!(
                part,
                "\nIt has the fields of {}{}",
                inherited.join(" and "),
                if fields(schema).is_empty() { "." } else { ", and:" }
            )
            .unwrap();
        }
        part += &table(document, schema);
    }
    part
}

fn table(document: &Value, schema: &Value) -> String {
    let required: Vec<_> = sequence(&schema["required"]).iter().filter_map(Value::as_str).collect();
    let is_ignored = |field: &Value| field["$ref"].as_str() == Some("#/components/schemas/Ignored");
    let (ignored, known): (Vec<_>, Vec<_>) =
        fields(schema).into_iter().partition(|(_, field)| is_ignored(field));
    let mut part = String::new();
    if !known.is_empty() {
        part += "\n| field | form | meaning |\n|---|---|---|\n";
    }
    // An answer has all of its fields; a request, in which no others may be, only the required ones.
    let is_request = schema["additionalProperties"].as_bool() == Some(false);
    for (name, field) in known {
        let mark = if is_request && required.contains(&name) { " (required)" } else { "" };
        let default = &field["default"];
        let default =
            if default.is_null() { String::new() } else { format!(" Default: `{}`.", json(default)) };
        let (form, meaning) = (form(field), meaning(document, field));
        writeln!(part, "| `{name}`{mark} | {form} | {meaning}{default} |").unwrap();
    }
    if !ignored.is_empty() {
        let names: Vec<_> = ignored.iter().map(|(name, _)| format!("`{name}`")).collect();
        write!(part, "\nIgnored, as only Posthorn sets them: {}.\n", names.join(", ")).unwrap();
    }
    part
}

/// Returns every schema without fields, in one table.
fn values(document: &Value) -> String {
    let mut part = String::from("\n## Values\n\n| name | form | meaning |\n|---|---|---|\n");
    for (name, schema) in
        mapping(&document["components"]["schemas"]).iter().filter(|(_, schema)| !is_object(schema))
    {
        let name = name.as_str().unwrap();
        if name != "Ignored" {
            let (form, meaning) = (form(schema), cell(text(schema, "description")));
            writeln!(part, "| <a id=\"{}\"></a>{name} | {form} | {meaning} |", name.to_lowercase()).unwrap();
        }
    }
    part
}

fn is_object(schema: &Value) -> bool {
    schema["properties"].is_mapping() || schema["allOf"].is_sequence()
}

fn fields(schema: &Value) -> Vec<(&str, &Value)> {
    let fields = schema["properties"].as_mapping().into_iter().flatten();
    fields.map(|(name, field)| (name.as_str().unwrap(), field)).collect()
}

/// Returns a schema in a few words: its type and its limits.
fn form(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap();
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(forms) = schema["anyOf"].as_sequence().or_else(|| schema["oneOf"].as_sequence()) {
        return forms.iter().map(form).collect::<Vec<_>>().join(" or ");
    }
    if let Some(values) = schema["enum"].as_sequence() {
        return values.iter().map(|value| format!("`{}`", json(value))).collect::<Vec<_>>().join(", ");
    }
    if !schema["const"].is_null() {
        return format!("`{}`", json(&schema["const"]));
    }
    let types: Vec<_> = match &schema["type"] {
        Value::Sequence(types) => types.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    let items = &schema["items"];
    let types: Vec<_> = types
        .into_iter()
        .map(|name| {
            if name == "array" && !items.is_null() {
                format!("list of {}", form(items))
            } else {
                name.to_owned()
            }
        })
        .collect();
    types.join(" or ") + &limits(schema)
}

/// Returns the limits of a schema, to be added to its type.
fn limits(schema: &Value) -> String {
    let span = |least: &str, most: &str, unit: &str| {
        let (least, most) = (&schema[least], &schema[most]);
        match (least.as_u64(), most.as_u64()) {
            (Some(least), Some(most)) => format!(", {least} to {most}{unit}"),
            (Some(0 | 1) | None, None) => String::new(),
            (Some(least), None) => format!(", at least {least}{unit}"),
            (None, Some(most)) => format!(", at most {most}{unit}"),
        }
    };
    [
        span("minLength", "maxLength", " characters"),
        span("minimum", "maximum", ""),
        span("minItems", "maxItems", ""),
        span("minProperties", "maxProperties", " entries"),
    ]
    .concat()
}

/// Returns what a field means: its own description, or the first sentence of its schema's.
fn meaning(document: &Value, field: &Value) -> String {
    let own = text(field, "description");
    let forms = sequence(&field["anyOf"]);
    let schema = resolved(document, forms.first().unwrap_or(field));
    let first = text(schema, "description").split_inclusive(". ").next().unwrap_or_default();
    cell(if own.is_empty() { first.trim_end() } else { own })
}

/// Returns a text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace("\n\n", " ").replace('\n', " ").replace('|', "\\|")
}

fn json(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => serde_json::to_string(value).unwrap(),
    }
}

fn resolved<'v>(document: &'v Value, part: &'v Value) -> &'v Value {
    match part["$ref"].as_str() {
        None => part,
        Some(reference) => reference.split('/').skip(1).fold(document, |within, name| &within[name]),
    }
}

fn text<'v>(part: &'v Value, field: &str) -> &'v str {
    part[field].as_str().unwrap_or_default()
}

fn mapping(part: &Value) -> &Mapping {
    part.as_mapping().unwrap()
}

fn sequence(part: &Value) -> &[Value] {
    part.as_sequence().map_or(&[], Vec::as_slice)
}
