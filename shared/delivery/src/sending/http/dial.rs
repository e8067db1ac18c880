//! Opens connections: names, addresses, TLS.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use posthorn_domain::AttemptError;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, ClientConfig};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use url::Host;

use super::http1::Http1;
use super::{Connection, NoReply, Post, http2};
use crate::sending::no_sockets::NoSockets;
use crate::sending::resolver::GuardedResolver;

/// The timeout of connecting to one address.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(3);
/// How long an address is tried before the next one is tried in parallel (RFC 8305 §5).
const HEAD_START: Duration = Duration::from_millis(250);

/// The most further sockets of all attempts together, to try a name's addresses in parallel. Without one, the next
/// address is tried when the one before has failed.
const MAX_SPARE_SOCKETS: usize = 64;
/// The number of TLS sessions that are cached. rustls keeps eight for each name, so this is 1,024 names. Its default,
/// 256, would be 32 names, and new connections to all others would need a full handshake.
const MAX_SESSIONS: usize = 8 * 1024;

const HTTP_2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// The protocols that a connection may use. Without TLS, it is always HTTP/1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocols {
    /// HTTP/2 if the receiver supports it, else HTTP/1.1.
    All,
    /// HTTP/1.1 only, as the receiver has asked for.
    Http1,
}

/// Opens connections to addresses that the guard admits.
pub(crate) struct Dialer {
    names: GuardedResolver,
    tls: TlsConnector,
    tls_http1: TlsConnector,
    spare_sockets: Semaphore,
}

impl Dialer {
    /// `tls` has the trusted certificates. Its session cache is not used.
    pub(crate) fn new(names: GuardedResolver, tls: &ClientConfig) -> Self {
        let mut tls = tls.clone();
        tls.resumption = Resumption::in_memory_sessions(MAX_SESSIONS);
        let speaking = |protocols: &[&[u8]]| {
            let mut tls = tls.clone();
            tls.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            TlsConnector::from(Arc::new(tls))
        };
        let (tls, tls_http1) = (speaking(&[HTTP_2, HTTP_1_1]), speaking(&[HTTP_1_1]));
        Self { names, tls, tls_http1, spare_sockets: Semaphore::new(MAX_SPARE_SOCKETS) }
    }

    /// Opens a connection to the URL's host. An address in the URL itself has been checked by
    /// [`Guard::admit`](posthorn_domain::Guard::admit).
    pub(super) async fn dial(&self, request: &Post<'_>, protocols: Protocols) -> Result<Connection, NoReply> {
        let (url, tracer) = (request.url, &request.tracer);
        tracer.begin();
        let port = url.port_or_known_default().expect("an admitted URL has the scheme http or https");
        let host = url.host().expect("an admitted URL has a host");
        let (addresses, name) = match &host {
            Host::Ipv4(address) => (vec![IpAddr::from(*address)], ServerName::from(IpAddr::from(*address))),
            Host::Ipv6(address) => (vec![IpAddr::from(*address)], ServerName::from(IpAddr::from(*address))),
            Host::Domain(name) => {
                let server = ServerName::try_from((*name).to_owned()).map_err(|_| AttemptError::Tls)?;
                (tracer.resolving(self.names.addresses(name)).await?, server)
            }
        };
        let addresses: Vec<_> = addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect();
        addresses.iter().take(1).for_each(|address| tracer.address(address.ip()));
        let stream = tracer.connecting(connect(&addresses, &self.spare_sockets)).await?;
        stream.peer_addr().into_iter().for_each(|address| tracer.address(address.ip()));
        if url.scheme() == "http" {
            return Ok(Connection::Http1(Http1::new(Box::new(stream))));
        }
        Ok(tracer.securing(self.shake_hands(name, stream, protocols)).await?)
    }

    async fn shake_hands(
        &self,
        name: ServerName<'static>,
        stream: TcpStream,
        protocols: Protocols,
    ) -> Result<Connection, AttemptError> {
        let tls = match protocols {
            Protocols::All => &self.tls,
            Protocols::Http1 => &self.tls_http1,
        };
        let stream = tls.connect(name, stream).await.map_err(|error| why_no_tls(&error))?;
        if stream.get_ref().1.alpn_protocol() == Some(HTTP_2) {
            let connection = http2::open(Box::new(stream)).await.map_err(|_| AttemptError::Protocol)?;
            return Ok(Connection::Http2(connection));
        }
        Ok(Connection::Http1(Http1::new(Box::new(stream))))
    }
}

