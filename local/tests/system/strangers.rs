//! Receivers as the world has them: bytes of HTTP/1.1 and frames of HTTP/2, in the clear or through TLS, and a network that
//! falls silent.

use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// Bytes from and to Posthorn.
pub(crate) trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// A connection from Posthorn.
pub(crate) type Connection = Box<dyn Bytes>;

/// A certificate authority that lives as long as the test.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    /// What `SSL_CERT_FILE` has to name for this authority to be trusted.
    pub(crate) fn file(&self) -> String {
        self.path().to_str().unwrap().to_owned()
    }

    fn path(&self) -> std::path::PathBuf {
        Path::new(self.folder.path()).join("ca.pem")
    }

    /// TLS for a server at this name or address, that offers these protocols.
    pub(crate) fn tls_for(&self, name: &str, protocols: &[&str]) -> ServerConfig {
        self.tls_for_all(&[name.to_owned()], protocols)
    }

    /// TLS for a server at all of these names.
    pub(crate) fn tls_for_all(&self, names: &[String], protocols: &[&str]) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.unwrap().with_no_client_auth();
        let mut tls = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        tls.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        tls
    }

    /// TLS for a server at 127.0.0.1.
    pub(crate) fn tls(&self, protocols: &[&str]) -> ServerConfig {
        self.tls_for("127.0.0.1", protocols)
    }
}

/// A server at 127.0.0.1 that does with each connection what the test says.
pub(crate) struct Stranger {
    /// Its URL.
    pub(crate) url: String,
    connections: Arc<AtomicUsize>,
}

impl Stranger {
    /// Serves connections in the clear by `serve`, which is told how many there were before.
    pub(crate) async fn start<F>(serve: impl Fn(usize, Connection) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::listen("http", serve, |stream| async { Ok(Box::new(stream) as Connection) }).await
    }

    /// The same through TLS. `serve` is told of connections whose handshake succeeds.
    pub(crate) async fn start_tls<F>(
        tls: ServerConfig,
        serve: impl Fn(usize, Connection) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        Self::listen("https", serve, move |stream| {
            let accepting = acceptor.accept(stream);
            async { Ok(Box::new(accepting.await?) as Connection) }
        })
        .await
    }

    async fn listen<F, O>(
        scheme: &str,
        serve: impl Fn(usize, Connection) -> F + Send + Sync + 'static,
        open: impl Fn(TcpStream) -> O + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
        O: Future<Output = io::Result<Connection>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{scheme}://{}/", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let serve = Arc::new(serve);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = counter.fetch_add(1, Ordering::SeqCst);
                let (serve, opening) = (Arc::clone(&serve), open(stream));
                tokio::spawn(async move {
                    if let Ok(connection) = opening.await {
                        serve(number, connection).await;
                    }
                });
            }
        });
        Self { url, connections }
    }

    /// A server that answers each first request on a connection with these bytes, and closes it.
    pub(crate) async fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |_, mut connection| {
            let answer = answer.clone();
            async move {
                read_request(&mut connection).await;
                connection.write_all(&answer).await.unwrap();
                connection.shutdown().await.unwrap();
            }
        })
        .await
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Its host and port.
    pub(crate) fn address(&self) -> &str {
        self.url.split('/').nth(2).unwrap()
    }
}

/// Reads a request of HTTP/1.1. `None` where the connection ends before there is one.
pub(crate) async fn read_request(connection: &mut Connection) -> Option<String> {
    let mut request = Vec::new();
    loop {
        if let Some(head) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let text = String::from_utf8(request.clone()).unwrap();
            let lower = text.to_ascii_lowercase();
            let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if request.len() == head + 4 + length.parse::<usize>().unwrap() {
                return Some(text);
            }
        }
        if connection.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}

/// Waits for ever, with the connection open.
pub(crate) async fn stay_silent(connection: Connection) {
    std::future::pending::<()>().await;
    drop(connection);
}

/// The protocol in frames (RFC 9113), as a server.
pub(crate) struct Frames(Connection);

/// Kinds of frames, and flags.
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const END_STREAM: u8 = 1;
const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// Error codes.
pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const HTTP_1_1_REQUIRED: u32 = 13;

/// `:status: 200`, compressed (RFC 7541, index 8).
pub(crate) const STATUS_200: &[u8] = &[0x88];

