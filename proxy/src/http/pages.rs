//! Pages in the place of the short texts that the proxy itself answers with.

use crate::error::Error;
use bytes::Bytes;
use config::Refusal;
use config::model::{Listener, Proxy};
use hyper::StatusCode;
use hyper::header::HeaderValue;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What an answer fits into that is written at one go.
const LARGEST: u64 = 64 << 10;
/// What files are, by the ends of their names.
const TYPES: [(&str, &str); 3] =
    [("txt", "text/plain; charset=utf-8"), ("json", "application/json"), ("xml", "application/xml")];
const HTML: &str = "text/html; charset=utf-8";

/// One page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) content_type: HeaderValue,
    pub(crate) body: Bytes,
}

/// The pages of one listener.
pub(crate) type Pages = HashMap<StatusCode, Page>;

/// All pages of a configuration, by file.
pub(crate) type Shelf = BTreeMap<PathBuf, Page>;

/// Why a page cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It has more than it may.
    #[error("it has more than 64 KiB")]
    Large,
}

impl Page {
    fn load(file: &Path) -> Result<Self, PageError> {
        let mut body = Vec::new();
        let read = File::open(file)?.take(LARGEST + 1).read_to_end(&mut body)?;
        if read as u64 > LARGEST {
            return Err(PageError::Large);
        }
        let end = file.extension().and_then(|end| end.to_str()).unwrap_or_default();
        let content_type = TYPES.iter().find(|(known, _)| *known == end).map_or(HTML, |(_, kind)| kind);
        Ok(Self { content_type: HeaderValue::from_static(content_type), body: body.into() })
    }
}

/// Reads the pages of all listeners.
pub(crate) fn load(proxy: &Proxy) -> Result<Shelf, Error> {
    let files = proxy.listener.iter().flat_map(|listener| listener.errors.values());
    let page = |file: &PathBuf| {
        let page = Page::load(file).map_err(|source| Error::Page { file: file.clone(), source })?;
        Ok((file.clone(), page))
    };
    files.map(page).collect()
}

/// Those of one listener.
pub(crate) fn of(listener: &Listener, shelf: &Shelf) -> Pages {
    let page = |(status, file): (&u16, &PathBuf)| {
        Some((StatusCode::from_u16(*status).ok()?, shelf.get(file)?.clone()))
    };
    listener.errors.iter().filter_map(page).collect()
}

/// The files that cannot be used.
pub(crate) fn refusals(proxy: &Proxy) -> Vec<Refusal> {
    let listeners = proxy.listener.iter().enumerate();
    let pages = listeners.flat_map(|(place, listener)| listener.errors.iter().map(move |page| (place, page)));
    let refusal = |(place, (status, file)): (usize, (&u16, &PathBuf))| {
        let fault = Page::load(file).err()?;
        let help = match fault {
            PageError::Unreadable(_) => "let the daemon read it, or name another file",
            PageError::Large => "let it refer to pictures and styles, and not have them in itself",
        };
        Some(Refusal {
            path: format!("proxy.listener[{place}].errors.{status}"),
            message: format!("{}: {fault}", file.display()),
            help: help.to_owned(),
        })
    };
    pages.filter_map(refusal).collect()
}

/// What the files say otherwise, one line each.
pub(crate) fn changed(served: &Shelf) -> Vec<String> {
    let changed = served.iter().filter(|(file, page)| Page::load(file).map_or(true, |new| new != **page));
    changed.map(|(file, _)| format!("{} is another page", file.display())).collect()
}
