//! DNS queries for addresses, and their answers ([RFC 1035 §4](https://www.rfc-editor.org/rfc/rfc1035#section-4)).

use std::net::IpAddr;

/// The flag of a response, and that of a response truncated at the size of a packet.
const RESPONSE: u16 = 0x8000;
const CUT_OFF: u16 = 0x0200;
/// Asks a name server to query others.
const RECURSION_DESIRED: u16 = 0x0100;
const NO_ERROR: u16 = 0;
const NO_SUCH_NAME: u16 = 3;

const INTERNET: u16 = 1;
const ALIAS: u16 = 5;
const HEADER_BYTES: usize = 12;
/// The most aliases (CNAME) in a row.
const MAX_ALIASES: usize = 16;
/// The most bytes of a name.
const MAX_NAME_BYTES: usize = 255;

/// The address family of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Ipv4 = 1,
    Ipv6 = 28,
}

/// A query for a name server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    id: u16,
    name: Name,
    kind: Kind,
}

/// A name server's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// These addresses, valid for this many seconds.
    Addresses(Vec<IpAddr>, u32),
    /// The name has no addresses.
    Nothing,
    /// The answer does not fit into a packet.
    CutOff,
    /// The server will not or cannot answer.
    Refused,
}

/// A name in lower case, as in messages: each label after its length.
type Name = Vec<u8>;

impl Question {
    /// Returns `None` if this cannot be a valid name.
    pub(super) fn new(id: u16, name: &str, kind: Kind) -> Option<Self> {
        let mut bytes = Name::new();
        for label in name.strip_suffix('.').unwrap_or(name).split('.') {
            let length = u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length))?;
            bytes.push(length);
            bytes.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
        }
        bytes.push(0);
        (bytes.len() <= MAX_NAME_BYTES).then_some(Self { id, name: bytes, kind })
    }

    /// Returns the query as it is sent.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.name.len() + 4);
        for number in [self.id, RECURSION_DESIRED, 1, 0, 0, 0] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(&self.name);
        for number in [self.kind as u16, INTERNET] {
            bytes.extend(number.to_be_bytes());
        }
        bytes
    }

    /// Returns a message's answer to this query; `None` if it is not an answer to it.
    pub(super) fn answer(&self, message: &[u8]) -> Option<Answer> {
        let mut reader = Reader { bytes: message, at: 0 };
        let (id, flags) = (reader.number()?, reader.number()?);
        if id != self.id || flags & RESPONSE == 0 {
            return None;
        }
        let (questions, answers) = (reader.number()?, reader.number()?);
        reader.at = HEADER_BYTES;
        let code = flags & 0x000f;
        if questions == 0 && code != NO_ERROR {
            // The server has not even understood the query.
            return Some(Answer::Refused);
        }
        let asked = (reader.name()?, reader.number()?, reader.number()?);
        if questions != 1 || asked != (self.name.clone(), self.kind as u16, INTERNET) {
            return None;
        }
        Some(match code {
            NO_ERROR if flags & CUT_OFF != 0 => Answer::CutOff,
            NO_ERROR => self.addresses(reader, answers).unwrap_or(Answer::Refused),
            NO_SUCH_NAME => Answer::Nothing,
            _ => Answer::Refused,
        })
    }

    /// Returns the addresses of the name, or of the one that it is an alias of. `None` if the records are malformed.
    fn addresses(&self, mut reader: Reader<'_>, answers: u16) -> Option<Answer> {
        let (mut aliases, mut addresses) = (Vec::new(), Vec::new());
        for _ in 0..answers {
            match reader.record()? {
                Record { name, ttl, data: Data::Alias(of) } => aliases.push((name, of, ttl)),
                Record { name, ttl, data: Data::Address(address) } => addresses.push((name, address, ttl)),
                Record { data: Data::Other, .. } => {}
            }
        }
        let (mut name, mut shortest) = (&self.name, u32::MAX);
        for _ in 0..MAX_ALIASES {
            let Some((_, of, ttl)) = aliases.iter().find(|(alias, ..)| alias == name) else { break };
            (name, shortest) = (of, shortest.min(*ttl));
        }
        let of_name = addresses
            .iter()
            .filter(|(owner, address, _)| owner == name && address.is_ipv4() == (self.kind == Kind::Ipv4));
        let mut found = Vec::new();
        for (_, address, ttl) in of_name {
            found.push(*address);
            shortest = shortest.min(*ttl);
        }
        Some(if found.is_empty() { Answer::Nothing } else { Answer::Addresses(found, shortest) })
    }
}

