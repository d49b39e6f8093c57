//! Clients behind a translator, in whose addresses an IPv4 address stands (RFC 6052 §2.2). Pure.
//!
//! A translator puts all of IPv4 behind one prefix, which lies in one /64 as a rule: by their networks its clients would
//! be one. So whatever counts clients, or knows them again, goes by [`Translated::counted`]; whatever allows, denies or
//! names them goes by the address that they come from.

use addr::{Prefix64, fold_mapped};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// The prefixes that are known to be translators'.
#[derive(Clone, Debug)]
pub(crate) struct Translated(Arc<[Prefix64]>);

impl Translated {
    /// The Well-Known Prefix, and those of this gateway.
    pub(crate) fn new(own: impl IntoIterator<Item = Prefix64>) -> Self {
        Self(std::iter::once(Prefix64::WELL_KNOWN).chain(own).collect())
    }

    /// The IPv4 address that stands in this one.
    pub(crate) fn embedded(&self, client: IpAddr) -> Option<Ipv4Addr> {
        let IpAddr::V6(client) = client else { return None };
        self.0.iter().find_map(|prefix| prefix.extract(client))
    }

    /// The address that a client counts under: the IPv4 address where one stands in its own. IPv4-mapped addresses are
    /// IPv4.
    pub(crate) fn counted(&self, client: IpAddr) -> IpAddr {
        let client = fold_mapped(client);
        self.embedded(client).map_or(client, IpAddr::V4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_of_a_translator_count_by_their_ipv4_addresses() {
        let own = ["2001:db8:64::/96", "2001:db8:100::/40"];
        let translated = Translated::new(own.map(|prefix| prefix.parse().unwrap()));
        let check = |client: &str, expect: &str| {
            assert_eq!(
                translated.counted(client.parse().unwrap()),
                expect.parse::<IpAddr>().unwrap(),
                "{client}"
            );
        };
        check("64:ff9b::192.0.2.1", "192.0.2.1");
        check("2001:db8:64::192.0.2.2", "192.0.2.2");
        check("2001:db8:1c0:2:3::9", "192.0.2.3");
        check("::ffff:192.0.2.4", "192.0.2.4");
        check("192.0.2.5", "192.0.2.5");
        check("2001:db8:65::192.0.2.6", "2001:db8:65::192.0.2.6");
    }
}
