//! Resolves references and conditions in a template for a laptop. A parameter has its given value or its default. A
//! table's name is its logical id. A queue has its address and ARN in the embedded SQS.

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};
use serde_yaml_ng::Value as Yaml;
use serde_yaml_ng::value::TaggedValue;

/// The region of everything here.
pub const REGION: &str = "us-east-1";
/// The AWS account of everything here.
pub const AWS_ACCOUNT: &str = "000000000000";

/// The URL of a queue in an SQS at this address, such as `http://127.0.0.1:9324`.
pub fn queue_url(sqs: &str, queue: &str) -> String {
    format!("{sqs}/{AWS_ACCOUNT}/{queue}")
}

/// Converts YAML to JSON. `!Ref x` becomes `{"Ref": x}`; the other short forms are expanded in the same way.
pub(super) fn yaml_to_json(yaml: Yaml) -> Result<Value> {
    Ok(match yaml {
        Yaml::Tagged(tagged) => {
            let TaggedValue { tag, value } = *tagged;
            let name = tag.to_string();
            match (name.as_str(), yaml_to_json(value)?) {
                ("!Ref", value) => json!({ "Ref": value }),
                ("!GetAtt", Value::String(path)) => {
                    let (resource, attribute) =
                        path.split_once('.').context("!GetAtt takes Name.Attribute")?;
                    json!({ "Fn::GetAtt": [resource, attribute] })
                }
                ("!Condition", value) => json!({ "Condition": value }),
                (tag, value) => json!({ format!("Fn::{}", tag.trim_start_matches('!')): value }),
            }
        }
        Yaml::Sequence(items) => items.into_iter().map(yaml_to_json).collect::<Result<_>>()?,
        Yaml::Mapping(fields) => {
            let fields = fields.into_iter().map(|(name, value)| {
                let name = name.as_str().context("the name of a field is not a string")?.to_owned();
                Ok((name, yaml_to_json(value)?))
            });
            Value::Object(fields.collect::<Result<_>>()?)
        }
        plain => serde_json::to_value(plain)?,
    })
}

/// Replaces references by values.
pub(super) struct Resolver<'a> {
    /// The values of the parameters.
    pub(super) parameters: &'a Map<String, Value>,
    pub(super) conditions: &'a Map<String, Value>,
    pub(super) resources: &'a Map<String, Value>,
    /// The address of SQS.
    pub(super) sqs: &'a str,
}

impl Resolver<'_> {
    /// Returns the value with all references resolved. Elements without a value are left out of lists and objects.
    /// Unknown functions stay unchanged.
    pub(super) fn resolve(&self, value: &Value) -> Result<Value> {
        Ok(match value {
            Value::Array(items) => {
                let items: Vec<_> = items.iter().map(|item| self.resolve(item)).collect::<Result<_>>()?;
                items.into_iter().filter(|item| !item.is_null()).collect()
            }
            Value::Object(fields) => match only_field(fields) {
                Some(("Ref", Value::String(name))) => self.reference(name)?,
                Some(("Fn::GetAtt", Value::Array(path))) => self.attribute(path)?,
                Some(("Fn::Sub", Value::String(text))) => self.substitute(text, &Map::new())?.into(),
                Some(("Fn::Sub", Value::Array(parts))) => self.substitute_with(parts)?.into(),
                Some(("Fn::Join", Value::Array(parts))) => self.join(parts)?.into(),
                Some(("Fn::If", Value::Array(choice))) => self.choose(choice)?,
                _ => Value::Object(self.fields(fields)?),
            },
            plain => plain.clone(),
        })
    }

    fn fields(&self, fields: &Map<String, Value>) -> Result<Map<String, Value>> {
        let fields = fields.iter().map(|(name, value)| Ok((name.clone(), self.resolve(value)?)));
        let fields: Vec<_> = fields.collect::<Result<_>>()?;
        Ok(fields.into_iter().filter(|(_, value)| !value.is_null()).collect())
    }

    fn choose(&self, choice: &[Value]) -> Result<Value> {
        let [Value::String(condition), then, otherwise] = choice else {
            bail!("Fn::If takes a condition's name and two values");
        };
        self.resolve(if self.holds(condition)? { then } else { otherwise })
    }

    /// Whether the condition with this name is true.
    pub(super) fn holds(&self, name: &str) -> Result<bool> {
        let condition = self.conditions.get(name);
        let condition = condition.with_context(|| format!("there is no condition {name}"))?;
        self.is_true(condition).with_context(|| format!("the condition {name}"))
    }

    fn is_true(&self, condition: &Value) -> Result<bool> {
        let function = condition.as_object().and_then(only_field);
        match function {
            Some(("Condition", Value::String(name))) => self.holds(name),
            Some(("Fn::Equals", Value::Array(sides))) => {
                let [left, right] = &sides[..] else { bail!("Fn::Equals takes two values") };
                // For CloudFormation, every parameter is a string.
                Ok(text_of(&self.resolve(left)?) == text_of(&self.resolve(right)?))
            }
            Some(("Fn::Not", Value::Array(of))) => {
                let [of] = &of[..] else { bail!("Fn::Not takes one condition") };
                Ok(!self.is_true(of)?)
            }
            Some(("Fn::And", Value::Array(all))) => {
                all.iter().try_fold(true, |so_far, one| Ok(so_far && self.is_true(one)?))
            }
            Some(("Fn::Or", Value::Array(any))) => {
                any.iter().try_fold(false, |so_far, one| Ok(so_far || self.is_true(one)?))
            }
            _ => bail!("{condition} is not supported. Use Fn::Equals, Fn::Not, Fn::And, Fn::Or or Condition"),
        }
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
        if let Some(value) = self.parameters.get(name) {
            return Ok(value.clone());
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

    /// Replaces each `${name}` in a text. These values take precedence.
    fn substitute(&self, text: &str, values: &Map<String, Value>) -> Result<String> {
        let mut parts = text.split("${");
        let mut result = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) =
                part.split_once('}').with_context(|| format!("a ${{ has no closing brace: {text}"))?;
            let value = match (values.get(name), name.split_once('.')) {
                (Some(value), _) => value.clone(),
                (None, Some((resource, attribute))) => {
                    self.attribute(&[resource.into(), attribute.into()])?
                }
                (None, None) => self.reference(name)?,
            };
            result.push_str(&text_of(&value));
            result.push_str(rest);
        }
        Ok(result)
    }

    fn substitute_with(&self, parts: &[Value]) -> Result<String> {
        let [Value::String(text), Value::Object(values)] = parts else {
            bail!("Fn::Sub takes a text and an object of values");
        };
        self.substitute(text, &self.fields(values)?)
    }

    fn join(&self, parts: &[Value]) -> Result<String> {
        let [Value::String(separator), items] = parts else {
            bail!("Fn::Join takes a separator and a list");
        };
        let Value::Array(items) = self.resolve(items)? else { bail!("Fn::Join takes a list, not {items}") };
        Ok(items.iter().map(text_of).collect::<Vec<_>>().join(separator))
    }

    /// The type of a resource.
    fn kind(&self, name: &str) -> Result<&str> {
        let resource =
            self.resources.get(name).and_then(|resource| resource.get("Type")).and_then(Value::as_str);
        resource.with_context(|| format!("it refers to {name}, which the template does not define"))
    }
}

/// Formats a value as CloudFormation does in a text.
fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn only_field(fields: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut fields = fields.iter();
    match (fields.next(), fields.next()) {
        (Some((name, value)), None) => Some((name, value)),
        _ => None,
    }
}
