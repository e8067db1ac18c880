//! A KMS on loopback with one key. It does what Posthorn asks of KMS, over the same wire protocol, and leaves out
//! everything else: no signature is checked, no policy applies, and a data key is known, not decrypted.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode};
use posthorn_domain::Random as _;
use posthorn_runtime::SystemRandom;
use serde::Deserialize as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A KMS. Dropped, it ends.
pub(crate) struct Kms {
    pub(crate) url: String,
    state: Arc<State>,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    /// The data keys that it has made and their encryption contexts, by their wrapped form.
    data_keys: Mutex<HashMap<String, (String, Value)>>,
    calls: AtomicUsize,
    down: AtomicBool,
}

impl Kms {
    /// The ARN of its key.
    pub(crate) const KEY: &str = "arn:aws:kms:us-east-1:000000000000:key/0c59b4f1";

    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State::default());
        let answering = Arc::clone(&state);
        let answer = move |headers: HeaderMap, body: Bytes| async move { answering.answer(&headers, &body) };
        let server = axum::serve(listener, Router::new().fallback(answer));
        let server = tokio::spawn(async { server.await.unwrap() });
        Self { url, state, server }
    }

    /// What makes a function use it.
    pub(crate) fn environment(&self) -> [(&str, &str); 2] {
        [("SECRETS_KEY_ARN", Self::KEY), ("AWS_ENDPOINT_URL_KMS", &self.url)]
    }

    /// How often it has been called.
    pub(crate) fn calls(&self) -> usize {
        self.state.calls.load(Ordering::SeqCst)
    }

    /// The data keys that it has made, for another KMS to [learn](Self::learn).
    pub(crate) fn data_keys(&self) -> Value {
        json!(*self.state.data_keys.lock().unwrap())
    }

    /// Has it know data keys that another has made.
    pub(crate) fn learn(&self, data_keys: &Value) {
        self.state
            .data_keys
            .lock()
            .unwrap()
            .extend(HashMap::<String, (String, Value)>::deserialize(data_keys).unwrap());
    }

    /// Has it refuse every call, or no longer.
    pub(crate) fn set_down(&self, down: bool) {
        self.state.down.store(down, Ordering::SeqCst);
    }
}

impl Drop for Kms {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl State {
    fn answer(&self, headers: &HeaderMap, body: &[u8]) -> Response {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            return refuse(StatusCode::INTERNAL_SERVER_ERROR, "KMSInternalException");
        }
        let request: Value = serde_json::from_slice(body).unwrap();
        match headers["x-amz-target"].to_str().unwrap() {
            "TrentService.GenerateDataKeyWithoutPlaintext" => self.generate(&request),
            "TrentService.Decrypt" => self.decrypt(&request),
            _ => refuse(StatusCode::BAD_REQUEST, "UnknownOperationException"),
        }
    }

    fn generate(&self, request: &Value) -> Response {
        if request["KeyId"] != Kms::KEY || request["KeySpec"] != "AES_256" {
            return refuse(StatusCode::BAD_REQUEST, "NotFoundException");
        }
        let (wrapped, key) = (random::<168>(), random::<32>());
        let context = request["EncryptionContext"].clone();
        self.data_keys.lock().unwrap().insert(wrapped.clone(), (key, context));
        json!({ "KeyId": Kms::KEY, "CiphertextBlob": wrapped }).to_string().into_response()
    }

    fn decrypt(&self, request: &Value) -> Response {
        let data_keys = self.data_keys.lock().unwrap();
        match data_keys.get(request["CiphertextBlob"].as_str().unwrap()) {
            Some((key, context)) if *context == request["EncryptionContext"] => {
                json!({ "KeyId": Kms::KEY, "Plaintext": key }).to_string().into_response()
            }
            _ => refuse(StatusCode::BAD_REQUEST, "InvalidCiphertextException"),
        }
    }
}

fn refuse(status: StatusCode, kind: &str) -> Response {
    (status, json!({ "__type": kind }).to_string()).into_response()
}

/// The base64 of so many random bytes.
fn random<const N: usize>() -> String {
    let mut bytes = [0; N];
    SystemRandom.fill(&mut bytes);
    STANDARD.encode(bytes)
}
