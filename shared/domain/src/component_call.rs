//! What the signature of a call between PaymentKit's components covers: the request in canonical JSON
//! ([RFC 8785](https://www.rfc-editor.org/rfc/rfc8785)), as `@blocklet/sdk` writes it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::value::RawValue;
use sha3::{Digest as _, Sha3_256};
use url::Url;

/// The most query parameters; the parser that the SDK's servers use reads no more.
const MAX_PARAMETERS: usize = 1_000;
/// The deepest nesting of a query parameter's name, and the highest index in one, for the same reason.
const MAX_BRACKETS: usize = 5;
const MAX_INDEX: usize = 20;
/// The deepest nesting of a body.
const MAX_DEPTH: usize = 128;
/// Names of parameters that the SDK's servers drop, because every JavaScript object has them. Nobody sends them in earnest.
const OF_EVERY_OBJECT: [&str; 12] = [
    "__proto__",
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
];

/// How the numbers of a body are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// As they are: JavaScript wrote them.
    AsTheyAre,
    /// As JavaScript writes them, which reads them first: anybody may have written them.
    AsInJavaScript,
}

/// Returns what is signed of a delivery to this URL. The error is a sentence.
pub fn delivery_digest(url: &Url, body: &[u8], issued_at: i64, expires_at: i64) -> Result<[u8; 32], String> {
    let (path, query) = (url.path(), url.query_pairs().into_owned().collect::<Vec<_>>());
    let call = ComponentCall { method: "POST", path, query: &query, body, issued_at, expires_at };
    call.digest(Numbers::AsInJavaScript)
}

/// The parts of a call that its signature covers. The host and the headers are not among them.
#[derive(Debug, Clone, Copy)]
pub struct ComponentCall<'c> {
    /// In any case.
    pub method: &'c str,
    /// As it is sent, without the query.
    pub path: &'c str,
    /// The query's parameters in their order, decoded.
    pub query: &'c [(String, String)],
    /// JSON, or nothing.
    pub body: &'c [u8],
    /// When it was signed, in seconds since the Unix epoch.
    pub issued_at: i64,
    /// When the signature ends.
    pub expires_at: i64,
}

