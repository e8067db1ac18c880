//! Names whose addresses their owner cannot reach: no connection is made.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use posthorn_domain::testing::Fixed;
use posthorn_domain::{AttemptError, Guard, Networks};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::sending::Sender;
use crate::sending::answers::{TIMEOUT, endpoint, guard, tls};
use crate::sending::resolver::{GuardedResolver, Resolve, Unresolved};

/// Returns one list of addresses per call, and repeats the last one.
struct Answers(Mutex<Vec<Vec<IpAddr>>>);

impl Answers {
    /// Parses the lists, each separated by spaces.
    fn of(lists: &[&str]) -> Arc<Self> {
        let address = |text: &str| text.parse().unwrap();
        let lists = lists.iter().rev().map(|list| list.split(' ').map(address).collect());
        Arc::new(Self(Mutex::new(lists.collect())))
    }
}

impl Resolve for Answers {
    fn resolve<'n>(&'n self, _: &'n str) -> BoxFuture<'n, Result<Vec<IpAddr>, Unresolved>> {
        let mut lists = self.0.lock().unwrap();
        let list = if lists.len() > 1 { lists.pop() } else { lists.last().cloned() };
        ready(Ok(list.unwrap())).boxed()
    }
}

/// A server on loopback that acknowledges everything. It counts its connections.
struct Inside {
    port: u16,
    connections: Arc<AtomicUsize>,
}

impl Inside {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.1 204 Done\r\nconnection: close\r\n\r\n").await;
            }
        });
        Self { port, connections }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Returns a guard that admits any port, and only public addresses.
fn public() -> Guard {
    Guard { allowed_networks: Networks::default(), ..guard("127.0.0.0/8") }
}

/// Returns the error of an attempt at this URL, if names have these addresses.
async fn post(guard: &Guard, url: &str, names: Arc<Answers>) -> Option<AttemptError> {
    let sender = Sender::resolving(Arc::new(Fixed), TIMEOUT, guard.clone(), &tls(), names);
    let id = "evt_01JDB5G8Z7M4X3W2V1T0S9R8Q7".parse().unwrap();
    sender.post(&endpoint(url), id, &"{}".into()).await.unwrap().attempt.error
}

/// Each line is a name's list of addresses.
const HOSTILE: &str = "\
127.0.0.1
127.0.0.2
127.255.255.255
0.0.0.0
10.0.0.1
100.64.0.1
100.100.100.200
168.63.129.16
169.254.169.254
169.254.170.2
172.16.0.1
172.31.255.255
192.0.0.192
192.0.2.1
192.88.99.1
192.168.1.1
198.18.0.1
198.51.100.7
203.0.113.7
224.0.0.1
240.0.0.1
255.255.255.255
::1
::
::127.0.0.1
::ffff:127.0.0.1
::ffff:169.254.169.254
::ffff:8.8.8.8
::ffff:0:127.0.0.1
64:ff9b::127.0.0.1
64:ff9b::169.254.169.254
64:ff9b:1::8.8.8.8
100::1
2001:0:4136:e378:8000:63bf:80ff:fffe
2001:db8::1
2002:7f00:1::
2600:1f18::5efe:127.0.0.1
2600:1f18::200:5efe:10.0.0.1
3fff::1
5f00::1
fc00::1
fd00:ec2::254
fe80::1
fec0::1
ff02::1
8.8.8.8 127.0.0.1
127.0.0.1 8.8.8.8
8.8.8.8 8.8.4.4 1.1.1.1 ::1
2606:4700:4700::1111 fe80::1
2606:4700:4700::1111 8.8.8.8 10.0.0.1";

#[tokio::test]
async fn a_name_with_an_address_that_is_not_public_gets_no_connection() {
    let inside = Inside::start().await;
    for addresses in HOSTILE.lines() {
        let url = format!("http://hooks.example.com:{}/", inside.port);
        let error = post(&public(), &url, Answers::of(&[addresses])).await;
        assert_eq!(error, Some(AttemptError::Blocked), "{addresses}");
    }
    assert_eq!(inside.connections(), 0);
}

#[tokio::test]
async fn a_name_with_public_addresses_is_dialled_at_all_of_them() {
    let check = async |addresses: &str| {
        let resolver = GuardedResolver { guard: Arc::new(public()), names: Answers::of(&[addresses]) };
        let dialled = resolver.addresses("hooks.example.com").await.unwrap();
        let dialled: Vec<String> = dialled.iter().map(IpAddr::to_string).collect();
        assert_eq!(dialled.join(" "), addresses);
    };
    check("8.8.8.8").await;
    check("1.1.1.1 1.0.0.1").await;
    check("172.32.0.1 192.0.1.1 169.253.0.1 223.255.255.255").await;
    check("2606:4700:4700::1111 2a00:1450:4001:80b::200e 8.8.8.8").await;
    check("64:ff9b::808:808").await;
}

#[tokio::test]
async fn a_url_that_is_older_than_the_guard_gets_no_connection() {
    let inside = Inside::start().await;
    let check = async |guard: &Guard, url: &str| {
        let url = url.replace("PORT", &inside.port.to_string());
        let error = post(guard, &url, Answers::of(&["127.0.0.1"])).await;
        assert_eq!(error, Some(AttemptError::Blocked), "{url}");
    };
    for host in
        "127.0.0.1 127.1 2130706433 0x7f.1 0.0.0.0 [::1] [::] [::ffff:127.0.0.1] localhost a.localhost"
            .split(' ')
    {
        check(&public(), &format!("http://{host}:PORT/")).await;
    }
    let tls_only = Guard { schemes: "https".parse().unwrap(), ..guard("127.0.0.0/8") };
    check(&tls_only, "http://127.0.0.1:PORT/").await;
    check(&tls_only, "http://hooks.example.com:PORT/").await;
    let standard_port = Guard { ports: "443".parse().unwrap(), ..guard("127.0.0.0/8") };
    check(&standard_port, "http://127.0.0.1:PORT/").await;
    check(&standard_port, "http://hooks.example.com:PORT/").await;
    assert_eq!(inside.connections(), 0);
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_judged_by_what_is_dialled() {
    let inside = Inside::start().await;
    // 127.0.0.1 stands for a public address. The others reach the same server, and stand for internal addresses.
    let guard = guard("127.0.0.1/32");
    let names = Answers::of(&["127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0", "127.0.0.1 0.0.0.0", "::1"]);
    let sender = Sender::resolving(Arc::new(Fixed), TIMEOUT, guard, &tls(), names);
    let endpoint = endpoint(&format!("http://hooks.example.com:{}/", inside.port));
    let id = "evt_01JDB5G8Z7M4X3W2V1T0S9R8Q7".parse().unwrap();
    let first = sender.post(&endpoint, id, &"{}".into()).await.unwrap();
    assert!(first.attempt.succeeded(), "{first:?}");
    for _ in 0..6 {
        let later = sender.post(&endpoint, id, &"{}".into()).await.unwrap();
        assert_eq!(later.attempt.error, Some(AttemptError::Blocked));
    }
    assert_eq!(inside.connections(), 1);
}

#[tokio::test]
async fn a_public_address_followed_by_loopback_is_refused_the_second_time() {
    let names = Answers::of(&["8.8.8.8", "127.0.0.1"]);
    let resolver = GuardedResolver { guard: Arc::new(public()), names };
    assert!(resolver.addresses("hooks.example.com").await.is_ok());
    assert_eq!(resolver.addresses("hooks.example.com").await, Err(AttemptError::Blocked.into()));
}
