//! A component of PaymentKit, which signs its requests as PaymentKit's SDK does.

use posthorn_domain::{ComponentKey, Did, PublicKey, Reach, Scope, Timestamp};
use posthorn_storage::Credential;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use sha3::{Digest as _, Sha3_256};

use crate::harness::TestStores;

pub(crate) struct Component {
    pair: Ed25519KeyPair,
    pub(crate) key: ComponentKey,
}

/// The parts of a request that a signature covers, and its time. The query and the body are canonical JSON.
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) body: &'a str,
    pub(crate) at: Timestamp,
}

impl Component {
    /// The component whose key pair follows from this name.
    pub(crate) fn named(name: &str) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&Self::seed(name)).unwrap();
        let public_key = PublicKey::from(<[u8; 32]>::try_from(pair.public_key().as_ref()).unwrap());
        Self { pair, key: ComponentKey { did: Did::of(&public_key), public_key } }
    }

    /// The seed of that key pair.
    pub(crate) fn seed(name: &str) -> [u8; 32] {
        Sha3_256::digest(name).into()
    }

    /// Registers its key for an account.
    pub(crate) async fn register(&self, stores: &TestStores, account: &str, scopes: &[Scope]) {
        let reach = Reach::Account(account.parse().unwrap());
        stores.add_credential(&Credential::Component(self.key.clone()), reach, scopes).await;
    }

    /// The headers of a request.
    pub(crate) fn headers(&self, signed: &Signed<'_>) -> [(&'static str, String); 6] {
        let Signed { method, path, query, body, at } = signed;
        let (method, iat) = (method.to_ascii_lowercase(), at.as_seconds());
        let exp = iat + 300;
        let text = format!(
            r#"{{"body":{body},"exp":{exp},"iat":{iat},"method":"{method}","query":{query},"url":"{path}"}}"#
        );
        let signature = self.pair.sign(&Sha3_256::digest(text));
        [
            ("content-type", "application/json".to_owned()),
            ("x-component-did", self.key.did.as_str().to_owned()),
            ("x-component-sig", format!("0x{}", hex::encode(signature.as_ref()))),
            ("x-component-sig-iat", iat.to_string()),
            ("x-component-sig-exp", exp.to_string()),
            ("x-component-sig-version", "1".to_owned()),
        ]
    }
}
