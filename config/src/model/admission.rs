//! Who may ask dns64, and how much.

use ipnet::IpNet;

/// The keys of `[dns64]` about who is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// `allow_from`: source addresses that are answered, at least one; `None` is everyone. IPv4-mapped sources count
    /// as IPv4.
    pub allow_from: Option<Vec<IpNet>>,
    /// `denied`.
    pub denied: Denied,
    /// `response_rate`: responses of one kind a second to one network of clients, 0 to 10000; 0 is no limit.
    pub response_rate: u16,
    /// `cookies` (RFC 7873).
    pub cookies: bool,
    /// `nsid`: what clients are told that ask which server it is (RFC 5001).
    pub nsid: Option<String>,
}

/// `dns64.denied`: what becomes of questions from elsewhere than `allow_from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// They are answered REFUSED, with the reason.
    Refuse,
    /// They are not answered.
    Drop,
}
