//! Queries name servers, one after another.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use posthorn_domain::Random;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};

use super::Found;
use super::message::{Answer, Kind, Question};
use crate::sending::no_sockets::NoSockets;
use crate::sending::resolver::Unresolved;

/// The timeout of the first query. Each further try has this much more.
const PATIENCE: Duration = Duration::from_millis(500);
/// The least number of tries in all.
const MIN_TRIES: usize = 3;
/// How long the addresses of one family wait for those of the other (RFC 8305 §3).
const OTHER_KIND_PATIENCE: Duration = Duration::from_millis(50);
/// The longest message in a packet, unless a longer one is negotiated (RFC 1035 §2.3.4), with a margin.
const PACKET_BYTES: usize = 2 * 1024;

/// Returns the addresses of a fully qualified name; `None` if it has none.
pub(super) async fn for_addresses(
    servers: &[SocketAddr],
    name: &str,
    random: &dyn Random,
) -> Result<Option<Found>, Unresolved> {
    let tries = servers.len().max(MIN_TRIES);
    let servers_to_ask = servers.iter().cycle().take(tries);
    for (number, (server, patience)) in (1..).zip(servers_to_ask.zip(1..)) {
        let Some(mut asked) = Asked::about(name, random) else { return Ok(None) };
        let deadline = Instant::now() + PATIENCE * patience;
        let asking = timeout_at(deadline, asked.ask(*server)).await;
        if let Ok(Err(error)) = &asking
            && NoSockets::caused(error)
        {
            return Err(NoSockets.into());
        }
        match asked.said() {
            Said::Addresses(found) => return Ok(Some(found)),
            Said::Nothing => return Ok(None),
            // Another server may know the name, but the same one will not change its answer at once.
            Said::Refused if number >= servers.len() => break,
            Said::Refused | Said::TooLittle => {}
        }
    }
    Err(Unresolved::Failed)
}

/// Both queries for a name, and their answers.
struct Asked {
    questions: [Question; 2],
    answers: [Option<Answer>; 2],
}

/// The result of both answers.
enum Said {
    Addresses(Found),
    /// The name has no addresses.
    Nothing,
    /// The server will not or cannot answer.
    Refused,
    /// An answer is missing.
    TooLittle,
}

impl Asked {
    /// Returns `None` if this cannot be a valid name.
    fn about(name: &str, random: &dyn Random) -> Option<Self> {
        let [a, b, c, d] = random.number().to_be_bytes();
        let ipv6 = Question::new(u16::from_be_bytes([a, b]), name, Kind::Ipv6)?;
        let ipv4 = Question::new(u16::from_be_bytes([c, d]), name, Kind::Ipv4)?;
        Some(Self { questions: [ipv6, ipv4], answers: [None, None] })
    }

    /// Sends both queries over one UDP socket, and over TCP if an answer does not fit into a packet.
    async fn ask(&mut self, server: SocketAddr) -> io::Result<()> {
        self.ask_in_packets(server).await?;
        if self.answers.contains(&Some(Answer::CutOff)) {
            self.answers = [None, None];
            self.ask_over_a_connection(server).await?;
        }
        Ok(())
    }

    async fn ask_in_packets(&mut self, server: SocketAddr) -> io::Result<()> {
        let any = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        // The system chooses a random port. The socket receives only what the server sends.
        let socket = UdpSocket::bind(SocketAddr::new(any, 0)).await?;
        socket.connect(server).await?;
        for question in &self.questions {
            socket.send(&question.to_bytes()).await?;
        }
        let mut packet = [0; PACKET_BYTES];
        let mut last_call: Option<Instant> = None;
        while !self.is_over() {
            let receiving = socket.recv(&mut packet);
            let length = match last_call {
                None => receiving.await?,
                Some(last_call) => match timeout_at(last_call, receiving).await {
                    Ok(received) => received?,
                    Err(_) => break,
                },
            };
            self.take(&packet[..length]);
            if self.answers.iter().flatten().any(|answer| matches!(answer, Answer::Addresses(..))) {
                last_call = last_call.or_else(|| Some(Instant::now() + OTHER_KIND_PATIENCE));
            }
        }
        Ok(())
    }

    async fn ask_over_a_connection(&mut self, server: SocketAddr) -> io::Result<()> {
        let mut stream = TcpStream::connect(server).await?;
        let mut both = Vec::new();
        for question in &self.questions {
            let question = question.to_bytes();
            both.extend(u16::try_from(question.len()).unwrap_or(u16::MAX).to_be_bytes());
            both.extend(question);
        }
        stream.write_all(&both).await?;
        while !self.is_over() {
            let length = stream.read_u16().await?;
            let mut message = vec![0; usize::from(length)];
            stream.read_exact(&mut message).await?;
            self.take(&message);
        }
        Ok(())
    }

    /// Takes an answer from a message. A message that answers neither query may be forged, and is ignored.
    fn take(&mut self, message: &[u8]) {
        for (question, answer) in self.questions.iter().zip(&mut self.answers) {
            if answer.is_none() {
                *answer = question.answer(message);
            }
        }
    }

    /// Returns whether no more answers are needed.
    fn is_over(&self) -> bool {
        self.answers.iter().all(Option::is_some) || self.answers.contains(&Some(Answer::CutOff))
    }

    fn said(self) -> Said {
        let [ipv6, ipv4] = self.answers;
        let (mut lists, mut shortest) = (Vec::new(), u32::MAX);
        for answer in [&ipv6, &ipv4] {
            if let Some(Answer::Addresses(addresses, ttl)) = answer {
                lists.push(addresses.as_slice());
                shortest = shortest.min(*ttl);
            }
        }
        if !lists.is_empty() {
            let ttl = Duration::from_secs(shortest.into());
            return Said::Addresses(Found { addresses: by_turns(&lists), ttl });
        }
        match (ipv6, ipv4) {
            (Some(Answer::Nothing), Some(Answer::Nothing)) => Said::Nothing,
            (Some(Answer::Refused), Some(_)) | (Some(_), Some(Answer::Refused)) => Said::Refused,
            _ => Said::TooLittle,
        }
    }
}

/// Returns addresses of both families in alternation, so that a family that does not work here does not hide the other
/// (RFC 8305 §4).
fn by_turns(lists: &[&[IpAddr]]) -> Vec<IpAddr> {
    let longest = lists.iter().map(|list| list.len()).max().unwrap_or_default();
    (0..longest).flat_map(|place| lists.iter().filter_map(move |list| list.get(place).copied())).collect()
}
