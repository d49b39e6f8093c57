//! Those who may log in, as one file has them, and who waits for the answer about a password.

use super::credentials::Credentials;
use super::htpasswd::{self, Hash, LineFault};
use super::remembered::{Remembered, Tag};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::oneshot;

/// The largest file: some ten thousand users.
const LARGEST: u64 = 4 << 20;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It has more than it may.
    #[error("it has more than 4 MiB")]
    Large,
    /// A line is wrong.
    #[error(transparent)]
    Line(#[from] LineFault),
}

/// The users of one file.
pub(crate) struct Users {
    hashes: HashMap<String, Hash>,
    /// In the order of the names: those that are checked in the place of unknown ones.
    decoys: Vec<Hash>,
    asked: Mutex<Asked>,
}

struct Asked {
    remembered: Remembered,
    /// Who waits for what is being checked.
    waiting: HashMap<Tag, Vec<oneshot::Sender<bool>>>,
}

/// What becomes of a question.
pub(super) enum Answer {
    /// It is known.
    Known(bool),
    /// It will come here; `Some` is a check that nobody has asked for yet.
    Later(oneshot::Receiver<bool>, Option<Tag>),
}

/// Never with the hashes.
impl std::fmt::Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Users").field("count", &self.hashes.len()).finish_non_exhaustive()
    }
}

impl Users {
    pub(super) fn load(file: &Path) -> Result<Self, UsersError> {
        let mut text = String::new();
        let read = File::open(file)?.take(LARGEST + 1).read_to_string(&mut text)?;
        if read as u64 > LARGEST {
            return Err(UsersError::Large);
        }
        let hashes = htpasswd::read(&text)?;
        let mut key = [0; 16];
        getrandom::fill(&mut key).map_err(io::Error::from)?;
        Ok(Self::new(hashes, key))
    }

    pub(super) fn new(hashes: HashMap<String, Hash>, key: [u8; 16]) -> Self {
        let mut names: Vec<_> = hashes.keys().collect();
        names.sort();
        let decoys = names.iter().map(|name| hashes[*name].clone()).collect();
        let asked = Asked { remembered: Remembered::new(key), waiting: HashMap::new() };
        Self { hashes, decoys, asked: Mutex::new(asked) }
    }

    /// Whether both would let the same in.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.hashes == other.hashes
    }

    /// Asks about a pair.
    pub(super) fn ask(&self, credentials: &Credentials, now: Instant) -> Answer {
        let mut asked = self.lock();
        let tag = asked.remembered.tag(credentials);
        if let Some(fits) = asked.remembered.find(tag, now) {
            return Answer::Known(fits);
        }
        let (answer, wait) = oneshot::channel();
        let waiting = asked.waiting.entry(tag).or_default();
        waiting.push(answer);
        Answer::Later(wait, (waiting.len() == 1).then_some(tag))
    }

    /// What was found of a pair; `None` if nobody has looked.
    pub(super) fn answer(&self, tag: Tag, found: Option<bool>, now: Instant) {
        let waiting = {
            let mut asked = self.lock();
            if let Some(fits) = found {
                asked.remembered.note(tag, fits, now);
            }
            asked.waiting.remove(&tag).unwrap_or_default()
        };
        for answer in waiting.into_iter().filter(|_| found.is_some()) {
            // Whoever asked may have gone.
            let _ = answer.send(found.unwrap_or_default());
        }
    }

    /// Does the work. It takes as long for a name that nobody has: a hash of somebody else's is tried, the same one each
    /// time, as it would be for a name that somebody has.
    pub(super) fn check(&self, credentials: &Credentials) -> bool {
        let lot = self.lock().remembered.lot(&credentials.user, self.decoys.len());
        let name = str::from_utf8(&credentials.user).ok();
        let (known, decoy) = (name.and_then(|name| self.hashes.get(name)), self.decoys.get(lot));
        let Some(hash) = known.or(decoy) else { return false };
        hash.fits(&credentials.password) & known.is_some()
    }

    /// The name as the file has it.
    pub(super) fn name(&self, credentials: &Credentials) -> Option<Arc<str>> {
        let name = str::from_utf8(&credentials.user).ok()?;
        self.hashes.get_key_value(name).map(|(name, _)| name.as_str().into())
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        // A thread that panicked has left a table whole: each is changed by one call.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn credentials(user: &str, password: &str) -> Credentials {
        Credentials { user: user.into(), password: password.into() }
    }

    fn users() -> Users {
        let hash =
            bcrypt::hash_with_salt("sesame", 4, [7; 16]).unwrap().format_for_version(bcrypt::Version::TwoY);
        Users::new(htpasswd::read(&format!("ala:{hash}\n")).unwrap(), [1; 16])
    }

    #[test]
    fn a_password_is_right_for_its_user_alone() {
        let users = users();
        assert!(users.check(&credentials("ala", "sesame")));
        assert!(!users.check(&credentials("ala", "sesam")));
        // The decoy is the very hash of that password.
        assert!(!users.check(&credentials("bo", "sesame")));
        assert!(!users.check(&Credentials { user: vec![0xff], password: b"sesame".to_vec() }));
        assert_eq!(users.name(&credentials("ala", "")).as_deref(), Some("ala"));
    }

    #[test]
    fn one_check_answers_all_who_ask_the_same() {
        let (users, now) = (users(), Instant::now());
        let pair = credentials("ala", "sesame");
        let Answer::Later(mut one, Some(tag)) = users.ask(&pair, now) else {
            panic!("the first is to be checked")
        };
        let Answer::Later(mut two, None) = users.ask(&pair, now) else { panic!("the second waits") };
        users.answer(tag, Some(true), now);
        assert_eq!((one.try_recv(), two.try_recv()), (Ok(true), Ok(true)));
        assert!(matches!(users.ask(&pair, now), Answer::Known(true)));
        let Answer::Later(mut late, Some(tag)) = users.ask(&pair, now + Duration::from_secs(300)) else {
            panic!("it is forgotten")
        };
        users.answer(tag, None, now);
        assert!(late.try_recv().is_err(), "nobody has looked");
    }
}
