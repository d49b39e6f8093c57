//! What is mapped already: two entries for the same IPv4 prefix conflict, and so do any two IPv6 prefixes that overlap.

use ipnet::{Ipv4Net, Ipv6Net};

/// Where an entry comes from; none for what stands on no line that Tayga names.
type Origin = Option<usize>;

/// The entries of both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    v4: Vec<(Ipv4Net, Origin)>,
    v6: Vec<(Ipv6Net, Origin)>,
}

impl Table {
    /// Enters an IPv4 prefix; `what` begins the message if it is there already.
    pub(super) fn enter_v4(&mut self, net: Ipv4Net, origin: Origin, what: &str) -> Result<(), String> {
        if let Some((old, from)) = self.v4.iter().find(|(old, _)| old.trunc() == net.trunc()) {
            return Err(format!("Error: {what} conflicts with earlier definition of {old}{}", place(*from)));
        }
        self.v4.push((net, origin));
        Ok(())
    }

    /// Enters an IPv6 prefix; `what` begins the message if another one overlaps it.
    pub(super) fn enter_v6(&mut self, net: Ipv6Net, origin: Origin, what: &str) -> Result<(), String> {
        let overlaps = |old: &Ipv6Net| old.contains(&net.network()) || net.contains(&old.network());
        if let Some((old, from)) = self.v6.iter().find(|(old, _)| overlaps(old)) {
            return Err(format!("Error: {what} overlaps with earlier definition of {old}{}", place(*from)));
        }
        self.v6.push((net, origin));
        Ok(())
    }
}

fn place(origin: Origin) -> String {
    origin.map_or(String::new(), |line| format!(" from line {line}"))
}
