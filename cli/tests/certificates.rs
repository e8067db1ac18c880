//! The connection to the API is encrypted, and the API's certificate is checked.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::io::Write as _;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio_rustls::TlsAcceptor;

/// An API without event types.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 21\r\n\
                        connection: close\r\n\r\n{\"count\":0,\"list\":[]}";

#[tokio::test]
async fn a_certificate_counts_if_the_file_of_ssl_cert_file_has_its_authority() {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key).unwrap();
    let (acceptor, listener) =
        (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Clients that do not trust it end the handshake.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.read(&mut [0; 8192]).await;
            let _ = stream.write_all(ANSWER).await;
            let _ = stream.shutdown().await;
        }
    });
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(own.cert.pem().as_bytes()).unwrap();
    let call = async |certificates: Option<&std::path::Path>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_posthorn"));
        command.args(["types", "list", "--api-url", &url, "--api-key", "sk_test_1"]).env_clear();
        let ended = command.envs(certificates.map(|file| ("SSL_CERT_FILE", file))).output().await.unwrap();
        (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
    };
    assert_eq!(call(Some(file.path())).await, (Some(0), "> There are none.\n".to_owned()));
    let (code, said) = call(None).await;
    assert!(code == Some(3) && said.to_lowercase().contains("certificate"), "{said}");
}
