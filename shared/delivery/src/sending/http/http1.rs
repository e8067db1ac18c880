//! Sends one request over HTTP/1.1 and reads its answer, from receivers that more or less follow the standard.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::buf::Chain;
use bytes::{Buf as _, Bytes, BytesMut};
use futures::FutureExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWrite as _};
use tokio_util::io::{poll_read_buf, poll_write_buf};
use url::Position;

use super::head::{self, Framing, Head};
use super::{Failed, Kept, MAX_BODY_BYTES, MAX_HEAD_BYTES, Post, Stream};

/// The number of bytes read at a time.
const READ_BYTES: usize = 4 * 1024;
/// The longest line with a chunk's size and extensions, and the longest one after the last chunk.
const MAX_CHUNK_LINE_BYTES: usize = 4 * 1024;

/// An idle connection.
pub(super) struct Http1(Box<dyn Stream>);

impl Http1 {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self(stream)
    }

    /// Returns whether a request may be sent: the receiver has neither closed the connection nor sent anything unasked.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.0.read(&mut [0]).now_or_never().is_none()
    }

    /// Sends a request, and reads the answer up to its body.
    pub(super) async fn send(self, post: &Post<'_>) -> Result<(Head, Unread), Failed> {
        let mut exchange = Exchange {
            stream: self.0,
            unsent: request_head(post).chain(post.body.clone()),
            sending: Sending::Going,
            received: BytesMut::new(),
        };
        let head = exchange.head().await?;
        let unread = Unread {
            exchange,
            framing: head.framing,
            may_be_reused: head.may_be_reused,
            taken: 0,
            is_over: false,
        };
        Ok((head, unread))
    }
}

/// Returns the request line and the headers.
fn request_head(post: &Post<'_>) -> Bytes {
    let url = post.url;
    let target = &url[Position::BeforePath..Position::AfterQuery];
    let host = &url[Position::BeforeHost..Position::AfterPort];
    let mut head = format!("POST {target} HTTP/1.1\r\nhost: {host}\r\n").into_bytes();
    for (name, value) in &post.headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    head.extend_from_slice(format!("content-length: {}\r\n\r\n", post.body.len()).as_bytes());
    head.into()
}

/// A request that is being sent, and what has arrived of its answer.
struct Exchange {
    stream: Box<dyn Stream>,
    unsent: Chain<Bytes, Bytes>,
    sending: Sending,
    received: BytesMut,
}

/// How far the request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    Going,
    Done,
    /// The receiver takes no more of it. It may still have answered.
    Broken,
}

impl Exchange {
    /// Returns the head of the answer, after interim ones.
    async fn head(&mut self) -> Result<Head, Failed> {
        let (mut before, mut seen) = (0, 0);
        loop {
            if let Some(length) = head::length(&self.received, seen) {
                let head = Head::parse(&self.received.split_to(length)).ok_or(Failed::Garbled)?;
                if !head.is_interim() {
                    return Ok(head);
                }
                (before, seen) = (before + length, 0);
                continue;
            }
            seen = self.received.len();
            if before + seen > MAX_HEAD_BYTES || !head::may_begin(&self.received) {
                return Err(Failed::Garbled);
            }
            if !matches!(self.more().await, Ok(1..)) {
                return if before + seen == 0 { Err(Failed::Unanswered) } else { self.cut_off_head() };
            }
        }
    }

    /// Parses a head that the end of the connection cut off. If its status line is complete, that decides.
    fn cut_off_head(&mut self) -> Result<Head, Failed> {
        let head = Head::parse(&self.received.split()).filter(|head| !head.is_interim());
        head.map(|head| Head { framing: Framing::Unclear, ..head }).ok_or(Failed::Garbled)
    }

    /// Waits for more of the answer, and continues sending meanwhile. Returns 0 at the end of the connection.
    async fn more(&mut self) -> io::Result<usize> {
        poll_fn(|context| {
            self.poll_send(context);
            self.poll_receive(context)
        })
        .await
    }

