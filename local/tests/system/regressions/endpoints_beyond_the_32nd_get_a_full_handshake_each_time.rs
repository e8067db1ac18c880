//! A customer with a hundred endpoints on hosts of their own saw each new connection pay for a full TLS handshake: rustls
//! remembers the sessions of 32 names unless it is told otherwise, and shared them with the calls to AWS.

use std::sync::Arc;

use rustls::server::ServerSessionMemoryCache;
use rustls::{HandshakeKind, ServerConfig};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::harness::{PATIENCE, TestStores, TestSystem};
use crate::strangers::Authority;

const HOSTS: usize = 100;

/// A server of all hosts that closes each connection after one answer. It tells how each connection was made.
async fn start(tls: ServerConfig) -> (u16, UnboundedReceiver<HandshakeKind>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (acceptor, (told, kinds)) = (TlsAcceptor::from(Arc::new(tls)), unbounded_channel());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (accepting, told) = (acceptor.accept(stream), told.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = accepting.await else { return };
                let _ = stream.read(&mut [0; 8192]).await;
                let _ = stream.write_all(b"HTTP/1.1 204 Done\r\nconnection: close\r\n\r\n").await;
                let _ = stream.shutdown().await;
                let _ = told.send(stream.get_ref().1.handshake_kind().unwrap());
            });
        }
    });
    (port, kinds)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_hosts_resume_their_sessions_on_the_second_round() {
    let authority = Authority::new();
    let hosts: Vec<String> = (0..HOSTS).map(|number| format!("{number}.localhost")).collect();
    let mut tls = authority.tls_for_all(&hosts, &["http/1.1"]);
    // The receivers of the world have room for more sessions than a test.
    tls.session_storage = ServerSessionMemoryCache::new(16 * HOSTS);
    let (port, mut kinds) = start(tls).await;
    let stores = TestStores::start().await;
    let system = TestSystem::with(stores, &[("SSL_CERT_FILE", &authority.file())]).await;
    for host in &hosts {
        let endpoint = json!({ "url": format!("https://{host}:{port}/"), "enabled_events": ["*"] });
        system.register(&endpoint).await;
    }
    publish(&system).await;
    for _ in 0..HOSTS {
        next(&mut kinds).await;
    }
    system.stores.until_idle().await;
    while kinds.try_recv().is_ok() {}
    publish(&system).await;
    for _ in 0..HOSTS {
        assert_eq!(next(&mut kinds).await, HandshakeKind::Resumed);
    }
}

async fn publish(system: &TestSystem) {
    let event = json!({ "type": "order.paid", "data": { "object": {} } });
    let (status, answer) = system.request("POST", "/api/events", Some(&event)).await;
    assert_eq!(status, 202, "{answer}");
}

async fn next(kinds: &mut UnboundedReceiver<HandshakeKind>) -> HandshakeKind {
    timeout(PATIENCE, kinds.recv()).await.expect("a connection should be made").unwrap()
}
