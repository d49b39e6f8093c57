//! gateway.toml: from text to one validated, plain model, and from two models to their difference.
//!
//! ```text
//! text --parse--> Loaded { model: Gateway, source: Source } --diff--> Diff
//!        \--> Diagnostics (every error at once: line, column, key path, what was expected, nearest key)
//! ```
//!
//! Pure but for [`load()`], which reads one file, and [`import::Kind::import`], which reads another program's. No runtime,
//! no log, no daemon's own rules: what a daemon cannot do yet it says itself, as a [`Refusal`] that [`Source`] gives a
//! place in the file.

pub mod defaults;
pub mod diff;
pub mod import;
pub mod keys;
pub mod model;

mod diagnostic;
mod domain;
mod literal;
mod load;
mod reader;
mod show;
mod source;
mod words;

pub use diagnostic::{Diagnostic, Diagnostics, Position, Refusal, Style};
pub use diff::{Change, Diff, diff};
pub use domain::{Domain, DomainError};
pub use load::{LoadError, Loaded, load, parse};
pub use model::{Gateway, Section};
pub use show::show;
pub use source::Source;