    /// Waits until the request is sent as far as the receiver takes it.
    async fn sent(&mut self) {
        poll_fn(|context| {
            self.poll_send(context);
            if self.sending != Sending::Going {
                return Poll::Ready(());
            }
            // A receiver may take no more of the request until it has sent its answer.
            while self.received.len() <= MAX_BODY_BYTES && has_bytes(&self.poll_receive(context)) {}
            Poll::Pending
        })
        .await;
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.received.reserve(READ_BYTES);
        poll_read_buf(Pin::new(&mut self.stream), context, &mut self.received)
    }

    fn poll_send(&mut self, context: &mut Context<'_>) {
        while self.sending == Sending::Going {
            match self.poll_send_some(context) {
                Poll::Pending => return,
                Poll::Ready(Ok(sending)) => self.sending = sending,
                Poll::Ready(Err(_)) => self.sending = Sending::Broken,
            }
        }
    }

    fn poll_send_some(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Sending>> {
        let mut stream = Pin::new(&mut self.stream);
        if !self.unsent.has_remaining() {
            ready!(stream.poll_flush(context))?;
            return Poll::Ready(Ok(Sending::Done));
        }
        let sent = ready!(poll_write_buf(stream.as_mut(), context, &mut self.unsent))?;
        Poll::Ready(Ok(if sent == 0 { Sending::Broken } else { Sending::Going }))
    }
}

fn has_bytes(polled: &Poll<io::Result<usize>>) -> bool {
    matches!(polled, Poll::Ready(Ok(1..)))
}

/// A body that is not read, or not to its end.
pub(super) struct Unread {
    exchange: Exchange,
    framing: Framing,
    may_be_reused: bool,
    /// The number of bytes that arrived after the head.
    taken: usize,
    /// Whether the body has reached the end that its framing determines.
    is_over: bool,
}

/// The result of reading a part of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The part was read completely.
    Read,
    /// The limit for bodies was reached.
    Enough,
    /// It ended early, is malformed, or has more framing than content.
    Broken,
}

impl Unread {
    /// Waits until the request is sent as far as the receiver takes it, because an answer may come before that.
    pub(super) async fn sent(&mut self) {
        self.exchange.sent().await;
    }

    /// Reads the body, up to the limit. Returns `false` if it ended early or was malformed.
    pub(super) async fn read(&mut self, kept: &mut Kept) -> bool {
        let part = match self.framing {
            Framing::Length(length) => self.read_bytes(length, kept).await,
            Framing::Chunked => self.read_chunks(kept).await,
            Framing::Close => self.read_to_end(kept).await,
            Framing::Unclear => {
                self.read_to_end(kept).await;
                Part::Broken
            }
        };
        self.is_over = part == Part::Read;
        part != Part::Broken
    }

    /// Returns the connection, if another request may be sent on it.
    pub(super) fn reusable(self) -> Option<Http1> {
        let is_framed = matches!(self.framing, Framing::Length(_) | Framing::Chunked);
        let is_clean = self.is_over && is_framed && self.exchange.received.is_empty();
        let may = is_clean && self.may_be_reused && self.exchange.sending == Sending::Done;
        may.then(|| Http1::new(self.exchange.stream))
    }

    async fn read_bytes(&mut self, length: u64, kept: &mut Kept) -> Part {
        let mut left = length;
        loop {
            let here = self.exchange.received.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            if kept.add(&self.exchange.received.split_to(here)) {
                return Part::Enough;
            }
            left -= here as u64;
            if left == 0 {
                return Part::Read;
            }
            if self.more().await != Ok(true) {
                return Part::Broken;
            }
        }
    }

    async fn read_to_end(&mut self, kept: &mut Kept) -> Part {
        loop {
            if kept.add(&self.exchange.received.split()) {
                return Part::Enough;
            }
            match self.more().await {
                Ok(true) => {}
                Ok(false) => return Part::Read,
                Err(Broken) => return Part::Broken,
            }
        }
    }

