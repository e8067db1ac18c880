//! Many servers end a connection by TCP alone, without TLS's goodbye. OpenSSL 3 and rustls report that as an error, and a
//! sender that asks them first never sees the `200 OK` that came before it.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{attempt_at, check, trusting};
use crate::strangers::{Authority, Stranger, read_request};

#[tokio::test(flavor = "multi_thread")]
async fn a_200_cut_off_without_close_notify_is_a_success() {
    let authority = Authority::new();
    let machine = trusting(&authority).await;
    let receiver = Stranger::start_tls(authority.tls(&["http/1.1"]), |_, mut connection| async move {
        read_request(&mut connection).await;
        connection.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nok").await.unwrap();
        connection.flush().await.unwrap();
        // Dropping a TLS stream closes its socket and says no goodbye.
    })
    .await;
    let attempt = attempt_at(&machine, &receiver.url).await;
    check(&attempt, "succeeded", Some(200), Some("body_incomplete"));
    assert_eq!(attempt["response_body"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_ends_as_it_should_is_whole() {
    let authority = Authority::new();
    let machine = trusting(&authority).await;
    let receiver = Stranger::start_tls(authority.tls(&[]), |_, mut connection| async move {
        read_request(&mut connection).await;
        connection.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nok").await.unwrap();
        connection.shutdown().await.unwrap();
    })
    .await;
    check(&attempt_at(&machine, &receiver.url).await, "succeeded", Some(200), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_none() {
    let authority = Authority::new();
    let machine = trusting(&authority).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
    });
    check(&attempt_at(&machine, &url).await, "failed", None, Some("tls"));
}
