//! The limits of a message, and the digests with which a client checks that it arrived intact.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use super::error::{Fault, SqsError};

/// Maximum bytes of a message with its attributes, and of all messages of a batch together: 1 MiB.
pub(super) const MAXIMUM_SIZE: u32 = 1 << 20;

/// A message's attributes, sorted by name. The digest uses this order.
pub(super) type MessageAttributes = BTreeMap<String, MessageAttribute>;

/// A typed value in the format of the protocol, with binary values in Base64.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct MessageAttribute {
    data_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary_value: Option<String>,
}

enum Value<'a> {
    Text(&'a str),
    Binary(Vec<u8>),
}

impl Value<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

impl MessageAttribute {
    pub(super) fn text(&self) -> Option<&str> {
        self.string_value.as_deref()
    }

    /// Returns the value if it is present and has the type that `data_type` names.
    fn value(&self) -> Option<Value<'_>> {
        // `Number.celsius` is a number with a label that the caller chose.
        let kind = self.data_type.split('.').next()?;
        let text = || self.text().filter(|text| !text.is_empty());
        match kind {
            "String" => text().filter(|text| text.chars().all(is_allowed)).map(Value::Text),
            "Number" => text().filter(|text| is_number(text)).map(Value::Text),
            "Binary" => {
                let bytes = BASE64_STANDARD.decode(self.binary_value.as_ref()?).ok()?;
                (!bytes.is_empty()).then_some(Value::Binary(bytes))
            }
            _ => None,
        }
    }
}

fn is_number(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// Whether XML allows the character. SQS's older protocol used XML, so this is SQS's limit.
fn is_allowed(character: char) -> bool {
    !matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// Refuses a body that is empty or contains characters that SQS does not allow.
pub(super) fn check_body(body: &str) -> Result<(), SqsError> {
    if body.is_empty() {
        return Err(SqsError::missing("MessageBody"));
    }
    if body.chars().all(is_allowed) {
        return Ok(());
    }
    let message = "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | \
                   #xE000 to #xFFFD | #x10000 to #x10FFFF";
    Err(SqsError::new(Fault::InvalidMessageContents, message))
}

/// Refuses more than 10 attributes, invalid names, and values that do not match their type.
pub(super) fn check_attributes(attributes: &MessageAttributes) -> Result<(), SqsError> {
    if attributes.len() > 10 {
        return Err(SqsError::parameter_value(
            "Number of message attributes exceeds the allowed maximum of 10.",
        ));
    }
    for (name, attribute) in attributes {
        if !is_attribute_name(name) {
            return Err(SqsError::parameter_value(format!("Message attribute name '{name}' is invalid.")));
        }
        if attribute.data_type.len() > 256 || attribute.value().is_none() {
            let message = format!(
                "The message attribute '{name}' must have a type of String, Number or Binary \
                                   and a non-empty value of that type."
            );
            return Err(SqsError::parameter_value(message));
        }
    }
    Ok(())
}

fn is_attribute_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let lower = name.to_ascii_lowercase();
    (1..=256).contains(&name.len())
        && name.bytes().all(allowed)
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..")
        && !lower.starts_with("aws.")
        && !lower.starts_with("amazon.")
}

/// The bytes that count against [`MAXIMUM_SIZE`]: the body, and the names, types and values of the attributes.
pub(super) fn size(body: &str, attributes: &MessageAttributes) -> usize {
    let attribute = |(name, attribute): (&String, &MessageAttribute)| {
        let value = attribute.value().map_or(0, |value| value.bytes().len());
        name.len() + attribute.data_type.len() + value
    };
    body.len() + attributes.iter().map(attribute).sum::<usize>()
}

/// MD5OfMessageBody.
pub(super) fn body_md5(body: &str) -> String {
    hex::encode(Md5::digest(body))
}

/// MD5OfMessageAttributes [SQS Developer Guide, "Calculating the MD5 message digest for message attributes"]: each
/// attribute's name, type and value, each preceded by its length. `None` without attributes.
pub(super) fn attributes_md5(attributes: &MessageAttributes) -> Option<String> {
    let mut digest = Md5::new();
    for (name, attribute) in attributes {
        let value = attribute.value()?;
        digest_field(&mut digest, name.as_bytes());
        digest_field(&mut digest, attribute.data_type.as_bytes());
        digest.update([if matches!(value, Value::Text(_)) { 1 } else { 2 }]);
        digest_field(&mut digest, value.bytes());
    }
    (!attributes.is_empty()).then(|| hex::encode(digest.finalize()))
}

fn digest_field(digest: &mut Md5, field: &[u8]) {
    // No field is longer than a message, whose length fits into a `u32`.
    digest.update(u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
    digest.update(field);
}
