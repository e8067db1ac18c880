//! A proxy announced nine bytes and sent four; another died within its headers, behind `HTTP/1.1 200 OK`. The events had
//! been handled. The sender called both a protocol error, and the receivers got each event ten times.

use super::{attempt_at, check};
use crate::strangers::Stranger;
use crate::time_machine::TimeMachine;

#[tokio::test(flavor = "multi_thread")]
async fn a_200_that_ends_early_is_a_success_and_what_came_of_it_is_kept() {
    let machine = TimeMachine::start(&[]).await;
    for (answer, body) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", "half"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nhalf", "half"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nno number\r\n", ""),
        ("HTTP/1.1 200 OK\r\ncontent-ty", ""),
        ("HTTP/1.1 200 OK\r\n", ""),
    ] {
        let receiver = Stranger::saying(answer).await;
        let attempt = attempt_at(&machine, &receiver.url).await;
        check(&attempt, "succeeded", Some(200), Some("body_incomplete"));
        assert_eq!(attempt["response_body"], body, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_500_that_ends_early_is_a_500() {
    let machine = TimeMachine::start(&[]).await;
    let receiver = Stranger::saying("HTTP/1.1 500 Oh\r\ncontent-length: 9\r\n\r\nwhy").await;
    let attempt = attempt_at(&machine, &receiver.url).await;
    check(&attempt, "failed", Some(500), Some("body_incomplete"));
    assert_eq!(attempt["response_body"], "why");
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_status_line_is_no_answer() {
    let machine = TimeMachine::start(&[]).await;
    let receiver = Stranger::saying("HTTP/1.1 20").await;
    check(&attempt_at(&machine, &receiver.url).await, "failed", None, Some("protocol"));
}
