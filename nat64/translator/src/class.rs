//! What becomes of the octet that IPv4 calls Type of Service and IPv6 calls Traffic Class (RFC 7915 §4.1, §5.1).

/// How the octet of a translated packet comes about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Class {
    /// All eight bits are copied (RFC 2474 gives them the same meaning in both families).
    #[default]
    Copy,
    /// Always this octet, whatever arrived. The two ECN bits are part of it, so marks of congestion that were set in
    /// front of the translator are lost.
    Set(u8),
}

impl Class {
    /// The octet for a packet that arrived with `octet`.
    pub(crate) const fn of(self, octet: u8) -> u8 {
        match self {
            Self::Copy => octet,
            Self::Set(octet) => octet,
        }
    }
}
