//! A single sign-on in front of a receiver set 40 KB of cookies. Over HTTP/1.1 its 200 counted; when the load balancer
//! learned HTTP/2, the same answer was a protocol error, because its headers came to more than 16 KB.

use tokio::io::AsyncWriteExt as _;

use super::{attempt_at, attempts, check, proven, trusting};
use crate::strangers::{
    Authority, CONTINUATION, END_HEADERS, END_STREAM, Frames, HEADERS, STATUS_200, Stranger, literal,
    read_request,
};

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_200_kb_are_welcome_over_http_1_1_and_over_http_2() {
    let authority = Authority::new();
    let machine = trusting(&authority).await;
    let cookie = "c".repeat(5_000);
    let cookies = format!("set-cookie: {cookie}\r\n").repeat(40);
    let http_1 = Stranger::saying(format!("HTTP/1.1 200 OK\r\n{cookies}content-length: 0\r\n\r\n")).await;
    check(&attempt_at(&machine, &http_1.url).await, "succeeded", Some(200), None);
    let http_2 = Stranger::start_tls(authority.tls(&["h2"]), move |_, connection| {
        let cookies = literal("set-cookie", &cookie).repeat(40);
        async move {
            let mut frames = Frames::open(connection).await.unwrap();
            while let Some(stream) = frames.request().await {
                frames.send(HEADERS, END_STREAM, stream, STATUS_200).await;
                for part in cookies.chunks(16_000) {
                    frames.send(CONTINUATION, 0, stream, part).await;
                }
                frames.send(CONTINUATION, END_HEADERS, stream, &[]).await;
            }
        }
    })
    .await;
    check(&attempt_at(&machine, &http_2.url).await, "succeeded", Some(200), None);
}

/// hyper ends a connection whose headers break HTTP/2's rules. Over HTTP/1.1, the same receiver is understood.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_whose_http_2_is_malformed_is_spoken_to_in_http_1_1_from_then_on() {
    let authority = Authority::new();
    let machine = trusting(&authority).await;
    let tls = authority.tls(&["h2", "http/1.1"]);
    let receiver = Stranger::start_tls(tls, |number, mut connection| async move {
        if number > 0 {
            read_request(&mut connection).await.unwrap();
            connection.write_all(b"HTTP/1.1 200 OK\r\nX-Untidy : 1\r\n\r\n").await.unwrap();
            return connection.shutdown().await.unwrap();
        }
        let mut frames = Frames::open(connection).await.unwrap();
        let stream = frames.request().await.unwrap();
        let headers = [STATUS_200, &literal("x untidy", "1")].concat();
        frames.send(HEADERS, END_HEADERS | END_STREAM, stream, &headers).await;
        frames.request().await;
    })
    .await;
    let endpoint = proven(&machine, &receiver.url).await;
    check(&attempts(&machine, &endpoint).await[0], "failed", None, Some("protocol"));
    check(&attempts(&machine, &endpoint).await[0], "succeeded", Some(200), None);
}
