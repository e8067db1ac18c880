//! The only failure that neither an endpoint nor AWS causes.

use std::io;

/// This process cannot open more sockets: it or its machine has reached the limit of open files, or has no memory for
/// another one. No attempt was made, and no endpoint is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this process cannot open more sockets")]
pub struct NoSockets;

impl NoSockets {
    /// Returns whether this is the reason why something could not be opened.
    pub(crate) fn caused(error: &io::Error) -> bool {
        let code = error.raw_os_error();
        code.is_some_and(|code| [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM].contains(&code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_here_is_our_own_fault() {
        let check = |code, is_ours| {
            assert_eq!(NoSockets::caused(&io::Error::from_raw_os_error(code)), is_ours, "{code}");
        };
        for ours in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM] {
            check(ours, true);
        }
        for theirs in
            [libc::ECONNREFUSED, libc::ETIMEDOUT, libc::ENETUNREACH, libc::EHOSTUNREACH, libc::ECONNRESET]
        {
            check(theirs, false);
        }
        assert!(!NoSockets::caused(&io::ErrorKind::NotFound.into()));
    }
}
