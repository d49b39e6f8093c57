//! Which requests may go on which connections that members have answered on before. Pure.
//!
//! A member closes an idle connection when it likes, perhaps while a request is on its way. A request that may be repeated
//! is then sent once more by the proxy; of the others the client learns, and repeats them itself where it knows that its own
//! connection is no fresh one, either. HTTP/2 says which requests a close has left alone, so its connections are shared
//! by first requests, too, wherever any are.

use config::model::{HttpReuse, HttpVersion, ProxyProtocol};

/// What bears on it of one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seeker {
    /// What members speak.
    pub(crate) version: HttpVersion,
    /// What the pool allows.
    pub(crate) reuse: HttpReuse,
    /// What members are told of clients ahead of the data.
    pub(crate) told: ProxyProtocol,
    /// Whether it may be sent twice.
    pub(crate) repeatable: bool,
    /// Whether it is the first of its client connection.
    pub(crate) first: bool,
}

impl Seeker {
    /// Whether a connection that belongs to nobody will do. `proven`: it was used again before, and so the member knows
    /// how to keep connections.
    pub(crate) fn may_share(self, proven: bool) -> bool {
        if self.keeps() {
            return false;
        }
        let expected = self.repeatable || !self.first;
        match self.reuse {
            HttpReuse::Never => false,
            HttpReuse::Safe => expected,
            HttpReuse::Aggressive => expected || proven,
            HttpReuse::Always => true,
        }
    }

    /// Whether a connection that is opened for it belongs to its client connection.
    pub(crate) fn keeps(self) -> bool {
        self.reuse == HttpReuse::Never || self.told != ProxyProtocol::Off
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use HttpReuse::{Aggressive, Always, Never, Safe};

    /// Whether these go on a connection that was used once, and on one that was used again: a first request and a later
    /// one that may not be repeated, and a first one that may be.
    fn check(reuse: HttpReuse, told: ProxyProtocol, expect: [[bool; 2]; 3]) {
        let asked = [(false, true), (false, false), (true, true)].map(|(repeatable, first)| {
            let seeker = Seeker { version: HttpVersion::H1, reuse, told, repeatable, first };
            [false, true].map(|proven| seeker.may_share(proven))
        });
        assert_eq!(asked, expect, "{reuse:?}, {told:?}");
    }

    #[test]
    fn each_policy_shares_what_it_says() {
        let off = ProxyProtocol::Off;
        check(Never, off, [[false; 2]; 3]);
        check(Safe, off, [[false; 2], [true; 2], [true; 2]]);
        check(Aggressive, off, [[false, true], [true; 2], [true; 2]]);
        check(Always, off, [[true; 2]; 3]);
    }

    #[test]
    fn what_has_named_a_client_serves_nobody_else() {
        for reuse in [Never, Safe, Aggressive, Always] {
            for told in [ProxyProtocol::V1, ProxyProtocol::V2] {
                check(reuse, told, [[false; 2]; 3]);
            }
        }
    }
}