impl ComponentCall<'_> {
    /// Returns what is signed: the SHA3-256 of the canonical text. The error is a sentence.
    pub fn digest(&self, numbers: Numbers) -> Result<[u8; 32], String> {
        Ok(Sha3_256::digest(self.canonical(numbers)?).into())
    }

    fn canonical(&self, numbers: Numbers) -> Result<String, String> {
        let body = match std::str::from_utf8(self.body).map(str::trim) {
            Ok("" | "null") => Node::Object(BTreeMap::new()),
            Ok(json) => Node::of_json(json, numbers, MAX_DEPTH).ok_or("The signed body must be JSON.")?,
            Err(_) => return Err("The signed body must be UTF-8.".to_owned()),
        };
        let query = Node::of_query(self.query)?;
        let (iat, exp) = (self.issued_at, self.expires_at);
        let (method, path) = (quoted(&self.method.to_ascii_lowercase()), quoted(self.path));
        let mut text = String::from(r#"{"body":"#);
        body.write(&mut text);
        write!(text, r#","exp":{exp},"iat":{iat},"method":{method},"query":"#)
            .expect("writing to a string does not fail");
        query.write(&mut text);
        text.push_str(r#","url":"#);
        text.push_str(&path);
        text.push('}');
        Ok(text)
    }
}

/// Names in the order of their UTF-16 code units, in which JavaScript sorts them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Name(Vec<u16>);

impl Name {
    fn of(text: &str) -> Self {
        Self(text.encode_utf16().collect())
    }

    fn quoted(&self) -> String {
        quoted(&String::from_utf16_lossy(&self.0))
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Returns the UTF-16 code units of a JSON string, among them halves of surrogate pairs, which Rust's texts cannot have.
fn units(json: &str) -> Option<Vec<u16>> {
    let mut chars = json.trim().strip_prefix('"')?.strip_suffix('"')?.chars();
    let mut units = Vec::new();
    while let Some(char) = chars.next() {
        if char != '\\' {
            units.extend_from_slice(char.encode_utf16(&mut [0; 2]));
            continue;
        }
        units.push(match chars.next()? {
            'u' => u16::from_str_radix(&chars.by_ref().take(4).collect::<String>(), 16).ok()?,
            'b' => 0x08,
            'f' => 0x0c,
            'n' => 0x0a,
            'r' => 0x0d,
            't' => 0x09,
            same @ ('"' | '\\' | '/') => u16::try_from(u32::from(same)).ok()?,
            _ => return None,
        });
    }
    Some(units)
}

/// Writes code units as JavaScript's `JSON.stringify` does: half a surrogate pair is an escape.
fn quoted_units(units: &[u16]) -> String {
    let mut json = String::from("\"");
    for char in char::decode_utf16(units.iter().copied()) {
        match char {
            Ok(char) => {
                let text = quoted(&char.to_string());
                json.push_str(&text[1..text.len() - 1]);
            }
            Err(half) => write!(json, "\\u{:04x}", half.unpaired_surrogate())
                .expect("writing to a string does not fail"),
        }
    }
    json.push('"');
    json
}

/// A value of canonical JSON: without white space, the fields of objects sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    /// A text, a number, `true`, `false` or `null`, as JSON.
    Scalar(String),
    List(Vec<Node>),
    Object(BTreeMap<Name, Node>),
}

impl Node {
    /// Reads a JSON text. `None` if it is no JSON, or nested deeper than `depth`.
    fn of_json(json: &str, numbers: Numbers, depth: usize) -> Option<Self> {
        let depth = depth.checked_sub(1)?;
        let of_part = |part: &RawValue| Self::of_json(part.get(), numbers, depth);
        Some(match json.trim_start().as_bytes().first()? {
            b'{' => {
                let fields: BTreeMap<String, &RawValue> = serde_json::from_str(json).ok()?;
                let fields = fields.into_iter().map(|(name, value)| Some((Name::of(&name), of_part(value)?)));
                Self::Object(fields.collect::<Option<_>>()?)
            }
            b'[' => {
                let values: Vec<&RawValue> = serde_json::from_str(json).ok()?;
                Self::List(values.into_iter().map(of_part).collect::<Option<_>>()?)
            }
            b'"' => Self::Scalar(match serde_json::from_str::<String>(json) {
                Ok(text) => quoted(&text),
                Err(_) => quoted_units(&units(json)?),
            }),
            b'-' | b'0'..=b'9' if numbers == Numbers::AsInJavaScript => {
                let number: f64 = serde_json::from_str::<&RawValue>(json).ok()?.get().parse().ok()?;
                Self::Scalar(if number.is_finite() {
                    ryu_js::Buffer::new().format_finite(number).to_owned()
                } else {
                    // JavaScript reads what is too large as infinite, and writes that as null.
                    "null".to_owned()
                })
            }
            _ => Self::Scalar(serde_json::from_str::<&RawValue>(json).ok()?.get().to_owned()),
        })
    }

    /// Reads a query as the parser `qs` of JavaScript does: `a[b]=1` is an object in an object, `a[0]=1`, `a[]=1` and a
    /// repeated `a=1` are lists.
    fn of_query(parameters: &[(String, String)]) -> Result<Self, String> {
        if parameters.len() > MAX_PARAMETERS {
            return Err(format!("A signed request may have at most {MAX_PARAMETERS} query parameters."));
        }
        let mut root = Tree::default();
        for (name, value) in parameters.iter().filter(|(name, _)| !name.is_empty()) {
            root.add(&segments(name)?, value);
        }
        Ok(root.into_object())
    }

    fn write(&self, text: &mut String) {
        match self {
            Self::Scalar(json) => text.push_str(json),
            Self::List(values) => {
                text.push('[');
                for (n, value) in values.iter().enumerate() {
                    text.push_str(if n == 0 { "" } else { "," });
                    value.write(text);
                }
                text.push(']');
            }
            Self::Object(fields) => {
                text.push('{');
                for (n, (name, value)) in fields.iter().enumerate() {
                    text.push_str(if n == 0 { "" } else { "," });
                    text.push_str(&name.quoted());
                    text.push(':');
                    value.write(text);
                }
                text.push('}');
            }
        }
    }
}

/// A query while it is read: the values of a name, and what is in brackets after it.
#[derive(Debug, Default)]
struct Tree {
    values: Vec<String>,
    children: Vec<(String, Tree)>,
}

impl Tree {
    fn add(&mut self, path: &[String], value: &str) {
        let Some((first, rest)) = path.split_first() else { return self.values.push(value.to_owned()) };
        // Each `[]` is an entry of its own.
        let known = self.children.iter().position(|(name, _)| name == first && !first.is_empty());
        let place = known.unwrap_or_else(|| {
            self.children.push((first.clone(), Self::default()));
            self.children.len() - 1
        });
        self.children[place].1.add(rest, value);
    }

    fn into_object(self) -> Node {
        Node::Object(
            self.children.into_iter().map(|(name, tree)| (Name::of(&name), tree.into_node())).collect(),
        )
    }

    fn into_node(self) -> Node {
        if self.children.is_empty() {
            let mut values: Vec<_> = self.values.iter().map(|value| Node::Scalar(quoted(value))).collect();
            return if values.len() == 1 { values.remove(0) } else { Node::List(values) };
        }
        let index = |name: &str| {
            if name.is_empty() { Some(0) } else { name.parse().ok().filter(|index| *index <= MAX_INDEX) }
        };
        if self.children.iter().any(|(name, _)| index(name).is_none()) {
            return self.into_object();
        }
        let mut children = self.children;
        children.sort_by_key(|(name, _)| index(name));
        Node::List(children.into_iter().map(|(_, tree)| tree.into_node()).collect())
    }
}

/// Returns the parts of a parameter's name: `a[b][0]` has three.
fn segments(name: &str) -> Result<Vec<String>, String> {
    let refused = || format!("The query parameter `{name}` cannot be part of a signed request.");
    let (first, mut rest) = name.split_at(name.find('[').unwrap_or(name.len()));
    let mut segments = vec![first.to_owned()];
    while let Some((segment, behind)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        segments.push(segment.to_owned());
        rest = behind;
    }
    let is_known = |segment: &String| !OF_EVERY_OBJECT.contains(&segment.as_str());
    let is_read_alike = rest.is_empty() && !first.is_empty() && segments.len() <= MAX_BRACKETS + 1;
    if is_read_alike && segments.iter().all(is_known) { Ok(segments) } else { Err(refused()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::form_urlencoded;

    use super::*;

    fn query(text: &str) -> Result<String, String> {
        let parameters: Vec<_> = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        let mut written = String::new();
        Node::of_query(&parameters)?.write(&mut written);
        Ok(written)
    }

    #[test]
    fn a_query_is_read_as_javascript_reads_it() {
        let check = |text: &str, json: &str| assert_eq!(query(text).as_deref(), Ok(json), "{text}");
        check("", "{}");
        check("livemode=true&page=", r#"{"livemode":"true","page":""}"#);
        check("b=1+2&a=%20", r#"{"a":" ","b":"1 2"}"#);
        check("order[0]=a&order[1]=b", r#"{"order":["a","b"]}"#);
        check("order[1]=b&order[0]=a", r#"{"order":["a","b"]}"#);
        check("order[]=a&order[]=b", r#"{"order":["a","b"]}"#);
        check("order=a&order=b", r#"{"order":["a","b"]}"#);
        check("order[0][0]=a&order[0][1]=b&order[1][0]=c", r#"{"order":[["a","b"],["c"]]}"#);
        check("m[k]=1&m[j]=2", r#"{"m":{"j":"2","k":"1"}}"#);
        check("metadata.k=1", r#"{"metadata.k":"1"}"#);
        for text in ["toString=1", "a[__proto__]=1", "a[b=1", "a[0][1][2][3][4][5]=1", "[a]=1"] {
            assert!(query(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_body_that_is_no_json_or_too_deep_is_refused() {
        for wrong in [
            "{",
            "[1,]",
            "nul",
            &"[".repeat(MAX_DEPTH + 1),
            &format!("{}{}", "[".repeat(MAX_DEPTH + 1), "]".repeat(MAX_DEPTH + 1)),
        ] {
            assert_eq!(Node::of_json(wrong, Numbers::AsTheyAre, MAX_DEPTH), None, "{wrong}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_stays_as_javascript_writes_it() {
        let check = |json: &str, expected: &str| {
            let mut canonical = String::new();
            Node::of_json(json, Numbers::AsInJavaScript, 2).unwrap().write(&mut canonical);
            assert_eq!(canonical, expected, "{json}");
        };
        check(r#"["Ada \uD83D"]"#, r#"["Ada \ud83d"]"#);
        check(r#"["\ud83d\ude00\ude00 \"\\\/\n\u00e9é"]"#, "[\"😀\\ude00 \\\"\\\\/\\néé\"]");
    }

    #[test]
    fn numbers_of_any_writer_become_those_of_javascript() {
        let check = |number: &str, expected: &str| {
            let node = Node::of_json(number, Numbers::AsInJavaScript, 1).unwrap();
            assert_eq!(node, Node::Scalar(expected.to_owned()), "{number}");
        };
        check("1.0e5", "100000");
        check("100000", "100000");
        check("1e21", "1e+21");
        check("1E-7", "1e-7");
        check("0.1", "0.1");
        check("-0", "0");
        check("5.718123906261313e299", "5.718123906261313e+299");
        check("9007199254740993", "9007199254740992");
        check("1e999", "null");
    }

    proptest! {
        #[test]
        fn canonical_json_means_the_same(text in "[ -~é😀ﬁ]{0,20}", number in -1e300..1e300) {
            let value = serde_json::json!({ "z": [text, number, null], &text: { "b": true, "a": {} } });
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            let mut canonical = String::new();
            Node::of_json(&pretty, Numbers::AsTheyAre, MAX_DEPTH).unwrap().write(&mut canonical);
            // Both are read back: reading may move a number by its last digit.
            let read = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
            prop_assert_eq!(read(&canonical), read(&pretty));
        }
    }
}
