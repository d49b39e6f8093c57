//! Why a datagram is lost that the system did not send, and whose fault that is. Pure.

use crate::counts::Loss;
use nix::errno::Errno;

/// Whether the error says that nobody takes datagrams at a member's address, or that there is no way to it.
pub(super) const fn is_refusal(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::ECONNREFUSED
            | Errno::EHOSTUNREACH
            | Errno::ENETUNREACH
            | Errno::EHOSTDOWN
            | Errno::ENOPROTOOPT
            | Errno::EPROTO
    )
}

/// Whether the error is of a datagram that has left before, as the member's host has said since: the system refuses none
/// by itself in these words.
pub(super) const fn is_of_an_earlier(errno: Errno) -> bool {
    matches!(errno, Errno::ECONNREFUSED | Errno::ENOPROTOOPT)
}

/// Whether the error says that there is no room on this side.
pub(super) const fn is_full(errno: Errno) -> bool {
    matches!(errno, Errno::EAGAIN | Errno::ENOBUFS | Errno::ENOMEM)
}

impl Loss {
    /// Why a datagram is lost that the system did not send.
    pub(super) const fn of(errno: Errno) -> Self {
        match errno {
            Errno::EMSGSIZE => Self::TooLong,
            errno if is_full(errno) => Self::SendBuffer,
            errno if is_refusal(errno) => Self::Unreachable,
            _ => Self::Unsendable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_the_members_host_says_is_of_an_earlier_datagram() {
        for (errno, expect) in [
            (Errno::ECONNREFUSED, true),
            (Errno::ENOPROTOOPT, true),
            (Errno::ENETUNREACH, false),
            (Errno::EHOSTUNREACH, false),
            (Errno::EPERM, false),
        ] {
            assert_eq!(is_of_an_earlier(errno), expect, "{errno}");
        }
    }

    #[test]
    fn errors_are_the_members_the_systems_or_the_datagrams() {
        let check = |errno: Errno, expect: Loss, refusal: bool| {
            assert_eq!((Loss::of(errno), is_refusal(errno)), (expect, refusal), "{errno}");
        };
        check(Errno::ECONNREFUSED, Loss::Unreachable, true);
        check(Errno::ENETUNREACH, Loss::Unreachable, true);
        check(Errno::EMSGSIZE, Loss::TooLong, false);
        check(Errno::EAGAIN, Loss::SendBuffer, false);
        check(Errno::ENOBUFS, Loss::SendBuffer, false);
        check(Errno::EPERM, Loss::Unsendable, false);
    }
}
