//! The values of a template's parameters: the given value, or the default.

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value};

/// Returns the value of each parameter. Errors if a given parameter is not in the template, or one without a default is
/// not given.
pub(super) fn values(declared: &Map<String, Value>, given: &[(&str, &str)]) -> Result<Map<String, Value>> {
    for (name, _) in given {
        declared.get(*name).with_context(|| format!("the template has no parameter {name}"))?;
    }
    let values = declared.iter().map(|(name, parameter)| {
        let given = given.iter().find(|(given, _)| given == name).map(|(_, value)| Value::from(*value));
        let value = given.or_else(|| parameter.get("Default").cloned());
        let value =
            value.with_context(|| format!("the parameter {name} has neither a value nor a default"))?;
        let value = convert(&parameter["Type"], value).with_context(|| format!("the parameter {name}"))?;
        Ok((name.clone(), value))
    });
    values.collect()
}

/// Converts a value to the parameter's type.
fn convert(kind: &Value, value: Value) -> Result<Value> {
    match (kind.as_str(), value) {
        (Some("Number"), Value::String(text)) => match text.parse::<serde_json::Number>() {
            Ok(number) => Ok(number.into()),
            Err(_) => bail!("it must be a number, not {text}"),
        },
        (Some("CommaDelimitedList"), Value::String(text)) => {
            Ok(text.split(',').map(|item| Value::from(item.trim())).collect())
        }
        (_, value) => Ok(value),
    }
}
