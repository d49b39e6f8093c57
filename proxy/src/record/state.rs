//! How a connection or a request ended, in HAProxy's characters (its manual, section 8.5). Pure.

use std::fmt::{self, Display, Formatter};

/// Who or what ended it, and in which phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) by: By,
    pub(crate) phase: Phase,
}

/// Who or what ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// Nobody: it came to its end.
    Nobody,
    Client,
    /// The client, by saying and taking nothing for too long.
    SilentClient,
    Member,
    /// The member, or the queue for one, by the same.
    SilentMember,
    /// This side, which refuses what is not to be passed on.
    Proxy,
    /// This side, which answers in a member's place.
    Here,
    /// This side, which is short of ports, files or memory.
    Shortage,
    /// The end of this process.
    Killed,
    /// A fault of this program.
    Fault,
}

/// How far it had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// To its end.
    End,
    /// The request was not whole, or nothing was done with it.
    Request,
    /// It waited for a place at a member.
    Queue,
    /// It was being connected to a member.
    Connect,
    /// The member was to answer.
    Head,
    /// Data were passed on.
    Data,
}

/// What became of a cookie that leads clients to members: of that of the request, and of that of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cookies(pub(crate) [char; 2]);

impl State {
    pub(crate) const WHOLE: Self = Self::new(By::Nobody, Phase::End);

    pub(crate) const fn new(by: By, phase: Phase) -> Self {
        Self { by, phase }
    }

    pub(crate) const fn letters(self) -> [char; 2] {
        let by = match self.by {
            By::Nobody => '-',
            By::Client => 'C',
            By::SilentClient => 'c',
            By::Member => 'S',
            By::SilentMember => 's',
            By::Proxy => 'P',
            By::Here => 'L',
            By::Shortage => 'R',
            By::Killed => 'K',
            By::Fault => 'I',
        };
        let phase = match self.phase {
            Phase::End => '-',
            Phase::Request => 'R',
            Phase::Queue => 'Q',
            Phase::Connect => 'C',
            Phase::Head => 'H',
            Phase::Data => 'D',
        };
        [by, phase]
    }
}

impl Default for Cookies {
    /// Nobody looked at any.
    fn default() -> Self {
        Self(['-', '-'])
    }
}

impl Display for State {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        pair(self.letters(), f)
    }
}

impl Display for Cookies {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        pair(self.0, f)
    }
}

fn pair([one, other]: [char; 2], f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "{one}{other}")
}

/// How a connection of tcp ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Both sides had said all, and it was passed on.
    Whole,
    ClientGone,
    ClientSilent,
    MemberGone,
    MemberSilent,
    /// Both had spoken, and were silent.
    Idle,
    /// Every member is out.
    NoMember,
    /// The last member that was tried refused.
    Refused,
    /// The last member that was tried did not answer in time.
    ConnectTimeout,
    /// This side had no port, file or memory for a connection to the last member that was tried.
    Shortage,
    QueueFull,
    QueueTimeout,
    /// The process ended.
    CutOff,
}

impl Ending {
    pub(crate) const fn state(self) -> State {
        let (by, phase) = match self {
            Self::Whole => return State::WHOLE,
            Self::ClientGone => (By::Client, Phase::Data),
            Self::ClientSilent | Self::Idle => (By::SilentClient, Phase::Data),
            Self::MemberGone => (By::Member, Phase::Data),
            Self::MemberSilent => (By::SilentMember, Phase::Data),
            Self::NoMember | Self::Refused => (By::Member, Phase::Connect),
            Self::ConnectTimeout => (By::SilentMember, Phase::Connect),
            Self::Shortage => (By::Shortage, Phase::Connect),
            Self::CutOff => (By::Killed, Phase::Data),
            Self::QueueFull => (By::Member, Phase::Queue),
            Self::QueueTimeout => (By::SilentMember, Phase::Queue),
        };
        State::new(by, phase)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_have_haproxys_letters() {
        let check = |ending: Ending, expect: &str| assert_eq!(ending.state().to_string(), expect);
        check(Ending::Whole, "--");
        check(Ending::ClientGone, "CD");
        check(Ending::Idle, "cD");
        check(Ending::MemberSilent, "sD");
        check(Ending::Refused, "SC");
        check(Ending::ConnectTimeout, "sC");
        check(Ending::Shortage, "RC");
        check(Ending::QueueFull, "SQ");
        check(Ending::QueueTimeout, "sQ");
    }
}
