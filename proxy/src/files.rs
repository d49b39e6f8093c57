//! What a configuration reads from other files: certificates, authorities, users, pages.
//!
//! Read when it is prepared, so that a reload takes what stands there then, and a file that cannot be used is a refusal.

use crate::error::Error;
use crate::http::auth::{self, Books};
use crate::http::pages::{self, Shelf};
use crate::origination::{self, Originations};
use crate::termination::{self, Terminations};
use config::Refusal;
use config::model::Proxy;

/// All of it. What says the same as before is kept.
#[derive(Debug, Default)]
pub(crate) struct Files {
    /// How listeners speak TLS that do, by their names.
    pub(crate) terminations: Terminations,
    /// How members are spoken to in pools with TLS, by the names of these.
    pub(crate) originations: Originations,
    /// Who may log in.
    pub(crate) books: Books,
    /// Pages of errors.
    pub(crate) shelf: Shelf,
}

impl Files {
    pub(crate) fn load(proxy: &Proxy, current: Option<&Self>) -> Result<Self, Error> {
        Ok(Self {
            terminations: termination::load(proxy, current.map(|current| &current.terminations))?,
            originations: origination::load(proxy, current.map(|current| &current.originations))?,
            books: Books::load(proxy, current.map(|current| &current.books))?,
            shelf: pages::load(proxy)?,
        })
    }

    /// What the files say otherwise than these, one line each.
    pub(crate) fn changed(&self, proxy: &Proxy) -> Vec<String> {
        let mut changed = termination::changed(proxy, &self.terminations);
        changed.extend(origination::changed(proxy, &self.originations));
        changed.extend(self.books.changed());
        changed.extend(pages::changed(&self.shelf));
        changed
    }
}

/// The files that cannot be used.
pub(crate) fn refusals(proxy: &Proxy) -> Vec<Refusal> {
    let mut all = termination::refusals(proxy);
    all.extend(origination::refusals(proxy));
    all.extend(auth::refusals(proxy));
    all.extend(pages::refusals(proxy));
    all
}
