//! The signatures of PaymentKit's components, version 1: Ed25519 over the SHA3-256 of the request in canonical JSON
//! ([RFC 8785](https://www.rfc-editor.org/rfc/rfc8785)), as `@blocklet/sdk` makes them. The host and the headers are not
//! signed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use posthorn_domain::PublicKey;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::value::RawValue;
use sha3::{Digest as _, Sha3_256};

/// The longest time from a signature to its end, in seconds. The SDK's signatures end after 300.
const LONGEST: i64 = 300;
/// How far ahead of ours a client's clock may be, in seconds.
const SKEW: i64 = 60;
/// The most query parameters; the parser that the SDK's servers use reads no more.
const MAX_PARAMETERS: usize = 1_000;
/// The deepest nesting of a query parameter's name, and the highest index in one, for the same reason.
const MAX_BRACKETS: usize = 5;
const MAX_INDEX: usize = 20;
/// The deepest nesting of a body.
const MAX_DEPTH: usize = 64;
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

/// A request as it was signed.
#[derive(Debug)]
pub(crate) struct SignedRequest<'r> {
    /// In any case.
    pub(crate) method: &'r str,
    /// As the client sent it, without the query.
    pub(crate) path: &'r str,
    /// The query's parameters in their order, decoded.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: &'r [u8],
    pub(crate) headers: SignatureHeaders<'r>,
}

/// The headers of a signature.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SignatureHeaders<'r> {
    pub(crate) signature: &'r str,
    pub(crate) issued_at: &'r str,
    pub(crate) expires_at: &'r str,
    pub(crate) version: &'r str,
}

/// A request whose signature is well-formed and in time. Only a key can tell whether it is genuine.
pub(crate) struct Claim {
    digest: [u8; 32],
    signature: Vec<u8>,
}

impl Claim {
    /// Checks everything but the key. `now` is in seconds. The error is a sentence for the client.
    pub(crate) fn read(request: &SignedRequest<'_>, now: i64) -> Result<Self, String> {
        let SignatureHeaders { signature, issued_at, expires_at, version } = request.headers;
        if version != "1" {
            return Err(format!("Only version 1 of component signatures is supported, not {version:?}."));
        }
        let seconds = |header: &str, text: &str| {
            let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let number =
                text.parse::<i64>().ok().filter(|_| is_plain && (text == "0" || !text.starts_with('0')));
            number.ok_or_else(|| format!("The header `{header}` must be a time in whole seconds."))
        };
        let (iat, exp) =
            (seconds("x-component-sig-iat", issued_at)?, seconds("x-component-sig-exp", expires_at)?);
        if exp < now {
            return Err(format!("The component signature expired at {exp}. It is {now} now."));
        }
        if iat > now.saturating_add(SKEW) {
            return Err(format!(
                "The component signature was issued at {iat}, but it is only {now} now. Set the clock."
            ));
        }
        if exp.saturating_sub(iat) > LONGEST {
            return Err(format!("A component signature may be valid for at most {LONGEST} seconds."));
        }
        let hex = signature.strip_prefix("0x").and_then(|digits| hex::decode(digits).ok());
        let signature = hex.filter(|bytes| bytes.len() == 64);
        let signature =
            signature.ok_or("The header `x-component-sig` must be 0x and 128 hexadecimal digits.")?;
        let text = request.canonical(iat, exp)?;
        Ok(Self { digest: Sha3_256::digest(text).into(), signature })
    }

    /// Returns whether this key signed the request.
    pub(crate) fn is_by(&self, key: &PublicKey) -> bool {
        UnparsedPublicKey::new(&ED25519, key.as_bytes()).verify(&self.digest, &self.signature).is_ok()
    }
}

impl SignedRequest<'_> {
    /// Returns the text that was signed.
    fn canonical(&self, iat: i64, exp: i64) -> Result<String, String> {
        let body = match std::str::from_utf8(self.body).map(str::trim) {
            Ok("" | "null") => Node::Object(BTreeMap::new()),
            Ok(json) => Node::of_json(json, MAX_DEPTH).ok_or("The signed body must be JSON.")?,
            Err(_) => return Err("The signed body must be UTF-8.".to_owned()),
        };
        let query = Node::of_query(&self.query)?;
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

/// A value of canonical JSON: without white space, the fields of objects sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    /// A text, a number, `true`, `false` or `null`, as JSON.
    Scalar(String),
    List(Vec<Node>),
    Object(BTreeMap<Name, Node>),
}

