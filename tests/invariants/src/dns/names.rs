//! Hosts files and leases: what is read of them is what stands there, and no line takes another along.

use dns64::hosts::Hosts;
use dns64::hosts::line::{Form, Terms, read};
use dns64::hosts::table::{Builder, Lasting, MAX_ADDRESSES, Table};
use dns64::name::WireName;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// TTL in seconds of what stands in hosts files, and at most of leases.
const TTL: u32 = 60;

/// The Unix time of these files.
const NOW: u64 = 1_800_000_000;

/// Octets of memory that one octet of a file may cost: of the shortest line, two names with an address each.
const COST: usize = 256;

/// Judges a hosts file.
///
/// # Panics
/// When an invariant is broken.
pub fn check_hosts(input: &[u8]) {
    check(Form::Hosts, input);
}

/// Judges a file of leases.
///
/// # Panics
/// When an invariant is broken.
pub fn check_leases(input: &[u8]) {
    check(Form::Leases, input);
}

/// The first octet says whether names without a dot are put below a domain.
fn check(form: Form, input: &[u8]) {
    let Some((choice, text)) = input.split_first() else { return };
    let domain = wire_name("lan.example").filter(|_| choice & 1 != 0);
    let terms = Terms { domain: domain.as_ref(), ttl: TTL };
    let lasting = match form {
        Form::Hosts => Lasting::Ttl,
        Form::Leases => Lasting::Until { base: NOW, ttl: TTL },
    };
    let mut whole = Builder::new(lasting);
    let bad = read(form, text, terms, &mut whole);
    let lines = text.split(|octet| *octet == b'\n').count();
    assert!(bad.iter().all(|bad| (1..=lines).contains(&bad.number)), "{bad:?} of {lines} lines");
    assert!(bad.is_sorted_by_key(|bad| bad.number));
    let whole = served(form, whole.build());
    assert!(
        whole.table(form).bytes() <= (1 + text.len()) * COST + 4096,
        "{} octets",
        whole.table(form).bytes()
    );

    // Line by line it comes to the same.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut apart = Builder::new(lasting);
    let mut faults = Vec::new();
    for (index, line) in text.split(|octet| *octet == b'\n').enumerate() {
        // A mark at the start of a line that is not the first is no mark.
        let line = [b"\n", line].concat();
        faults.extend(
            read(form, &line, terms, &mut apart).iter().map(|bad| (index + bad.number - 1, bad.fault)),
        );
    }
    let apart = served(form, apart.build());
    assert_eq!(bad.iter().map(|bad| (bad.number, bad.fault)).collect::<Vec<_>>(), faults);
    let said = statements(form, text, domain.as_ref());
    for name in said.values().chain([&WireName::ROOT]) {
        let found = whole.hosts.find(name, NOW);
        assert_eq!(found, apart.hosts.find(name, NOW), "{name:?}");
        judge(&whole.hosts, name, found.as_ref(), &said);
    }
}

/// Names, by their octets in lower case and an address.
type Statements = HashMap<(Vec<u8>, IpAddr), WireName>;

/// Names that are served, all of one table.
struct Served {
    hosts: Hosts,
}

impl Served {
    fn table(&self, form: Form) -> &Table {
        match form {
            Form::Hosts => &self.hosts.fixed,
            Form::Leases => &self.hosts.leases,
        }
    }
}

fn served(form: Form, table: Table) -> Served {
    let (table, none) = (Arc::new(table), Arc::<Table>::default());
    let [fixed, leases] = match form {
        Form::Hosts => [table, none],
        Form::Leases => [none, table],
    };
    Served { hosts: Hosts { fixed, leases, ttl: TTL, files: Vec::new() } }
}

/// What is found of a name stands in the file, and is found back.
fn judge(hosts: &Hosts, name: &WireName, found: Option<&dns64::hosts::Found>, said: &Statements) {
    let Some(found) = found else { return };
    assert!(name.labels_below(b"\x09localhost\x00").is_none(), "{name:?} means whoever asks");
    assert!(!found.v4.is_empty() || !found.v6.is_empty(), "{name:?} is served without an address");
    assert!(found.v4.len() + found.v6.len() <= MAX_ADDRESSES);
    let v4 = found.v4.iter().map(|(v4, ttl)| (IpAddr::from(*v4), *ttl, hosts.name_of_v4(*v4, NOW)));
    let v6 = found.v6.iter().map(|(v6, ttl)| (IpAddr::from(*v6), *ttl, hosts.name_of_v6(*v6, NOW)));
    for (address, ttl, back) in v4.chain(v6) {
        assert!(said.contains_key(&said_of(name, address)), "{address} of {name:?} stands nowhere");
        assert!((1..=TTL).contains(&ttl), "{ttl} s");
        if let Some((first, ttl)) = back {
            let of_first = hosts.find(&first, NOW).expect("a name that an address leads back to is served");
            let has = of_first.v4.iter().any(|(v4, _)| IpAddr::from(*v4) == address)
                || of_first.v6.iter().any(|(v6, _)| IpAddr::from(*v6) == address);
            assert!(has && ttl >= 1, "{address} leads back to {first:?}");
        }
    }
}

/// What the file says at most, by a reading of its own: every pair of an address and a word of the same line.
fn statements(form: Form, text: &[u8], domain: Option<&WireName>) -> Statements {
    let mut said = Statements::new();
    for line in text.split(|octet| *octet == b'\n').map(String::from_utf8_lossy) {
        let line: &str = &line;
        let line = if form == Form::Hosts { line.split('#').next().unwrap_or_default() } else { line };
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let (address, names) = match (form, &words[..]) {
            (Form::Hosts, [address, names @ ..]) => (address, names),
            (Form::Leases, [_, _, address, name, ..]) => (address, std::slice::from_ref(name)),
            _ => continue,
        };
        let Ok(address) = address.parse::<IpAddr>() else { continue };
        for name in names.iter().filter_map(|name| wire_name(name.strip_suffix('.').unwrap_or(name))) {
            let below = domain.map(|domain| WireName::from_labels(name.labels().chain(domain.labels())));
            for name in [name].into_iter().chain(below.and_then(Result::ok)) {
                said.insert(said_of(&name, address.to_canonical()), name);
            }
        }
    }
    said
}

fn said_of(name: &WireName, address: IpAddr) -> (Vec<u8>, IpAddr) {
    (name.as_bytes().to_ascii_lowercase(), address)
}

fn wire_name(text: &str) -> Option<WireName> {
    WireName::from_labels(text.split('.').map(str::as_bytes)).ok()
}