impl Frames {
    /// Begins to speak HTTP/2. `None` where the connection ends at once.
    pub(crate) async fn open(mut connection: Connection) -> Option<Self> {
        let mut preface = [0; 24];
        connection.read_exact(&mut preface).await.ok()?;
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let mut frames = Self(connection);
        frames.send(SETTINGS, 0, 0, &[]).await;
        Some(frames)
    }

    pub(crate) async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        // The client may have gone.
        let _ = self.0.write_all(&frame(kind, flags, stream, payload)).await;
    }

    /// Sends bytes that are frames, again and again, until the client has gone or so many have been sent. Returns how many.
    pub(crate) async fn pour(&mut self, frames: &[u8], most: usize) -> usize {
        let mut sent = 0;
        while sent < most && self.0.write_all(frames).await.is_ok() {
            sent += frames.len();
        }
        sent
    }

    /// The next frame that asks for an answer: its kind, flags, stream and payload. `None` where the connection ends first.
    pub(crate) async fn next(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).await.ok()?;
            let [a, b, c, kind, flags, stream @ ..] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            self.0.read_exact(&mut payload).await.ok()?;
            match kind {
                SETTINGS if flags & ACK == 0 => self.send(SETTINGS, ACK, 0, &[]).await,
                PING if flags & ACK == 0 => self.send(PING, ACK, 0, &payload).await,
                DATA | HEADERS | RST_STREAM => {
                    return Some((kind, flags, u32::from_be_bytes(stream), payload));
                }
                _ => {}
            }
        }
    }

    /// The stream of the next request, which has arrived whole. `None` where the connection ends first.
    pub(crate) async fn request(&mut self) -> Option<u32> {
        loop {
            let (kind, flags, stream, _) = self.next().await?;
            if kind != RST_STREAM && flags & END_STREAM != 0 {
                return Some(stream);
            }
        }
    }

    /// Answers a request with 200 and no body.
    pub(crate) async fn answer(&mut self, stream: u32) {
        self.send(HEADERS, END_HEADERS | END_STREAM, stream, STATUS_200).await;
    }

    /// Answers each request, until the client ends the connection.
    pub(crate) async fn answer_all(&mut self) {
        while let Some(stream) = self.request().await {
            self.answer(stream).await;
        }
    }

    /// Ends a stream with an error.
    pub(crate) async fn reset(&mut self, stream: u32, error: u32) {
        self.send(RST_STREAM, 0, stream, &error.to_be_bytes()).await;
    }

    /// Says that no stream after `last` has been or will be handled.
    pub(crate) async fn go_away(&mut self, last: u32) {
        self.send(GOAWAY, 0, 0, &[last.to_be_bytes(), NO_ERROR.to_be_bytes()].concat()).await;
    }
}

/// A frame (RFC 9113 §4.1).
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags];
    [&head[..], &stream.to_be_bytes(), payload].concat()
}

/// A header in HPACK as it is, neither compressed nor remembered (RFC 7541 §6.2.2).
pub(crate) fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        // A length of 127 and more goes on in groups of seven bits (RFC 7541 §5.1).
        let length = text.len();
        bytes.push(u8::try_from(length.min(127)).unwrap());
        let mut rest = length.checked_sub(127);
        while let Some(left) = rest {
            let more = left >= 128;
            bytes.push(u8::try_from(left % 128).unwrap() | u8::from(more) << 7);
            rest = more.then_some(left / 128);
        }
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// A network between Posthorn and a receiver. What is open when it falls silent stays open, and nothing passes any more.
/// New connections pass.
pub(crate) struct Relay {
    pub(crate) url: String,
    silence: watch::Sender<()>,
}

impl Relay {
    pub(crate) async fn to(stranger: &Stranger) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = stranger.url.replace(stranger.address(), &listener.local_addr().unwrap().to_string());
        let silence = watch::Sender::new(());
        let (falls_silent, target) = (silence.clone(), stranger.address().to_owned());
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let (mut falls_silent, target) = (falls_silent.subscribe(), target.clone());
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(target).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = falls_silent.changed() => stay_silent(Box::new(near)).await,
                    }
                });
            }
        });
        Self { url, silence }
    }

    pub(crate) fn fall_silent(&self) {
        self.silence.send_replace(());
    }
}

/// How long an attempt may take where one is expected to time out.
pub(crate) const SHORT: Duration = Duration::from_secs(1);
