//! named.conf, the file of BIND: what a forwarder with `dns64` says in it, BIND's errors about that, and what it is in
//! our words.
//!
//! ```text
//! text --lexer--> tokens --statement--> tree, includes in place --conf--> Conf --gateway--> model and notes
//!                     \---- the first error of syntax, or every error of meaning
//! ```
//!
//! Follows BIND 9.18 to 9.21. Pure but for `load`, which reads the file and what it includes. Zones that named serves
//! itself, recursion, keys and policies are not ours; each directive that is lost is a note.

mod acl;
mod conf;
mod dns64;
mod gateway;
mod lexer;
mod names;
mod scope;
mod server;
mod statement;
mod value;

#[cfg(test)]
mod tests;

use super::{ImportError, Imported};
use std::path::Path;

/// Reads the named.conf in `text`, called `file` in messages; `include` reads the files that it includes.
///
/// # Errors
/// One line for each error, in named-checkconf's words where it has any: the first of syntax, or all of meaning, or
/// what causeway cannot do.
pub fn import(
    text: &str,
    file: &str,
    include: &mut dyn FnMut(&Path) -> Result<String, String>,
) -> Result<Imported, Vec<String>> {
    let statements = statement::statements(text, file, include).map_err(|error| vec![error])?;
    let conf = conf::read(&statements)?;
    gateway::gateway(&conf, file)
}

/// Reads the file at `path` and what it includes. Paths of includes are relative to the file's folder.
pub(super) fn load(path: &Path) -> Result<Imported, ImportError> {
    let text =
        std::fs::read(path).map_err(|source| ImportError::Unreadable { path: path.to_owned(), source })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut include = |path: &Path| match std::fs::read(folder.join(path)) {
        Ok(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
        Err(error) => Err(error.to_string()),
    };
    import(&String::from_utf8_lossy(&text), &path.display().to_string(), &mut include)
        .map_err(ImportError::Refused)
}
