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

pub mod answer;
mod ipv4only;
pub mod name;
pub mod plan;
pub mod policy;
pub mod question;
pub mod reply;
mod reverse;
mod special;
pub mod synth;
mod wire;
mod zone;
