//! The payload of an event record, compressed if that makes it smaller.

use std::cell::RefCell;
use std::io::Read as _;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use flate2::read::DeflateDecoder;
use flate2::{Compress, Compression, FlushCompress, Status};
use posthorn_domain::{FromJson, Invalid, MAX_EVENT_BYTES};

/// Maximum size of an unpacked payload: an event, and what Posthorn adds to it.
const MAX_UNPACKED: u64 = 2 * MAX_EVENT_BYTES as u64;

thread_local! {
    /// Reused because its tables have hundreds of kilobytes, and take longer to allocate than an event takes to
    /// compress.
    static COMPRESS: RefCell<Compress> = RefCell::new(Compress::new(Compression::fast(), false));
}

/// Returns the text as a string, or as compressed bytes (deflate) if they are smaller.
pub(crate) fn pack(text: &str) -> AttributeValue {
    let packed = COMPRESS.with_borrow_mut(|compress| {
        compress.reset();
        // If the compressed text does not fit, compressing does not pay.
        let mut packed = Vec::with_capacity(text.len());
        let status = compress.compress_vec(text.as_bytes(), &mut packed, FlushCompress::Finish);
        matches!(status, Ok(Status::StreamEnd)).then_some(packed)
    });
    match packed {
        Some(packed) => AttributeValue::B(Blob::new(packed)),
        None => AttributeValue::S(text.to_owned()),
    }
}

/// Returns the size of a payload as it is stored, in bytes.
pub(crate) fn size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::B(packed) => packed.as_ref().len(),
        _ => 0,
    }
}

/// Returns the text that was given to [`pack`].
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

/// Reads a value from an attribute that is JSON text.
pub(crate) fn read_json<T: FromJson>(json: &str) -> Result<T, Invalid> {
    let json = serde_json::from_str(json)
        .map_err(|error| Invalid::because(format!("has an attribute that is not valid JSON: {error}")))?;
    T::from_json(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_comes_back_whether_it_was_worth_compressing_or_not() {
        for text in ["", "{}", &"abc".repeat(1_000), "é😀\u{0}", &"xy".repeat(100_000), "abcabcabcabcabc"]
        {
            assert_eq!(unpack(&pack(text)).unwrap(), text);
        }
        assert!(matches!(pack(&"abc".repeat(1_000)), AttributeValue::B(_)));
        assert!(matches!(pack("{}"), AttributeValue::S(_)));
    }
}
