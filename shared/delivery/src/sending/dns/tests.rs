use std::collections::BTreeMap;
use std::net::SocketAddr;

use futures::future::join_all;
use posthorn_domain::testing::{Fixed, SetClock};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::time::Instant;

use super::*;

/// A name server's answer for a name.
#[derive(Clone, Copy)]
enum Says {
    /// This address, valid for this many seconds. There is none of the other family.
    Address(&'static str, u32),
    /// This many addresses, which do not fit into a packet.
    Many(u8),
    Code(u8),
    Silence,
}

/// A name server on loopback, which counts its queries.
struct NameServer {
    address: SocketAddr,
    says: Arc<Mutex<BTreeMap<&'static str, Says>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl NameServer {
    async fn start(says: impl IntoIterator<Item = (&'static str, Says)>) -> Self {
        // Both need the same port.
        let (packets, connections) = loop {
            let packets = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            if let Ok(connections) = TcpListener::bind(packets.local_addr().unwrap()).await {
                break (packets, connections);
            }
        };
        let address = packets.local_addr().unwrap();
        let says = Arc::new(Mutex::new(says.into_iter().collect::<BTreeMap<_, _>>()));
        let server = Self { address, says, asked: Arc::default() };
        let (says, asked) = (Arc::clone(&server.says), Arc::clone(&server.asked));
        tokio::spawn(async move {
            let mut question = [0; 512];
            while let Ok((length, from)) = packets.recv_from(&mut question).await {
                if let Some(mut answer) = answer(&question[..length], &says, &asked) {
                    if answer.len() > 512 {
                        // Truncated.
                        answer.truncate(length);
                        answer[2] |= 2;
                        answer[6..8].fill(0);
                    }
                    packets.send_to(&answer, from).await.unwrap();
                }
            }
        });
        let (says, asked) = (Arc::clone(&server.says), Arc::clone(&server.asked));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = connections.accept().await {
                while let Ok(length) = stream.read_u16().await {
                    let mut question = vec![0; length.into()];
                    stream.read_exact(&mut question).await.unwrap();
                    let answer = answer(&question, &says, &asked).unwrap();
                    stream.write_u16(u16::try_from(answer.len()).unwrap()).await.unwrap();
                    stream.write_all(&answer).await.unwrap();
                }
            }
        });
        server
    }

    fn now_says(&self, name: &'static str, says: Says) {
        self.says.lock().unwrap().insert(name, says);
    }

    /// Returns how often it was queried for the IPv4 addresses of a name.
    fn asked_for(&self, name: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == name).count()
    }
}

/// Returns the answer to a query; `None` for silence.
fn answer(
    question: &[u8],
    says: &Mutex<BTreeMap<&str, Says>>,
    asked: &Mutex<Vec<String>>,
) -> Option<Vec<u8>> {
    let end = 12 + question[12..].iter().position(|byte| *byte == 0).unwrap() + 1;
    let (name, kind) = (&question[12..end], question[end + 1]);
    let mut labels = Vec::new();
    let mut rest = name;
    while rest[0] > 0 {
        let length = usize::from(rest[0]);
        labels.push(String::from_utf8(rest[1..=length].to_vec()).unwrap());
        rest = &rest[length + 1..];
    }
    let name = labels.join(".");
    if kind == 1 {
        asked.lock().unwrap().push(name.clone());
    }
    let (code, addresses, ttl) =
        match says.lock().unwrap().get(name.as_str()).copied().unwrap_or(Says::Code(3)) {
            Says::Silence => return None,
            Says::Code(code) => (code, Vec::new(), 0),
            Says::Address(address, ttl) => (0, vec![address.parse::<IpAddr>().unwrap()], ttl),
            Says::Many(number) => (0, (1..=number).map(|last| IpAddr::from([192, 0, 2, last])).collect(), 9),
        };
    let mut message =
        [&question[..2], &[0x81, 0x80 | code, 0, 1, 0, 0, 0, 0, 0, 0], &question[12..]].concat();
    for address in addresses.into_iter().filter(|address| address.is_ipv4() == (kind == 1)) {
        let data = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        message[7] += 1;
        message.extend([0xc0, 12, 0, kind, 0, 1]);
        message.extend(ttl.to_be_bytes());
        message.extend([0, u8::try_from(data.len()).unwrap()]);
        message.extend(data);
    }
    Some(message)
}

fn names(servers: &[&NameServer]) -> (Names, Arc<SetClock>) {
    let clock = Arc::new(SetClock::at(1_795_514_400_000));
    let addresses: Vec<_> = servers.iter().map(|server| server.address).collect();
    let system = System::parse("search search.test", "192.0.2.99 a.host").asking(&addresses);
    let names = Names::asking(Some(Arc::new(system)), Arc::clone(&clock) as Arc<dyn Clock>, Arc::new(Fixed));
    (names, clock)
}

/// Returns the name's addresses, or the error.
async fn look_up(names: &Names, name: &str) -> String {
    match names.look_up(name).await {
        Ok(addresses) => addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        Err(unresolved) => format!("{unresolved:?}"),
    }
}

const FAILED: &str = "Failed";

