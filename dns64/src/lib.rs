//! causeway-dns64: answers AAAA questions for names that only have A records (RFC 6147).
//!
//! ```text
//!                       pure                                        shell
//!  datagram --question--> Question --plan--> Local ----------------------------------> reply --> client
//!                                       \--> Forward / Synthesize / Reverse --> upstream (AAAA, A, PTR)
//!                                                       Answer or Failure <------------/
//!                                            synth / reverse --> reply ----------------> client
//! ```
//!
//! Pure modules take octets, addresses and outcomes and give values: [`question`], [`name`], [`policy`], [`plan`],
//! [`answer`], [`synth`], [`reply`] and what they are made of. They name message types of hickory-proto and nothing
//! else of hickory, and know no runtime, socket, clock or log. The shell around them asks, waits and counts.

mod accept;
mod admin;
pub mod answer;
mod app;
mod arpa;
pub mod cache;
mod certificate;
mod chain;
mod designated;
pub mod domain;
pub mod encryption;
pub mod error;
mod explain;
mod flight;
mod flush;
pub mod gate;
mod handshake;
pub mod hints;
pub mod hosts;
mod https;
mod ipv4only;
mod job;
mod lead;
pub mod lifetime;
pub mod listen;
mod lookup;
mod loops;
pub mod metrics;
pub mod name;
mod own_address;
pub mod plan;
pub mod policy;
pub mod query;
mod query_log;
pub mod question;
mod quic;
pub mod quota;
pub mod rebind;
mod reload;
mod renewal;
pub mod reply;
pub mod resolver;
pub mod reverse;
pub mod snapshot;
pub mod special;
mod status;
mod stream;
pub mod synth;
mod ttl;
mod udp;
pub mod upstream;
mod wire;
pub mod worker;
mod zone;

pub use app::App;
