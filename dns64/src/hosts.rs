//! The names that are served here: single hosts of the configuration, hosts files and leases.
//!
//! Two tables, of which the first that has an address of a family for a name decides: what an operator wrote goes
//! before what a DHCP server learnt, as in dnsmasq. The module `line` reads files, `table` holds what they say, and
//! `answer` turns it into replies: A, AAAA (RFC 6147 §5.1 where there is none), PTR, and no data of every other
//! type. Hosts files know no wildcards, so there are none. `source` gathers what the configuration and its
//! files name, and `watch` does so again when they change; all else here is pure.

mod answer;
pub mod line;
mod report;
pub mod source;
pub mod table;
pub(crate) mod watch;

pub(crate) use answer::{answer, pointing_to};
pub(crate) use report::Report;
pub use report::{BadReport, FileReport};

use crate::name::WireName;
use line::Form;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use table::Table;

/// Every name that is served here.
#[derive(Debug, Default)]
pub struct Hosts {
    /// Of the configuration and of hosts files.
    pub fixed: Arc<Table>,
    /// Of leases.
    pub leases: Arc<Table>,
    /// How long clients may keep that a name has no records of a type, in seconds.
    pub ttl: u32,
    /// The files that they come from.
    pub files: Vec<FileReport>,
}

/// The addresses of a name, each with its TTL in seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// A records.
    pub v4: Vec<(Ipv4Addr, u32)>,
    /// AAAA records.
    pub v6: Vec<(Ipv6Addr, u32)>,
}

impl Hosts {
    /// How many lines of files of this form cannot be read.
    pub fn bad_lines(&self, form: Form) -> usize {
        self.files.iter().filter(|file| file.form == form).map(|file| file.bad_lines).sum()
    }

    /// What is told of them.
    pub(crate) fn report(&self) -> Report<'_> {
        Report {
            hosts: self.fixed.len(),
            leases: self.leases.len(),
            bytes: self.fixed.bytes() + self.leases.bytes(),
            files: &self.files,
        }
    }

    /// The tables in the order in which they are asked.
    fn tables(&self) -> [&Table; 2] {
        [&*self.fixed, &*self.leases]
    }

    /// Whether nothing is served.
    pub fn is_empty(&self) -> bool {
        self.tables().iter().all(|table| table.is_empty())
    }

    /// Whether answers depend on the time.
    pub fn is_dated(&self) -> bool {
        !self.leases.is_empty()
    }

    /// The addresses of `name` at `now`, a Unix time in seconds; `None` where it is not served.
    pub fn find(&self, name: &WireName, now: u64) -> Option<Found> {
        if self.is_empty() {
            return None;
        }
        let folded = name.lowered();
        let mut found: Option<Found> = None;
        for entry in self.tables().iter().filter_map(|table| table.find(&folded, now)) {
            let found = found.get_or_insert_default();
            if found.v4.is_empty() {
                found.v4.extend(entry.v4());
            }
            if found.v6.is_empty() {
                found.v6.extend(entry.v6());
            }
        }
        found
    }

    /// Whether a name below `name` is served.
    pub fn is_above(&self, name: &WireName) -> bool {
        if self.is_empty() {
            return false;
        }
        let folded = name.lowered();
        self.tables().iter().any(|table| table.is_above(&folded))
    }

    /// The name that an IPv4 address leads back to, and its TTL.
    pub fn name_of_v4(&self, address: Ipv4Addr, now: u64) -> Option<(WireName, u32)> {
        self.tables().iter().find_map(|table| table.name_of_v4(address, now))
    }

    /// The name that an IPv6 address leads back to, and its TTL.
    pub fn name_of_v6(&self, address: Ipv6Addr, now: u64) -> Option<(WireName, u32)> {
        self.tables().iter().find_map(|table| table.name_of_v6(address, now))
    }
}

#[cfg(test)]
pub(crate) mod tests;
