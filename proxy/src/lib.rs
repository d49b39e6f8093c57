//! causeway-proxy: tcp, http and udp listeners, on IPv6 above all, in front of pools of servers, on IPv4 above all.
//!
//! ```text
//!  file ---> reload: prepare, commit ---> snapshot (immutable, one pointer)
//!                                             |  read per connection and per request
//!  client --> listener --> identity --> opening +--> tcp --> dial --> relay ------------> member
//!                                               +--> http: guard, rules --> upstream ----> member
//!  client --> udp: flow of the client --> its socket ------------------------------------> member
//!                                             |  read per pick
//!  checks: one thread --> health -------------+
//!  log: one thread <-- lines <-- record of a connection that has ended
//! ```
//!
//! One thread per core does all of a connection. Pure modules decide and know no runtime: `listener::site`,
//! `listener::sources`, `pool::balance`, `pool::health`, `pool::check::http`, `pool::settings`, `http::framing`,
//! `http::guard`, `http::headers`, `http::forwarded`, `http::rules`, `http::deadlines`, `opening::names`, `opening::told`,
//! `shelves`, `tide`, `udp::flows`, `record` and what writes it, `message::content`, `message::leaving`, `http::http1::request`,
//! `http::http1::response`, `upstream::http1::request`, [`response`], [`cookies`],
//! [`proxy_protocol`], [`client_hello`]. The last four, [`heads`] and [`verdict`], are public for their fuzz targets.

mod accounts;
mod admin;
mod advice;
mod alarm;
mod app;
mod capacity;
pub mod client_hello;
mod clock;
pub mod cookies;
mod counts;
mod dial;
mod error;
mod files;
mod http;
mod identity;
mod linger;
mod listener;
mod log;
mod message;
mod metrics;
mod nested;
mod notes;
mod opening;
mod orders;
mod origination;
mod pool;
pub mod proxy_protocol;
mod rate;
mod record;
mod relay;
mod reload;
mod rests;
mod shelves;
mod shortage;
mod snapshot;
mod status;
mod stream;
mod tcp;
mod termination;
mod thread;
mod tide;
mod translated;
mod turn;
mod udp;
mod upstream;
mod words;
mod worker;

pub use app::App;
pub use error::Error;
pub use http::{heads, verdict};
pub use reload::Prepared;
pub use upstream::response;
