//! References in a template, resolved as they hold on a laptop: a parameter has its default, a table the name that
//! the template gives it, a queue its address and ARN in the embedded SQS.

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};
use serde_yaml_ng::Value as Yaml;
use serde_yaml_ng::value::TaggedValue;

/// The region that everything here is in.
pub const REGION: &str = "us-east-1";
/// The AWS account that everything here is in.
pub const AWS_ACCOUNT: &str = "000000000000";

/// The URL of a queue in an SQS at this address, such as `http://127.0.0.1:9324`.
pub fn queue_url(sqs: &str, queue: &str) -> String {
    format!("{sqs}/{AWS_ACCOUNT}/{queue}")
}

/// YAML as JSON, with `!Ref x` written out as `{"Ref": x}`, and every other short form likewise.
pub(super) fn written_out(yaml: Yaml) -> Result<Value> {
    Ok(match yaml {
        Yaml::Tagged(tagged) => {
            let TaggedValue { tag, value } = *tagged;
            let name = tag.to_string();
            match (name.as_str(), written_out(value)?) {
                ("!Ref", value) => json!({ "Ref": value }),
                ("!GetAtt", Value::String(path)) => {
                    let (resource, attribute) =
                        path.split_once('.').context("!GetAtt takes Name.Attribute")?;
                    json!({ "Fn::GetAtt": [resource, attribute] })
                }
                (tag, value) => json!({ format!("Fn::{}", tag.trim_start_matches('!')): value }),
            }
        }
        Yaml::Sequence(items) => items.into_iter().map(written_out).collect::<Result<_>>()?,
        Yaml::Mapping(fields) => {
            let fields = fields.into_iter().map(|(name, value)| {
                let name = name.as_str().context("a field's name is not a text")?.to_owned();
                Ok((name, written_out(value)?))
            });
            Value::Object(fields.collect::<Result<_>>()?)
        }
        plain => serde_json::to_value(plain)?,
    })
}

/// Puts values in place of references.
pub(super) struct Resolver<'a> {
    pub(super) parameters: &'a Map<String, Value>,
    pub(super) resources: &'a Map<String, Value>,
    /// The address of SQS.
    pub(super) sqs: &'a str,
}

impl Resolver<'_> {
    /// The value with all references resolved. Functions that are no references stay as they are.
    pub(super) fn resolve(&self, value: &Value) -> Result<Value> {
        Ok(match value {
            Value::Array(items) => items.iter().map(|item| self.resolve(item)).collect::<Result<_>>()?,
            Value::Object(fields) => match only_field(fields) {
                Some(("Ref", Value::String(name))) => self.reference(name)?,
                Some(("Fn::GetAtt", Value::Array(path))) => self.attribute(path)?,
                Some(("Fn::Sub", Value::String(text))) => self.substitute(text)?.into(),
                _ => {
                    let resolved =
                        fields.iter().map(|(name, value)| Ok((name.clone(), self.resolve(value)?)));
                    Value::Object(resolved.collect::<Result<_>>()?)
                }
            },
            plain => plain.clone(),
        })
    }

    fn reference(&self, name: &str) -> Result<Value> {
        let pseudo = |value: &str| Ok(Value::from(value));
        match name {
            "AWS::Region" => return pseudo(REGION),
            "AWS::AccountId" => return pseudo(AWS_ACCOUNT),
            "AWS::URLSuffix" => return pseudo("amazonaws.com"),
            "AWS::Partition" => return pseudo("aws"),
            "AWS::StackName" => return pseudo("posthorn"),
            "AWS::NoValue" => return Ok(Value::Null),
            _ => {}
        }
        if let Some(parameter) = self.parameters.get(name) {
            let default = parameter.get("Default");
            return default.cloned().with_context(|| format!("the parameter {name} has no default"));
        }
        match self.kind(name)? {
            "AWS::SQS::Queue" => Ok(queue_url(self.sqs, name).into()),
            _ => Ok(name.into()),
        }
    }

    fn attribute(&self, path: &[Value]) -> Result<Value> {
        let [Value::String(resource), Value::String(attribute)] = path else {
            bail!("Fn::GetAtt takes a resource's name and an attribute's");
        };
        Ok(match (self.kind(resource)?, attribute.as_str()) {
            ("AWS::SQS::Queue", "Arn") => format!("arn:aws:sqs:{REGION}:{AWS_ACCOUNT}:{resource}").into(),
            ("AWS::SQS::Queue", "QueueName") => resource.as_str().into(),
            _ => format!("{resource}.{attribute}").into(),
        })
    }

    /// Replaces each `${name}` in a text.
    fn substitute(&self, text: &str) -> Result<String> {
        let mut parts = text.split("${");
        let mut result = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) =
                part.split_once('}').with_context(|| format!("a ${{ is never closed: {text}"))?;
            let value = match name.split_once('.') {
                Some((resource, attribute)) => self.attribute(&[resource.into(), attribute.into()])?,
                None => self.reference(name)?,
            };
            match value {
                Value::String(text) => result.push_str(&text),
                other => result.push_str(&other.to_string()),
            }
            result.push_str(rest);
        }
        Ok(result)
    }

    /// The type of a resource.
    fn kind(&self, name: &str) -> Result<&str> {
        let resource =
            self.resources.get(name).and_then(|resource| resource.get("Type")).and_then(Value::as_str);
        resource.with_context(|| format!("it refers to {name}, which it does not define"))
    }
}

fn only_field(fields: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut fields = fields.iter();
    match (fields.next(), fields.next()) {
        (Some((name, value)), None) => Some((name, value)),
        _ => None,
    }
}
