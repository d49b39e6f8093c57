//! Threads that check passwords, apart from the workers and behind them: a check may take a second of
//! processor time and more.
//!
//! Few wait, and few of each source among them, so that a flood of wrong passwords costs others nothing but the place
//! of one who is not known yet.

use super::credentials::Credentials;
use super::remembered::Tag;
use super::users::Users;
use crate::accounts::source;
use config::defaults::{SOURCE_PREFIX_V4, SOURCE_PREFIX_V6};
use rustix::process::setpriority_process;
use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

/// Checks that wait.
const MOST: usize = 64;
/// Of one source, those under work among them.
const MOST_OF_ONE: usize = 8;
/// How much less than others the threads get: a tenth of what a worker gets of a processor that both want.
const NICENESS: i32 = 10;

/// A check to be made.
pub(super) struct Job {
    pub(super) users: Arc<Users>,
    pub(super) credentials: Credentials,
    pub(super) tag: Tag,
    pub(super) client: Option<IpAddr>,
}

/// Why a check is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// As many of its source wait or are under work as may.
    Source,
    /// As many wait as may.
    All,
}

/// What is to be checked. Dropping it ends the threads.
pub(crate) struct Verifier(Arc<Queue>);

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Queue {
    line: Mutex<Line>,
    changed: Condvar,
}

#[derive(Default)]
struct Line {
    jobs: VecDeque<(Option<IpAddr>, Job)>,
    /// Whose jobs are under work.
    under_work: Vec<Option<IpAddr>>,
    closed: bool,
}

impl Verifier {
    /// Starts so many threads, at least one.
    pub(super) fn start(threads: usize) -> io::Result<Self> {
        let verifier = Self(Arc::default());
        for _ in 0..threads.max(1) {
            let queue = Arc::clone(&verifier.0);
            thread::Builder::new().name("passwords".to_owned()).spawn(move || queue.work())?;
        }
        Ok(verifier)
    }

    /// Has a check made. Whoever waits for it is told by [`Users::answer`], and if it is not taken as well.
    pub(super) fn order(&self, job: Job) -> Result<(), Full> {
        let from = job.client.map(|client| source(client, SOURCE_PREFIX_V6, SOURCE_PREFIX_V4));
        let full = {
            let mut line = self.0.lock();
            let sources = line.jobs.iter().map(|(source, _)| source).chain(&line.under_work);
            let of_one = sources.filter(|source| **source == from).count();
            if of_one < MOST_OF_ONE && line.jobs.len() < MOST {
                line.jobs.push_back((from, job));
                self.0.changed.notify_one();
                return Ok(());
            }
            if of_one < MOST_OF_ONE { Full::All } else { Full::Source }
        };
        job.users.answer((&job.credentials.user, job.tag), None, Instant::now());
        Err(full)
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_all();
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<(Option<IpAddr>, Job)> {
        let mut line = self.lock();
        loop {
            if let Some((from, job)) = line.jobs.pop_front() {
                line.under_work.push(from);
                return Some((from, job));
            }
            if line.closed {
                return None;
            }
            line = self.changed.wait(line).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A job from there is under work no more.
    fn done(&self, from: Option<IpAddr>) {
        let mut line = self.lock();
        if let Some(place) = line.under_work.iter().position(|source| *source == from) {
            line.under_work.swap_remove(place);
        }
    }

    fn work(&self) {
        // Of this thread alone, as Linux has it. Without it the work is done all the same.
        if let Err(error) = setpriority_process(None, NICENESS) {
            tracing::warn!(%error, "passwords are checked with the priority of everything else");
        }
        while let Some((from, Job { users, credentials, tag, .. })) = self.next() {
            let found = catch_unwind(AssertUnwindSafe(|| users.check(&credentials)));
            self.done(from);
            users.answer((&credentials.user, tag), found.ok(), Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::htpasswd;
    use super::super::remembered::Secret;
    use super::super::users::Answer;
    use super::*;

    fn users() -> Arc<Users> {
        let hash =
            bcrypt::hash_with_salt("sesame", 4, [7; 16]).unwrap().format_for_version(bcrypt::Version::TwoY);
        Arc::new(Users::new(
            htpasswd::read(&format!("ala:{hash}\n")).unwrap(),
            Secret::new([1; 16], Instant::now()),
        ))
    }

    fn order(
        verifier: &Verifier,
        users: &Arc<Users>,
        password: &str,
        client: &str,
    ) -> (Answer, Result<(), Full>) {
        let pair = || Credentials { user: b"ala".to_vec(), password: password.into() };
        let answer = users.ask(&pair(), Instant::now());
        let Answer::Later(_, Some(tag)) = answer else { panic!("{password} is known") };
        let job = Job { users: Arc::clone(users), credentials: pair(), tag, client: client.parse().ok() };
        (answer, verifier.order(job))
    }

    #[test]
    fn passwords_are_checked_elsewhere() {
        let (verifier, users) = (Verifier::start(1).unwrap(), users());
        for (password, expect) in [("sesame", true), ("wrong", false)] {
            let (Answer::Later(wait, _), taken) = order(&verifier, &users, password, "2001:db8::1") else {
                panic!()
            };
            assert_eq!((taken, wait.blocking_recv()), (Ok(()), Ok(expect)), "{password}");
        }
    }

    #[test]
    fn what_is_under_work_counts_for_its_source() {
        // Nobody works but this test.
        let (verifier, users) = (Verifier(Arc::default()), users());
        let order = |number: usize| order(&verifier, &users, &number.to_string(), "192.0.2.1").1;
        assert_eq!(order(0), Ok(()));
        let (from, _job) = verifier.0.next().unwrap();
        for number in 1..MOST_OF_ONE {
            assert_eq!(order(number), Ok(()));
        }
        assert_eq!(order(MOST_OF_ONE), Err(Full::Source));
        verifier.0.done(from);
        assert_eq!(order(MOST_OF_ONE), Ok(()));
    }

    #[test]
    fn a_flood_of_one_source_leaves_room_for_others() {
        // Nobody works.
        let (verifier, users) = (Verifier(Arc::default()), users());
        for number in 0..MOST_OF_ONE {
            let client = format!("2001:db8::{number:x}");
            assert_eq!(order(&verifier, &users, &number.to_string(), &client).1, Ok(()));
        }
        let (Answer::Later(mut wait, _), refused) = order(&verifier, &users, "more", "2001:db8::ffff") else {
            panic!()
        };
        assert_eq!(refused, Err(Full::Source));
        assert!(
            wait.try_recv().is_err_and(|error| error == tokio::sync::oneshot::error::TryRecvError::Closed)
        );
        for number in MOST_OF_ONE..MOST {
            let client = format!("192.0.2.{number}");
            assert_eq!(order(&verifier, &users, &number.to_string(), &client).1, Ok(()));
        }
        assert_eq!(order(&verifier, &users, "late", "198.51.100.1").1, Err(Full::All));
    }
}