impl Node {
    /// Reads a JSON text. Numbers stay as they are: the client's `JSON.stringify` wrote them. `None` if it is no JSON, or
    /// nested deeper than `depth`.
    fn of_json(json: &str, depth: usize) -> Option<Self> {
        let depth = depth.checked_sub(1)?;
        let of_part = |part: &RawValue| Self::of_json(part.get(), depth);
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
            b'"' => Self::Scalar(quoted(&serde_json::from_str::<String>(json).ok()?)),
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
    use serde::Deserialize;
    use url::form_urlencoded;

    use super::*;

    /// Requests that PaymentKit's unmodified SDK made, and altered ones.
    const RECORDED: &str = include_str!("testdata/component-signatures.json");

    #[derive(Deserialize)]
    struct Recorded {
        public_keys: BTreeMap<String, String>,
        requests: Vec<RecordedRequest>,
    }

    #[derive(Deserialize)]
    struct RecordedRequest {
        id: String,
        public_key: String,
        now: i64,
        method: String,
        path: String,
        query: String,
        signature: String,
        iat: String,
        exp: String,
        body: String,
        canonical: Option<String>,
        is_genuine: bool,
    }

    impl RecordedRequest {
        fn signed(&self) -> SignedRequest<'_> {
            SignedRequest {
                method: &self.method,
                path: &self.path,
                query: form_urlencoded::parse(self.query.as_bytes()).into_owned().collect(),
                body: self.body.as_bytes(),
                headers: SignatureHeaders {
                    signature: &self.signature,
                    issued_at: &self.iat,
                    expires_at: &self.exp,
                    version: "1",
                },
            }
        }
    }

    fn recorded() -> Recorded {
        serde_json::from_str(RECORDED).unwrap()
    }

    fn query(text: &str) -> Result<String, String> {
        let parameters: Vec<_> = form_urlencoded::parse(text.as_bytes()).into_owned().collect();
        let mut written = String::new();
        Node::of_query(&parameters)?.write(&mut written);
        Ok(written)
    }

    #[test]
    fn what_the_sdk_signed_is_genuine_and_what_was_altered_is_not() {
        let recorded = recorded();
        assert!(recorded.requests.len() > 15);
        for request in &recorded.requests {
            let signed = request.signed();
            if let Some(canonical) = &request.canonical {
                let (iat, exp) = (request.iat.parse().unwrap(), request.exp.parse().unwrap());
                assert_eq!(signed.canonical(iat, exp).as_ref(), Ok(canonical), "{}", request.id);
            }
            let key: PublicKey = recorded.public_keys[&request.public_key].parse().unwrap();
            let is_genuine = Claim::read(&signed, request.now).is_ok_and(|claim| claim.is_by(&key));
            assert_eq!(is_genuine, request.is_genuine, "{}", request.id);
        }
    }

    #[test]
    fn a_signature_is_good_for_five_minutes_from_a_clock_that_is_at_most_one_minute_ahead() {
        let mut recorded = recorded();
        let request = recorded.requests.remove(0);
        let refusal = |iat: &str, exp: &str, version: &str, now: i64| {
            let headers =
                SignatureHeaders { signature: &request.signature, issued_at: iat, expires_at: exp, version };
            Claim::read(&SignedRequest { headers, ..request.signed() }, now).err().unwrap_or_default()
        };
        assert_eq!(refusal("1000", "1300", "1", 1_000), "");
        assert_eq!(refusal("1000", "1300", "1", 1_300), "");
        assert_eq!(refusal("1060", "1360", "1", 1_000), "");
        assert!(refusal("1000", "1300", "1", 1_301).contains("expired at 1300"));
        assert!(refusal("1061", "1361", "1", 1_000).contains("Set the clock"));
        assert!(refusal("1000", "1301", "1", 1_000).contains("at most 300 seconds"));
        assert!(refusal("1000", "1300", "0", 1_000).contains("version 1"));
        for odd in ["", "1e3", "+1000", "01000", "1000.0", " 1000"] {
            assert!(refusal(odd, "1300", "1", 1_000).contains("x-component-sig-iat"), "{odd}");
        }
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
            r#"{"a": "\ud800"}"#,
            &"[".repeat(70),
            &format!("{}{}", "[".repeat(70), "]".repeat(70)),
        ] {
            assert_eq!(Node::of_json(wrong, MAX_DEPTH), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn canonical_json_means_the_same(text in "[ -~é😀ﬁ]{0,20}", number in -1e300..1e300) {
            let value = serde_json::json!({ "z": [text, number, null], &text: { "b": true, "a": {} } });
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            let mut canonical = String::new();
            Node::of_json(&pretty, MAX_DEPTH).unwrap().write(&mut canonical);
            // Both are read back: reading may move a number by its last digit.
            let read = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
            prop_assert_eq!(read(&canonical), read(&pretty));
        }
    }
}
