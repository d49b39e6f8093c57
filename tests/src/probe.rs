//! What a client tries: each probe opens its sockets where it is called, so call it through
//! [`crate::namespace::Namespace::run`]; it tells what it saw, and judges nothing but its own transport.

pub mod dns;
pub mod icmp;
pub mod packet;
pub mod tcp;
pub mod udp;

use std::time::Duration;

/// How long a probe waits for an answer.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(5);
