//! The payload of an event record: compressed when that makes it smaller.

use std::io::{Read as _, Write as _};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use posthorn_domain::MAX_EVENT_BYTES;

/// The most bytes that a stored payload can unpack to: an event, and what Posthorn adds to it.
const MAX_UNPACKED: u64 = 2 * MAX_EVENT_BYTES as u64;

/// A string as it is, or bytes that are its deflated form.
pub(crate) fn pack(text: &str) -> AttributeValue {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    let packed = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
    match packed {
        Ok(packed) if packed.len() < text.len() => AttributeValue::B(Blob::new(packed)),
        _ => AttributeValue::S(text.to_owned()),
    }
}

/// The text that [`pack`] took.
pub(crate) fn unpack(value: &AttributeValue) -> Result<String, String> {
    match value {
        AttributeValue::S(text) => Ok(text.clone()),
        AttributeValue::B(packed) => {
            let mut text = String::new();
            let mut decoder = DeflateDecoder::new(packed.as_ref()).take(MAX_UNPACKED);
            decoder.read_to_string(&mut text).map_err(|error| error.to_string())?;
            Ok(text)
        }
        _ => Err("the payload is neither text nor bytes".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_comes_back_whether_it_was_worth_compressing_or_not() {
        for text in ["", "{}", &"abc".repeat(1_000), "é😀\u{0}"] {
            assert_eq!(unpack(&pack(text)).unwrap(), text);
        }
        assert!(matches!(pack(&"abc".repeat(1_000)), AttributeValue::B(_)));
        assert!(matches!(pack("{}"), AttributeValue::S(_)));
    }
}
