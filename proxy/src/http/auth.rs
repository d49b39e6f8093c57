//! Basic authentication (RFC 7617): who may pass a rule.
//!
//! ```text
//! Authorization -> credentials -> remembered? -- yes --------------> passes or not
//!                                   | no                                 ^
//!                                   +--> verifier: thread of its own ----+
//! ```
//!
//! Files are read when a configuration is prepared, and what is remembered of a user lives as long as they say the
//! same of it.

mod credentials;
mod htpasswd;
mod remembered;
mod users;
mod verifier;

pub(crate) use users::UsersError;

use super::answer::{self, Turned};
use crate::error::Error;
use config::Refusal;
use config::model::{Auth, Proxy};
use credentials::Credentials;
use hyper::header::{HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time;
use users::{Answer, Users};
use verifier::{Full, Job, Verifier};

/// Everybody that a configuration knows, by file, and who checks their passwords.
#[derive(Debug, Default)]
pub(crate) struct Books {
    by_file: BTreeMap<PathBuf, Arc<Users>>,
    verifier: Option<Arc<Verifier>>,
}

/// The `auth` of one rule.
#[derive(Debug)]
pub(crate) struct Guard {
    /// Without them nobody passes.
    desk: Option<(Arc<Users>, Arc<Verifier>)>,
    challenge: HeaderValue,
    /// Whether members get the password as well.
    pub(crate) forward: bool,
}

/// Every `auth`, with the path of its key.
fn asked(proxy: &Proxy) -> impl Iterator<Item = (String, &Auth)> {
    proxy.listener.iter().enumerate().flat_map(|(listener, of)| {
        of.rule.iter().enumerate().filter_map(move |(rule, of)| {
            Some((format!("proxy.listener[{listener}].rule[{rule}].auth"), of.auth.as_ref()?))
        })
    })
}

impl Books {
    /// Reads every file; one that says the same as in `current` is kept.
    pub(crate) fn load(proxy: &Proxy, current: Option<&Self>) -> Result<Self, Error> {
        let mut books = Self::default();
        for (_, Auth { users: file, .. }) in asked(proxy) {
            if books.by_file.contains_key(file) {
                continue;
            }
            let new = Users::load(file).map_err(|source| Error::Users { file: file.clone(), source })?;
            let users = match current.and_then(|current| current.by_file.get(file)) {
                Some(old) if old.is_same(&new) => Arc::clone(old),
                Some(old) => Arc::new(new.after(old)),
                None => Arc::new(new),
            };
            books.by_file.insert(file.clone(), users);
        }
        if !books.by_file.is_empty() {
            let running = current.and_then(|current| current.verifier.clone());
            let start = || Verifier::start(service::cores() / 2).map(Arc::new);
            let part = || "the thread for passwords".to_owned();
            let verifier = running.map_or_else(start, Ok);
            books.verifier = Some(verifier.map_err(|cause| Error::Thread { part: part(), cause })?);
        }
        Ok(books)
    }

    /// What the files say otherwise, one line each.
    pub(crate) fn changed(&self) -> Vec<String> {
        let changed = self
            .by_file
            .iter()
            .filter(|(file, users)| Users::load(file).map_or(true, |new| !users.is_same(&new)));
        changed.map(|(file, _)| format!("{} has other users", file.display())).collect()
    }

    pub(crate) fn guard(&self, auth: &Auth) -> Guard {
        let challenge = format!("Basic realm=\"{}\", charset=\"UTF-8\"", auth.realm);
        Guard {
            desk: self.by_file.get(&auth.users).cloned().zip(self.verifier.clone()),
            challenge: HeaderValue::from_str(&challenge).expect("a realm is visible ASCII"),
            forward: auth.forward,
        }
    }
}

/// The files that cannot be used.
pub(crate) fn refusals(proxy: &Proxy) -> Vec<Refusal> {
    let fault = |file: &Path| Users::load(file).err();
    let refusal = |(path, auth): (String, &Auth)| {
        let fault = fault(&auth.users)?;
        let help = match fault {
            UsersError::Unreadable(_) => "let the daemon read it, or name another file",
            UsersError::Large => "split it by rules",
            UsersError::Line(_) => "",
        };
        Some(Refusal {
            path: format!("{path}.users"),
            message: format!("{}: {fault}", auth.users.display()),
            help: help.to_owned(),
        })
    };
    asked(proxy).filter_map(refusal).collect()
}

impl Guard {
    /// The name that a client has logged in with. It waits so long for its password to be checked, which is checked all
    /// the same.
    pub(super) async fn admit(
        &self,
        client: Option<IpAddr>,
        headers: &HeaderMap,
        patience: Duration,
    ) -> Result<Arc<str>, Turned> {
        let (Some(credentials), Some((users, verifier))) = (Credentials::of(headers), &self.desk) else {
            return Err(self.challenge(answer::NO_CREDENTIALS));
        };
        let name = users.name(&credentials);
        let wait = match users.ask(&credentials, Instant::now()) {
            Answer::Known(fits) => Err(fits),
            Answer::Later(wait, None) => Ok(wait),
            Answer::Later(wait, Some(tag)) => {
                let job = Job { users: Arc::clone(users), credentials, tag, client };
                verifier.order(job).map_err(|full| match full {
                    Full::Source => soon(answer::MANY_PASSWORDS),
                    Full::All => soon(answer::BUSY_WITH_PASSWORDS),
                })?;
                Ok(wait)
            }
        };
        let fits = match wait {
            Err(known) => Some(known),
            Ok(wait) => time::timeout(patience, wait).await.ok().and_then(Result::ok),
        };
        match (fits, name) {
            (Some(true), Some(name)) => Ok(name),
            (Some(_), _) => Err(self.challenge(answer::BAD_CREDENTIALS)),
            (None, _) => Err(soon(answer::BUSY_WITH_PASSWORDS)),
        }
    }

    fn challenge(&self, answer: answer::Answer) -> Turned {
        Turned { answer, field: Some((WWW_AUTHENTICATE, self.challenge.clone())) }
    }
}

fn soon(answer: answer::Answer) -> Turned {
    Turned { answer, field: Some((RETRY_AFTER, HeaderValue::from_static("1"))) }
}
