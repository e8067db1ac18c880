//! Requests as PaymentKit's SDK sends them to a deployed stack: with two keys in the base URL, or signed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use posthorn_domain::{ComponentKey, Did, Mode, PublicKey, Reach, Scope};
use posthorn_storage::Credential;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use sha3::{Digest as _, Sha3_256};

use crate::harness::{TestStores, TestSystem, text};
use crate::time_machine::TimeMachine;

const ENDPOINTS: &str = "/api/webhook-endpoints";

fn basic(live: &str, test: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{live}:{test}")))
}

/// A component whose key is registered for the account `acct_app`.
struct Component {
    pair: Ed25519KeyPair,
    did: Did,
}

impl Component {
    fn new(seed: u8) -> (Self, ComponentKey) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let public_key = PublicKey::from(<[u8; 32]>::try_from(pair.public_key().as_ref()).unwrap());
        let did = Did::of(&public_key);
        (Self { pair, did: did.clone() }, ComponentKey { did, public_key })
    }

    async fn registered(stores: &TestStores, scopes: &[Scope]) -> Self {
        let (component, key) = Self::new(1);
        let reach = Reach::Account("acct_app".parse().unwrap());
        stores.add_credential(&Credential::Component(key), reach, scopes).await;
        component
    }

    /// Calls a function with a signed request. `canonical_query` is the query as the signature covers it. A laptop's gateway
    /// would lend a key to such a request, so this one does not pass it.
    async fn call(
        &self,
        machine: &TimeMachine,
        (function, id): (&str, Option<&str>),
        (query, canonical_query): (&str, &str),
        body: Option<&str>,
    ) -> (u16, Value) {
        let (method, path) = match function {
            "create-endpoint" => ("post", ENDPOINTS.to_owned()),
            "update-endpoint" => ("put", format!("{ENDPOINTS}/{}", id.unwrap())),
            "delete-endpoint" => ("delete", format!("{ENDPOINTS}/{}", id.unwrap())),
            "list-audit" => ("get", "/api/audit".to_owned()),
            _ => ("get", ENDPOINTS.to_owned()),
        };
        let iat = machine.now().as_seconds();
        let exp = iat + 300;
        let signed_body = body.unwrap_or("{}");
        let text = format!(
            r#"{{"body":{signed_body},"exp":{exp},"iat":{iat},"method":"{method}","query":{canonical_query},"url":"{path}"}}"#
        );
        let signature = self.pair.sign(&Sha3_256::digest(text));
        let headers = json!({
            "content-type": "application/json",
            "x-component-did": self.did.as_str(),
            "x-component-sig": format!("0x{}", hex::encode(signature.as_ref())),
            "x-component-sig-iat": iat.to_string(),
            "x-component-sig-exp": exp.to_string(),
            "x-component-sig-version": "1",
        });
        let mut parts = json!({ "headers": headers, "rawPath": path, "rawQueryString": query });
        if let Some(id) = id {
            parts["pathParameters"] = json!({ "id": id });
        }
        if let Some(body) = body {
            parts["body"] = body.into();
        }
        machine.request(function, &parts).await
    }
}