#[tokio::test]
async fn an_address_is_remembered_for_as_long_as_its_record_says_and_a_minute_at_most() {
    let server = NameServer::start([
        ("short.test", Says::Address("192.0.2.1", 20)),
        ("long.test", Says::Address("192.0.2.1", 86_400)),
        ("never.test", Says::Address("192.0.2.1", 0)),
    ])
    .await;
    let (names, clock) = names(&[&server]);
    let check = async |seconds, name, asked| {
        clock.advance(Duration::from_secs(seconds));
        assert_eq!(look_up(&names, name).await, "192.0.2.1");
        assert_eq!(server.asked_for(name), asked, "{name} after {seconds} s more");
    };
    check(0, "short.test", 1).await;
    check(19, "short.test", 1).await;
    check(1, "short.test", 2).await;
    check(0, "long.test", 1).await;
    check(59, "long.test", 1).await;
    check(1, "long.test", 2).await;
    check(0, "never.test", 1).await;
    check(0, "never.test", 2).await;
}

#[tokio::test]
async fn a_name_that_there_is_not_yet_is_asked_for_again_at_the_next_retry() {
    let server = NameServer::start([]).await;
    let (names, clock) = names(&[&server]);
    assert_eq!(look_up(&names, "new.test").await, FAILED);
    server.now_says("new.test", Says::Address("192.0.2.1", 60));
    clock.advance(Duration::from_secs(2));
    assert_eq!(look_up(&names, "new.test").await, FAILED);
    clock.advance(Duration::from_secs(2));
    assert_eq!(look_up(&names, "NEW.test").await, "192.0.2.1");
}

#[tokio::test]
async fn both_kinds_of_addresses_are_found_by_whatever_name() {
    let server = NameServer::start([
        ("six.test", Says::Address("2001:db8::1", 60)),
        ("whole.test", Says::Address("192.0.2.1", 60)),
        ("part.search.test", Says::Address("192.0.2.2", 60)),
        ("many.test", Says::Many(100)),
    ])
    .await;
    let (names, _) = names(&[&server]);
    assert_eq!(look_up(&names, "six.test").await, "2001:db8::1");
    assert_eq!(look_up(&names, "whole.test.").await, "192.0.2.1");
    assert_eq!(look_up(&names, "part").await, "192.0.2.2");
    assert_eq!(look_up(&names, "part.").await, FAILED);
    assert_eq!(look_up(&names, "a.host").await, "192.0.2.99");
    assert_eq!(look_up(&names, "x.localhost").await, "127.0.0.1 ::1");
    // These came over TCP.
    assert_eq!(names.look_up("many.test").await.unwrap().len(), 100);
    assert_eq!(server.asked_for("many.test"), 2);
}

#[tokio::test]
async fn a_name_server_that_is_silent_or_knows_nothing_makes_way_for_the_next() {
    let silent = NameServer::start([("a.test", Says::Silence)]).await;
    let refusing = NameServer::start([("a.test", Says::Code(2))]).await;
    let good = NameServer::start([("a.test", Says::Address("192.0.2.1", 60))]).await;
    for first in [&silent, &refusing] {
        let (names, _) = names(&[first, &good]);
        assert_eq!(look_up(&names, "a.test").await, "192.0.2.1");
    }
    let (names, _) = names(&[&refusing]);
    assert_eq!(look_up(&names, "a.test").await, FAILED);
}

/// 500 endpoints behind a silent name server filled the system's threads for names, and for ten seconds no other new
/// connections were opened.
#[tokio::test]
async fn a_silent_name_delays_no_other_and_is_asked_for_once_at_a_time() {
    let server =
        NameServer::start([("silent.test", Says::Silence), ("a.test", Says::Address("192.0.2.1", 60))]).await;
    let (names, _) = names(&[&server]);
    let began = Instant::now();
    let all_silent = join_all((0..500).map(|_| look_up(&names, "silent.test")));
    let other = async {
        assert_eq!(look_up(&names, "a.test").await, "192.0.2.1");
        assert!(began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
    };
    let (all_silent, ()) = futures::future::join(all_silent, other).await;
    assert!(all_silent.iter().all(|result| *result == FAILED));
    // It was queried in each of three tries.
    assert!(server.asked_for("silent.test") <= 3, "{}", server.asked_for("silent.test"));
}

#[tokio::test]
async fn a_look_up_that_nobody_waits_for_is_over() {
    let server = NameServer::start([("silent.test", Says::Silence)]).await;
    let (names, _) = names(&[&server]);
    let impatient = timeout(Duration::from_millis(100), look_up(&names, "silent.test")).await;
    assert!(impatient.is_err());
    assert_eq!(names.0.state().under_way.values().filter_map(WeakShared::upgrade).count(), 0);
    server.now_says("silent.test", Says::Address("192.0.2.1", 60));
    assert_eq!(look_up(&names, "silent.test").await, "192.0.2.1");
}

#[tokio::test]
async fn a_name_with_a_hundred_addresses_takes_no_room_in_memory() {
    let server = NameServer::start([("many.test", Says::Many(100))]).await;
    let (names, _) = names(&[&server]);
    assert_eq!(names.look_up("many.test").await.unwrap().len(), 100);
    assert_eq!(names.0.state().known.len(), 0);
}