struct Record {
    name: Name,
    ttl: u32,
    data: Data,
}

enum Data {
    Address(IpAddr),
    /// The name is an alias of this one.
    Alias(Name),
    Other,
}

/// Reads a message from its beginning. Returns `None` if it ends too early or is malformed.
#[derive(Clone, Copy)]
struct Reader<'m> {
    bytes: &'m [u8],
    at: usize,
}

impl Reader<'_> {
    fn take<const LENGTH: usize>(&mut self) -> Option<[u8; LENGTH]> {
        let bytes = self.bytes.get(self.at..self.at + LENGTH)?;
        self.at += LENGTH;
        bytes.try_into().ok()
    }

    fn number(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    /// Reads a name, whose end may be at an earlier place in the message (RFC 1035 §4.1.4).
    fn name(&mut self) -> Option<Name> {
        let (mut name, mut place, mut end) = (Name::new(), self.at, None);
        loop {
            let length = *self.bytes.get(place)?;
            match length {
                0 => break,
                1..=63 => {
                    let next = place + 1 + usize::from(length);
                    name.extend(self.bytes.get(place..next)?.iter().map(u8::to_ascii_lowercase));
                    place = next;
                }
                0xc0.. => {
                    end = end.or(Some(place + 2));
                    let forward = usize::from(length & 0x3f) << 8 | usize::from(*self.bytes.get(place + 1)?);
                    // A pointer may only point backwards, so this ends.
                    place = Some(forward).filter(|forward| *forward < place)?;
                }
                _ => return None,
            }
            if name.len() >= MAX_NAME_BYTES {
                return None;
            }
        }
        self.at = end.unwrap_or(place + 1);
        name.push(0);
        Some(name)
    }

    fn record(&mut self) -> Option<Record> {
        let name = self.name()?;
        let (kind, class) = (self.number()?, self.number()?);
        // A TTL with its first bit set counts as zero (RFC 2181 §8).
        let ttl = u32::from_be_bytes(self.take()?);
        let ttl = if ttl > i32::MAX.unsigned_abs() { 0 } else { ttl };
        let length = usize::from(self.number()?);
        let (mut data, next) = (*self, self.at + length);
        self.bytes.get(..next)?;
        self.at = next;
        let data = match (class, kind, length) {
            (INTERNET, ALIAS, _) => Data::Alias(data.name()?),
            (INTERNET, 1, 4) => Data::Address(IpAddr::from(data.take::<4>()?)),
            (INTERNET, 28, 16) => Data::Address(IpAddr::from(data.take::<16>()?)),
            _ => Data::Other,
        };
        Some(Record { name, ttl, data })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAME: &str = "Hooks.example.com.";
    /// A pointer to the name in each message, used as the end of another name.
    const POINTER: [u8; 2] = [0xc0, 12];

    fn question() -> Question {
        Question::new(7, NAME, Kind::Ipv4).unwrap()
    }

    fn record(name: &[u8], kind: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(data.len()).unwrap().to_be_bytes();
        [name, &kind.to_be_bytes(), &INTERNET.to_be_bytes(), &ttl.to_be_bytes(), &length, data].concat()
    }

    /// Returns the answer to the query with these flags and records.
    fn message(flags: u16, records: &[Vec<u8>]) -> Vec<u8> {
        let mut message = question().to_bytes();
        message[2..4].copy_from_slice(&(RESPONSE | flags).to_be_bytes());
        message[6..8].copy_from_slice(&u16::try_from(records.len()).unwrap().to_be_bytes());
        [message, records.concat()].concat()
    }

    fn check(flags: u16, records: &[Vec<u8>], answer: Answer) {
        assert_eq!(question().answer(&message(flags, records)), Some(answer), "{flags} {records:?}");
    }

    fn addresses(addresses: &str, ttl: u32) -> Answer {
        Answer::Addresses(addresses.split(' ').map(|address| address.parse().unwrap()).collect(), ttl)
    }

    #[test]
    fn a_question_is_what_other_programs_ask() {
        let asked = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x05hooks\x07example\x03com\0\0\x01\0\x01";
        assert_eq!(question().to_bytes(), asked);
        let (longest, longer) = ("a".repeat(63), "a".repeat(64));
        for (name, may_be) in [(longest.as_str(), true), (&longer, false), ("", false), ("a..b", false)] {
            assert_eq!(Question::new(7, name, Kind::Ipv6).is_some(), may_be, "{name}");
        }
        assert!(Question::new(7, &[longest.as_str(); 4].join("."), Kind::Ipv4).is_none());
    }

    #[test]
    fn the_addresses_of_a_name_are_those_of_what_it_stands_for() {
        let one = record(&POINTER, 1, 300, &[192, 0, 2, 1]);
        let two = record(b"\x05HOOKS\x07example\x03com\0", 1, 60, &[192, 0, 2, 2]);
        check(0, &[one.clone(), two], addresses("192.0.2.1 192.0.2.2", 60));
        let alias = record(&POINTER, ALIAS, 20, b"\x03cdn\xc0\x12");
        let meant = record(b"\x03cdn\xc0\x12", 1, 300, &[192, 0, 2, 3]);
        check(0, &[meant.clone(), alias.clone()], addresses("192.0.2.3", 20));
        // Records that were not queried are ignored.
        check(0, &[meant, one.clone()], addresses("192.0.2.1", 300));
        check(0, &[record(&POINTER, 1, u32::MAX, &[192, 0, 2, 1])], addresses("192.0.2.1", 0));
        check(
            0,
            &[record(&POINTER, 28, 300, &[1; 16]), record(&POINTER, 46, 9, b"signature"), one],
            addresses("192.0.2.1", 300),
        );
        check(0, &[alias], Answer::Nothing);
        check(0, &[record(&POINTER, ALIAS, 20, &POINTER)], Answer::Nothing);
        check(0, &[], Answer::Nothing);
    }

    #[test]
    fn what_is_no_address_says_why() {
        check(3, &[], Answer::Nothing);
        check(CUT_OFF, &[], Answer::CutOff);
        for code in [1, 2, 4, 5, 9] {
            check(code, &[], Answer::Refused);
        }
        check(0, &[b"\xc0\x0c\0\x01".to_vec()], Answer::Refused);
        check(0, &[record(b"\xc0\xff", 1, 1, &[192, 0, 2, 1])], Answer::Refused);
    }

    #[test]
    fn what_answers_another_question_is_no_answer() {
        let heeded = message(0, &[]);
        for (place, byte) in [(0, 1), (2, 0x01), (5, 2), (13, b'x'), (31, 28), (33, 3)] {
            let mut other = heeded.clone();
            other[place] = byte;
            assert_eq!(question().answer(&other), None, "{place}");
        }
        assert_eq!(question().answer(&heeded[..20]), None);
        let nothing_understood = [&heeded[..2], &[0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
        assert_eq!(question().answer(&nothing_understood), Some(Answer::Refused));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_go_on_for_ever(bytes in proptest::collection::vec(any::<u8>(), 0..80), answers in 0_u16..9) {
            let _ = question().answer(&bytes);
            let mut message = message(0, &[bytes]);
            message[6..8].copy_from_slice(&answers.to_be_bytes());
            let _ = question().answer(&message);
        }
    }
}
