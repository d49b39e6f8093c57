//! causeway-nat64: translates between IPv6 and IPv4 on a TUN device (RFC 7915).

pub mod device;
pub mod keeper;
pub mod lease;
pub mod link;
pub mod persist;
pub mod pool;
pub mod routes;

#[cfg(test)]
mod netns;
