//! Servers of endpoints that accept everything, by each protocol that Posthorn speaks.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::Bytes;
use axum::serve::Listener;
use clap::ValueEnum;
use http::StatusCode;
use posthorn_local::install_tls;
use posthorn_local::tasks::{Tasks, listen};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tempfile::NamedTempFile;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How endpoints are spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    /// HTTP/1.1 without TLS.
    Plain,
    /// HTTP/1.1 with TLS.
    Tls,
    /// HTTP/2 with TLS.
    Http2,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "HTTP/1.1",
            Self::Tls => "HTTP/1.1, TLS",
            Self::Http2 => "HTTP/2, TLS",
        })
    }
}

/// A server of endpoints on loopback. Dropping it stops it.
pub(super) struct Receivers {
    /// Its address. Each path is an endpoint.
    pub(super) url: String,
    certificate: Option<Certificate>,
    _tasks: Tasks,
}

/// The certificate of a server, which nobody else has signed.
struct Certificate {
    pem: NamedTempFile,
    trusted: RootCertStore,
    protocol: &'static [u8],
}

impl Receivers {
    /// Starts one.
    pub(super) async fn start(protocol: Protocol) -> Result<Self> {
        install_tls();
        let (listener, url) = listen(0, "--port").await?;
        let port = listener.local_addr()?.port();
        let app = Router::new().fallback(async |_: Bytes| StatusCode::OK);
        let mut tasks = Tasks::default();
        let alpn: &'static [u8] = match protocol {
            Protocol::Plain => {
                tasks.spawn(|_| async move { Ok(axum::serve(listener, app).await?) });
                return Ok(Self { url, certificate: None, _tasks: tasks });
            }
            Protocol::Tls => b"http/1.1",
            Protocol::Http2 => b"h2",
        };
        let (certificate, server) = certificate(alpn)?;
        let listener = TlsListener { tcp: listener, acceptor: TlsAcceptor::from(Arc::new(server)) };
        tasks.spawn(|_| async move { Ok(axum::serve(listener, app).await?) });
        Ok(Self { url: format!("https://localhost:{port}"), certificate: Some(certificate), _tasks: tasks })
    }

    /// The file with its certificate, if it has one.
    pub(super) fn certificate(&self) -> Option<&Path> {
        self.certificate.as_ref().map(|certificate| certificate.pem.path())
    }

    /// A client that speaks to it.
    pub(super) fn client(&self) -> Result<reqwest::Client> {
        let mut client = reqwest::Client::builder().no_proxy();
        if let Some(Certificate { trusted, protocol, .. }) = &self.certificate {
            let mut tls =
                ClientConfig::builder().with_root_certificates(trusted.clone()).with_no_client_auth();
            tls.alpn_protocols = vec![protocol.to_vec()];
            client = client.tls_backend_preconfigured(tls);
        }
        Ok(client.build()?)
    }
}

fn certificate(protocol: &'static [u8]) -> Result<(Certificate, ServerConfig)> {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).map_err(anyhow::Error::msg)?;
    let server = ServerConfig::builder().with_no_client_auth();
    let mut server = server.with_single_cert(vec![own.cert.der().clone()], key)?;
    server.alpn_protocols = vec![protocol.to_vec()];
    let pem = NamedTempFile::new()?;
    std::fs::write(pem.path(), own.cert.pem()).context("cannot write the certificate")?;
    let mut trusted = RootCertStore::empty();
    trusted.add(own.cert.der().clone())?;
    Ok((Certificate { pem, trusted, protocol }, server))
}

/// Accepts connections with TLS, one handshake after another: each client opens few.
struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.tcp).await;
            // Otherwise, the kernel holds back the end of an answer for 40 ms. Whoever does not finish the handshake hangs up.
            if stream.set_nodelay(true).is_ok()
                && let Ok(stream) = self.acceptor.accept(stream).await
            {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}
