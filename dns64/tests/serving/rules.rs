//! The numbered rules of DNS64, one test each or more, over real sockets at both ends.

mod cache;
mod cross;
mod dnssec;
mod exclusion;
mod message;
mod reverse;
mod special;
mod svcb;
mod synthesis;
mod trigger;

/// What every test's prefix makes of 192.0.2.1 at `v4.example.`.
const SYNTHESIZED: &str = "v4.example. 60 AAAA 2001:db8:64::c000:201";