/// Connects to the first address that answers. Each is tried for a while before the next one is tried in parallel, so
/// that a dead address does not hide a live one. After a refusal, the next one is tried at once. Every parallel socket
/// after the first needs a spare one.
async fn connect(addresses: &[SocketAddr], spare_sockets: &Semaphore) -> Result<TcpStream, NoReply> {
    let mut waiting = addresses.iter();
    let mut under_way = FuturesUnordered::new();
    let mut error = NoReply::from(AttemptError::Connection);
    loop {
        let spare = spare_sockets.try_acquire().ok().filter(|_| !under_way.is_empty());
        if (spare.is_some() || under_way.is_empty())
            && let Some(address) = waiting.next()
        {
            under_way.push(connect_to(*address, spare));
        }
        let head_start = async {
            match waiting.len() {
                0 => std::future::pending().await,
                _ => sleep(HEAD_START).await,
            }
        };
        tokio::select! {
            ended = under_way.next() => match ended {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(failed)) if NoSockets::caused(&failed) => error = NoSockets.into(),
                Some(Err(_)) => {}
                None => return Err(error),
            },
            () = head_start => {}
        }
    }
}

async fn connect_to(address: SocketAddr, _spare: Option<SemaphorePermit<'_>>) -> io::Result<TcpStream> {
    let stream = timeout(ADDRESS_PATIENCE, TcpStream::connect(address)).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Returns why a handshake failed.
fn why_no_tls(error: &io::Error) -> AttemptError {
    use AlertDescription::{HandshakeFailure, InsufficientSecurity, ProtocolVersion};
    use rustls::Error::{AlertReceived, InvalidCertificate, PeerIncompatible};
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(
            PeerIncompatible(_)
            | AlertReceived(HandshakeFailure | InsufficientSecurity | ProtocolVersion)
            | InvalidCertificate(
                CertificateError::UnsupportedSignatureAlgorithmContext { .. }
                | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. },
            ),
        ) => AttemptError::TlsUnsupported,
        Some(InvalidCertificate(_)) => AttemptError::TlsCertificate,
        _ => AttemptError::Tls,
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};
    use tokio::time::Instant;

    use super::*;

    /// Returns a listener that accepts no more connections: its queue is full, and new connections are silently
    /// dropped.
    async fn dead() -> (SocketAddr, Vec<TcpStream>, TcpListener) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        while let Ok(stream) = timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
            queue.push(stream.unwrap());
        }
        (address, queue, listener)
    }

    async fn refusing() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
    }

    /// A name had an IPv6 address that a firewall swallowed, and an IPv4 address that worked. Browsers never noticed;
    /// the sender waited for the first until its timeout, for three days.
    #[tokio::test]
    async fn a_dead_first_address_does_not_hide_a_live_second() {
        let live = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let alive = live.local_addr().unwrap();
        let (dead, _queue, _listener) = dead().await;
        let spare_sockets = Semaphore::new(1);
        let check = async |addresses: &[SocketAddr]| {
            let started = Instant::now();
            assert_eq!(connect(addresses, &spare_sockets).await.unwrap().peer_addr().unwrap(), alive);
            started.elapsed()
        };
        assert!(check(&[dead, alive]).await < ADDRESS_PATIENCE, "the dead one had all its time");
        assert!(check(&[refusing().await, alive]).await < HEAD_START, "the refusal was not heeded at once");
        check(&[dead, refusing().await, alive, dead]).await;
        assert_eq!(spare_sockets.available_permits(), 1);
    }

    /// A name with twelve dead addresses took twelve sockets, and many such attempts took more than the process may
    /// have.
    #[tokio::test]
    async fn further_addresses_share_the_sockets_that_are_to_spare() {
        let live = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (dead, _queue, _listener) = dead().await;
        let (none, started) = (Semaphore::new(0), Instant::now());
        let stream = connect(&[dead, live.local_addr().unwrap()], &none).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), live.local_addr().unwrap());
        assert!(started.elapsed() >= ADDRESS_PATIENCE, "they were tried beside each other");
    }

    #[tokio::test]
    async fn where_no_address_takes_the_connection_the_attempt_has_failed() {
        let spare_sockets = Semaphore::new(1);
        for addresses in [&[][..], &[refusing().await], &[refusing().await, refusing().await]] {
            let failed = connect(addresses, &spare_sockets).await;
            assert_eq!(failed.unwrap_err(), AttemptError::Connection.into());
        }
    }
}
