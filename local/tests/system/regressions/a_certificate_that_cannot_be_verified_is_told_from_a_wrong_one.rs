//! An endpoint with a certificate on the curve P-521 failed with "TLS error", as one with an expired certificate did. Its
//! owner renewed the certificate three times, with the same key.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{attempt_at, check, trusting};
use crate::strangers::{Authority, Stranger, stay_silent};

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_an_unknown_authority_or_for_another_name_is_named() {
    let authority = Authority::new();
    let machine = trusting(&authority).await;
    for tls in [Authority::new().tls(&[]), authority.tls_for("hooks.example.com", &[])] {
        let receiver = Stranger::start_tls(tls, |_, connection| stay_silent(connection)).await;
        check(&attempt_at(&machine, &receiver.url).await, "failed", None, Some("tls_certificate"));
    }
}

/// A server whose only key is one that Posthorn has not offered to verify, such as one on P-521, can only break off: these
/// are the bytes in which OpenSSL 3.0 does so.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_verified_is_named_as_such() {
    let authority = Authority::new();
    let machine = trusting(&authority).await;
    let receiver = Stranger::start(|_, mut connection| async move {
        let _ = connection.read(&mut [0; 1024]).await;
        let handshake_failure = [0x15, 3, 3, 0, 2, 2, 0x28];
        connection.write_all(&handshake_failure).await.unwrap();
    })
    .await;
    let url = receiver.url.replace("http://", "https://");
    check(&attempt_at(&machine, &url).await, "failed", None, Some("tls_unsupported"));
}
