//! Work whose failure, even a panic, affects no other work.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures::{FutureExt as _, StreamExt as _, stream};

use crate::queue_message::WorkError;

/// Does the work; a panic becomes an error.
pub async fn contained<Work>(work: impl FnOnce() -> Work) -> Result<(), WorkError>
where
    Work: Future<Output = Result<(), WorkError>>,
{
    let outcome = AssertUnwindSafe(async { work().await }).catch_unwind().await;
    outcome.unwrap_or_else(|panic| Err(WorkError::Poison(describe(&*panic))))
}

/// Returns a panic's message.
pub fn describe(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("no message"))
}

/// Does the parts of one message's work, `at_once` at the same time, and all of them to the end, even if one fails. Returns
/// an error that may pass, if there is one: as long as a part may still be done, the message is not to become a dead letter.
pub(crate) async fn each<Work>(parts: impl IntoIterator<Item = Work>, at_once: usize) -> Result<(), WorkError>
where
    Work: Future<Output = Result<(), WorkError>>,
{
    let parts: Vec<_> = parts.into_iter().map(|part| contained(|| part)).collect();
    let results: Vec<_> = stream::iter(parts).buffer_unordered(at_once).collect().await;
    let (hopeless, passing): (Vec<_>, Vec<_>) =
        results.into_iter().filter_map(Result::err).partition(WorkError::is_hopeless);
    passing.into_iter().chain(hopeless).next().map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Does parts of which each is done, hopeless, panics, or may pass. Returns the result, and the number that ran.
    async fn run(parts: &[&str]) -> (Result<(), WorkError>, usize) {
        let begun = &AtomicUsize::new(0);
        let work = parts.iter().map(|part| async move {
            begun.fetch_add(1, Ordering::Relaxed);
            match *part {
                "panics" => panic!("on purpose"),
                "hopeless" => Err(WorkError::Poison("on purpose".to_owned())),
                "late" => Err(WorkError::OutOfTime),
                _ => Ok(()),
            }
        });
        (each(work, 2).await, begun.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn all_parts_are_tried_and_the_error_that_may_pass_counts() {
        assert!(matches!(run(&["done", "done", "done"]).await, (Ok(()), 3)));
        assert!(matches!(run(&["late", "done", "done"]).await, (Err(WorkError::OutOfTime), 3)));
        assert!(matches!(run(&["hopeless", "done", "late"]).await, (Err(WorkError::OutOfTime), 3)));
        assert!(matches!(run(&["hopeless", "done", "done"]).await, (Err(WorkError::Poison(_)), 3)));
        let (panicked, begun) = run(&["panics", "done", "done"]).await;
        assert_eq!(
            (panicked.unwrap_err().to_string(), begun),
            (WorkError::Poison("panicked: on purpose".to_owned()).to_string(), 3)
        );
    }
}