    async fn read_chunks(&mut self, kept: &mut Kept) -> Part {
        loop {
            let Some(size) = self.line().await.as_deref().and_then(chunk_size) else { return Part::Broken };
            if size == 0 {
                return self.skip_trailers().await;
            }
            match self.read_bytes(size, kept).await {
                Part::Read => {}
                cut_short => return cut_short,
            }
            if self.line().await.is_none_or(|line| !line.is_empty()) {
                return Part::Broken;
            }
        }
    }

    async fn skip_trailers(&mut self) -> Part {
        loop {
            match self.line().await {
                Some(line) if line.is_empty() => return Part::Read,
                Some(_) => {}
                None => return Part::Broken,
            }
        }
    }

    /// Returns the next line, without its end.
    async fn line(&mut self) -> Option<BytesMut> {
        loop {
            let received = &mut self.exchange.received;
            if let Some(end) = received.iter().position(|byte| *byte == b'\n') {
                let mut line = received.split_to(end + 1);
                line.truncate(line.trim_ascii_end().len());
                return Some(line);
            }
            if received.len() > MAX_CHUNK_LINE_BYTES || self.more().await != Ok(true) {
                return None;
            }
        }
    }

    /// Waits for more of the body. Returns whether there is any.
    async fn more(&mut self) -> Result<bool, Broken> {
        let bytes = self.exchange.more().await.map_err(|_| Broken)?;
        self.taken += bytes;
        if self.taken > 2 * MAX_BODY_BYTES { Err(Broken) } else { Ok(bytes > 0) }
    }
}

/// The connection broke, or the body has more framing than content.
#[derive(Debug, PartialEq, Eq)]
struct Broken;

/// Parses the size in a chunk's first line: hexadecimal digits. What follows a semicolon is ignored.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii();
    let digits = std::str::from_utf8(digits).ok()?;
    let size = u64::from_str_radix(digits, 16).ok()?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(size)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};
    use url::Url;

    use super::*;
    use crate::sending::http::Tracer;

    /// Sends 100 KB over a connection that buffers one, to this receiver.
    async fn send<R>(receiver: impl AsyncFnOnce(DuplexStream) -> R) -> (Option<u16>, R) {
        let (near, far) = duplex(1024);
        let url = Url::parse("http://a.example/").unwrap();
        let (headers, body, tracer) = (HeaderMap::new(), vec![b'x'; 100_000].into(), Tracer::default());
        let post = Post { url: &url, headers, body, tracer };
        let sending = async {
            let (head, mut body) = Http1::new(Box::new(near)).send(&post).await.ok()?;
            body.sent().await;
            assert!(body.read(&mut Kept::default()).await);
            Some(head.code)
        };
        futures::future::join(sending, receiver(far)).await
    }

    #[tokio::test]
    async fn an_answer_counts_that_comes_while_the_receiver_takes_no_more() {
        let (code, ()) = send(async |mut far: DuplexStream| {
            far.read_exact(&mut [0; 100]).await.unwrap();
            far.write_all(b"HTTP/1.1 413 Large\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        })
        .await;
        assert_eq!(code, Some(413));
    }

    #[tokio::test]
    async fn a_receiver_that_acknowledges_first_gets_the_rest_of_the_request() {
        let (code, received) = send(async |mut far: DuplexStream| {
            let mut received = far.read(&mut [0; 100]).await.unwrap();
            far.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            let mut rest = Vec::new();
            received += far.read_to_end(&mut rest).await.unwrap();
            received
        })
        .await;
        assert_eq!(code, Some(200));
        assert!(received > 100_000, "{received} bytes");
    }

    #[test]
    fn a_chunk_says_how_long_it_is() {
        let check = |line: &str, size| assert_eq!(chunk_size(line.as_bytes()), size, "{line:?}");
        check("1a", Some(26));
        check("0", Some(0));
        check("00F", Some(15));
        check("5 ;name=value", Some(5));
        for line in ["", ";", "-1", "+1", "g", "0x1", "1 2", "10000000000000000"] {
            check(line, None);
        }
    }
}