const LIVE: (&str, &str) = ("livemode=true", r#"{"livemode":"true"}"#);

#[tokio::test(flavor = "multi_thread")]
async fn two_keys_in_the_base_url_are_picked_by_the_mode() {
    let system = TestSystem::start().await;
    system.stores.add_key_for("sk_live_1", "acct_app", Mode::Live, Scope::OF_KEYS).await;
    system.stores.add_key_for("sk_test_1", "acct_app", Mode::Test, Scope::OF_KEYS).await;
    let status = async |authorization: &str, livemode: bool| {
        let path = format!("{ENDPOINTS}?livemode={livemode}");
        system.send("GET", &path, &[("authorization", authorization)], Vec::new()).await.0
    };
    let both = basic("sk_live_1", "sk_test_1");
    assert_eq!((status(&both, true).await, status(&both, false).await), (200, 200));
    let live = basic("sk_live_1", "");
    assert_eq!((status(&live, true).await, status(&live, false).await), (200, 403));
    let test = basic("", "sk_test_1");
    assert_eq!((status(&test, true).await, status(&test, false).await), (403, 200));
    for wrong in [basic("sk_live_2", "sk_test_2"), "Basic !".to_owned(), "Basic".to_owned()] {
        assert_eq!(status(&wrong, true).await, 401, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_acts_for_its_account_in_both_modes() {
    let machine = TimeMachine::start(&[]).await;
    let component = Component::registered(&machine.stores, Scope::OF_COMPONENTS).await;
    let body = r#"{"enabled_events":["customer.*"],"url":"http://127.0.0.1:9/"}"#;
    let (status, created) = component.call(&machine, ("create-endpoint", None), LIVE, Some(body)).await;
    assert_eq!(status, 201, "{created}");
    let list = ("list-endpoints", None);
    let (_, live) = component.call(&machine, list, LIVE, None).await;
    let test = ("livemode=false", r#"{"livemode":"false"}"#);
    let (_, in_test_mode) = component.call(&machine, list, test, None).await;
    assert_eq!((&live["count"], &in_test_mode["count"]), (&json!(1), &json!(0)));
    let (_, without_mode) = component.call(&machine, list, ("", "{}"), None).await;
    assert_eq!(without_mode["count"], 1, "live, if it does not say");
    let (status, problem) = component.call(&machine, ("list-audit", None), ("", "{}"), None).await;
    assert_eq!((status, text(&problem, "code")), (403, "missing_scope"));
    let id = Some(text(&created, "id"));
    let (status, unchanged) = component.call(&machine, ("update-endpoint", id), LIVE, None).await;
    assert_eq!((status, unchanged["id"].as_str()), (200, id), "an update without data");
    assert_eq!(component.call(&machine, ("delete-endpoint", id), LIVE, None).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_whose_key_is_not_registered_is_refused() {
    let machine = TimeMachine::start(&[]).await;
    let list = async |component: &Component, query: (&str, &str)| {
        let (status, answer) = component.call(&machine, ("list-endpoints", None), query, None).await;
        (status, answer["code"].as_str().unwrap_or_default().to_owned())
    };
    let refused = (401, "invalid_signature".to_owned());
    let (stranger, _) = Component::new(2);
    assert_eq!(list(&stranger, LIVE).await, refused);
    let component = Component::registered(&machine.stores, Scope::OF_COMPONENTS).await;
    let impostor = Component { did: component.did.clone(), ..stranger };
    assert_eq!(list(&impostor, LIVE).await, refused);
    assert_eq!(list(&component, ("livemode=true", r#"{"livemode":"false"}"#)).await, refused);
    assert_eq!(list(&component, LIVE).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_request_is_read_as_paymentkit_reads_it() {
    let machine = TimeMachine::start(&[]).await;
    let component = Component::registered(&machine.stores, Scope::OF_COMPONENTS).await;
    for url in ["http://127.0.0.1:9/b", "http://127.0.0.1:9/a", "http://127.0.0.1:9/c"] {
        let body = json!({ "enabled_events": ["*"], "url": url }).to_string();
        assert_eq!(component.call(&machine, ("create-endpoint", None), LIVE, Some(&body)).await.0, 201);
    }
    let urls = async |query: (&str, &str)| {
        let (status, page) = component.call(&machine, ("list-endpoints", None), query, None).await;
        assert_eq!(status, 200, "{page}");
        let list = page["list"].as_array().unwrap().iter();
        list.map(|endpoint| text(endpoint, "url").rsplit('/').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let by_url = r#"{"order":[["url","DESC"]]}"#;
    assert_eq!(urls(("order%5B0%5D%5B0%5D=url&order%5B0%5D%5B1%5D=DESC", by_url)).await, ["c", "b", "a"]);
    assert_eq!(urls(("order%5B0%5D=url%3AASC", r#"{"order":["url:ASC"]}"#)).await, ["a", "b", "c"]);
    assert_eq!(urls(("colour=red", r#"{"colour":"red"}"#)).await.len(), 3, "what it does not know");
    assert_eq!(urls(("status=", r#"{"status":""}"#)).await.len(), 3, "null");
    assert_eq!(urls(("limit=2&page=1", r#"{"limit":"2","page":"1"}"#)).await.len(), 2);
}
