//! Those who may log in, as one file has them, and who waits for the answer about a password.

use super::credentials::Credentials;
use super::htpasswd::{self, Hash, LineFault};
use super::remembered::{Right, Secret, Tag, Wrong};
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
    /// In the order of their names.
    by_name: Vec<User>,
    secret: Secret,
    asked: Mutex<Asked>,
}

struct User {
    name: Arc<str>,
    hash: Hash,
    right: Right,
}

/// Of those who are not known, or not by this password. Nobody holds it while a hash is worked on.
#[derive(Default)]
struct Asked {
    wrong: Wrong,
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
        f.debug_struct("Users").field("count", &self.by_name.len()).finish_non_exhaustive()
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
        Ok(Self::new(hashes, Secret::new(key, Instant::now())))
    }

    pub(super) fn new(hashes: HashMap<String, Hash>, secret: Secret) -> Self {
        let user = |(name, hash): (String, Hash)| User { name: name.into(), hash, right: Right::default() };
        let mut by_name: Vec<_> = hashes.into_iter().map(user).collect();
        by_name.sort_by(|one, other| one.name.cmp(&other.name));
        Self { by_name, secret, asked: Mutex::default() }
    }

    /// Knows those whom `old` knows and who have the same hash as there.
    pub(super) fn after(mut self, old: &Self) -> Self {
        self.secret = old.secret;
        for user in &mut self.by_name {
            let same = old.user(user.name.as_bytes()).filter(|known| known.hash == user.hash);
            user.right = same.map_or_else(Right::default, |known| known.right.clone());
        }
        self
    }

    /// Whether both would let the same in.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let same = |(one, other): (&User, &User)| one.name == other.name && one.hash == other.hash;
        self.by_name.len() == other.by_name.len() && self.by_name.iter().zip(&other.by_name).all(same)
    }

    /// Asks about a pair.
    pub(super) fn ask(&self, credentials: &Credentials, now: Instant) -> Answer {
        let tag = self.secret.tag(credentials);
        let user = self.user(&credentials.user);
        let is_right = || user.is_some_and(|user| user.right.is(tag, &self.secret, now));
        if is_right() {
            return Answer::Known(true);
        }
        let mut asked = self.lock();
        // It may have been answered meanwhile.
        if is_right() {
            return Answer::Known(true);
        }
        if asked.wrong.has(tag, now) {
            return Answer::Known(false);
        }
        let (answer, wait) = oneshot::channel();
        let waiting = asked.waiting.entry(tag).or_default();
        waiting.push(answer);
        Answer::Later(wait, (waiting.len() == 1).then_some(tag))
    }

    /// What was found of a pair of this user; `None` if nobody has looked.
    pub(super) fn answer(&self, (name, tag): (&[u8], Tag), found: Option<bool>, now: Instant) {
        let waiting = {
            let mut asked = self.lock();
            match (found, self.user(name)) {
                (Some(true), Some(user)) => user.right.note(tag, &self.secret, now),
                (Some(_), _) => asked.wrong.note(tag, now),
                (None, _) => {}
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
        let known = self.user(&credentials.user);
        let decoy = self.by_name.get(self.secret.lot(&credentials.user, self.by_name.len()));
        let Some(tried) = known.or(decoy) else { return false };
        tried.hash.fits(&credentials.password) & known.is_some()
    }

    /// The name as the file has it.
    pub(super) fn name(&self, credentials: &Credentials) -> Option<Arc<str>> {
        self.user(&credentials.user).map(|user| Arc::clone(&user.name))
    }

    fn user(&self, name: &[u8]) -> Option<&User> {
        let place = self.by_name.binary_search_by(|user| user.name.as_bytes().cmp(name)).ok()?;
        self.by_name.get(place)
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

    fn secret() -> Secret {
        Secret::new([1; 16], Instant::now())
    }

    fn users() -> Users {
        let hash =
            bcrypt::hash_with_salt("sesame", 4, [7; 16]).unwrap().format_for_version(bcrypt::Version::TwoY);
        Users::new(htpasswd::read(&format!("ala:{hash}\n")).unwrap(), secret())
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
        users.answer((b"ala", tag), Some(true), now);
        assert_eq!((one.try_recv(), two.try_recv()), (Ok(true), Ok(true)));
        assert!(matches!(users.ask(&pair, now), Answer::Known(true)));
        let Answer::Later(mut late, Some(tag)) = users.ask(&pair, now + Duration::from_secs(3600)) else {
            panic!("it is forgotten")
        };
        users.answer((b"ala", tag), None, now);
        assert!(late.try_recv().is_err(), "nobody has looked");
    }

    /// Users of these names, all with this hash.
    fn many(names: impl Iterator<Item = String>, hash: char) -> Users {
        let hash = format!("$6$salt${}", hash.to_string().repeat(86));
        let lines: Vec<_> = names.map(|name| format!("{name}:{hash}")).collect();
        Users::new(htpasswd::read(&lines.join("\n")).unwrap(), secret())
    }

    /// Has a password be found right or wrong that is to be checked.
    fn checked(users: &Users, pair: &Credentials, fits: bool, now: Instant) {
        let Answer::Later(_, Some(tag)) = users.ask(pair, now) else { panic!("it is to be checked") };
        users.answer((&pair.user, tag), Some(fits), now);
    }

    fn is_known(users: &Users, pair: &Credentials, now: Instant) -> bool {
        matches!(users.ask(pair, now), Answer::Known(true))
    }

    #[test]
    fn however_many_are_in_each_is_checked_once() {
        const ACTIVE: usize = 20_000;
        let (users, start) = (many((0..ACTIVE).map(|number| format!("user{number}")), 'a'), Instant::now());
        let pair = |number: usize| credentials(&format!("user{number}"), "sesame");
        (0..ACTIVE).for_each(|number| checked(&users, &pair(number), true, start));
        // Of one whom everybody tries, and of ones whom nobody knows.
        for number in 0..6000 {
            checked(&users, &credentials("user7", &number.to_string()), false, start);
            checked(&users, &credentials(&number.to_string(), "sesame"), false, start);
        }
        for half_hours in 1..5 {
            let now = start + Duration::from_secs(1800 * half_hours);
            assert!((0..ACTIVE).all(|number| is_known(&users, &pair(number), now)), "{half_hours}");
        }
    }

    #[test]
    fn who_is_known_waits_for_no_lock() {
        let (users, now) = (Arc::new(users()), Instant::now());
        checked(&users, &credentials("ala", "sesame"), true, now);
        let held = users.lock();
        let (tell, told) = std::sync::mpsc::channel();
        let asks = Arc::clone(&users);
        let thread = std::thread::spawn(move || {
            let _ = tell.send(is_known(&asks, &credentials("ala", "sesame"), now));
        });
        assert_eq!(told.recv_timeout(Duration::from_secs(60)), Ok(true));
        drop(held);
        thread.join().unwrap();
    }

    #[test]
    fn who_keeps_a_password_stays_known_when_the_file_changes() {
        let now = Instant::now();
        let names = |names: &'static [&str]| names.iter().map(|name| (*name).to_owned());
        let old = many(names(&["ala", "bo"]), 'a');
        let pairs = ["ala", "bo"].map(|user| credentials(user, "sesame"));
        for pair in &pairs {
            checked(&old, pair, true, now);
        }
        let known = |users: &Users| pairs.each_ref().map(|pair| is_known(users, pair, now));
        assert_eq!(known(&many(names(&["ala", "cy"]), 'a').after(&old)), [true, false]);
        assert_eq!(known(&many(names(&["ala", "bo"]), 'b').after(&old)), [false, false], "others now");
    }
}
