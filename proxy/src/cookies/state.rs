//! What became of the cookie of one request, for the log: HAProxy's characters of the termination state.

use config::model::{Cookie, CookieMode};

/// What a request said of its member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asked {
    /// No cookie.
    #[default]
    None,
    /// A cookie that names no member.
    Invalid,
    /// A member that takes nobody, or could not be reached.
    Down,
    /// A member that takes its own.
    Valid,
    /// The cookie was not used for too long.
    Expired,
    /// The cookie is too old.
    Old,
}

/// What an answer said of the member to the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Answered {
    /// Nothing.
    #[default]
    None,
    /// The proxy set a cookie.
    Inserted,
    /// The proxy set the cookie again, with other times.
    Updated,
    /// What the member set was passed on as it was.
    Passed,
    /// What the member set was changed.
    Rewritten,
    /// What the member set was taken out.
    Deleted,
}

/// Both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Of the request.
    pub asked: Asked,
    /// Of its answer.
    pub answered: Answered,
}

impl State {
    /// What the log tells of both; nothing where the proxy only reads the cookie, as in HAProxy.
    #[must_use]
    pub fn told(cookie: &Cookie, asked: Asked, answered: Answered) -> Option<Self> {
        let reads_only = cookie.mode == CookieMode::Passive && !cookie.indirect;
        (!reads_only).then_some(Self { asked, answered })
    }

    /// The third and fourth character of HAProxy's termination state.
    #[must_use]
    pub const fn letters(self) -> [char; 2] {
        let asked = match self.asked {
            Asked::None => 'N',
            Asked::Invalid => 'I',
            Asked::Down => 'D',
            Asked::Valid => 'V',
            Asked::Expired => 'E',
            Asked::Old => 'O',
        };
        let answered = match self.answered {
            Answered::None => 'N',
            Answered::Inserted => 'I',
            Answered::Updated => 'U',
            Answered::Passed => 'P',
            Answered::Rewritten => 'R',
            Answered::Deleted => 'D',
        };
        [asked, answered]
    }
}
