//! The zones: every shape of answer that DNS64 can meet, once without signatures and once with.

/// The zones' names; the second one is signed.
pub(crate) const ZONES: [&str; 2] = ["plain.example", "signed.example"];

/// The zone of the reverse names of some addresses.
pub(crate) const REVERSE: &str = "100.51.198.in-addr.arpa";

/// Names in either zone and their records; `$` is the zone.
const RECORDS: &[(&str, &str)] = &[
    ("v4", "A 198.51.100.1"),
    ("v4s", "A 198.51.100.1\n A 198.51.100.2\n A 198.51.100.3"),
    ("v6", "AAAA 2001:db8:1::1"),
    ("both", "A 198.51.100.4\n AAAA 2001:db8:1::4"),
    ("mapped", "AAAA ::ffff:198.51.100.5"),
    ("mapped-and-v4", "A 198.51.100.6\n AAAA ::ffff:198.51.100.6"),
    ("partly", "A 198.51.100.7\n AAAA ::ffff:198.51.100.7\n AAAA 2001:db8:1::7"),
    ("text", "TXT \"nothing else\""),
    ("mail", "MX 10 v4.$."),
    ("service", "HTTPS 1 . ipv4hint=198.51.100.8\n A 198.51.100.8"),
    ("private", "A 10.0.0.1"),
    ("documentation", "A 192.0.2.9"),
    ("loopback", "A 127.0.0.1"),
    ("link-local", "A 169.254.169.254"),
    ("mixed", "A 127.0.0.1\n A 198.51.100.9"),
    ("alias-v4", "CNAME v4.$."),
    ("alias-v6", "CNAME v6.$."),
    ("alias-both", "CNAME both.$."),
    ("alias-mapped", "CNAME mapped-and-v4.$."),
    ("alias-text", "CNAME text.$."),
    ("alias-missing", "CNAME missing.$."),
    ("alias-twice", "CNAME alias-v4.$."),
    ("loop-a", "CNAME loop-b.$."),
    ("loop-b", "CNAME loop-a.$."),
    ("tree", "DNAME target.$."),
    ("www.target", "A 198.51.100.10"),
    ("*.wild", "A 198.51.100.11"),
    ("deep.below", "A 198.51.100.12"),
    ("Case", "A 198.51.100.13"),
    ("soon", "0 A 198.51.100.14"),
];

/// The names that are asked for, below either zone: most have records of their own.
pub(crate) const NAMES: &[&str] = &[
    "v4",
    "v4s",
    "v6",
    "both",
    "mapped",
    "mapped-and-v4",
    "partly",
    "text",
    "mail",
    "service",
    "private",
    "documentation",
    "loopback",
    "link-local",
    "mixed",
    "alias-v4",
    "alias-v6",
    "alias-both",
    "alias-mapped",
    "alias-text",
    "alias-missing",
    "alias-twice",
    "loop-a",
    "www.tree",
    "any.wild",
    "below",
    "cASE",
    "soon",
    "missing",
    "many",
];

/// A records of the name `many`, more than a datagram holds once they are AAAA records.
const MANY: u8 = 60;

/// The text of a zone.
pub(crate) fn zone(name: &str) -> String {
    let records = RECORDS.iter().map(|(owner, records)| format!("{owner} {}\n", records.replace('$', name)));
    let many = (1..=MANY).map(|last| format!("many A 203.0.113.{last}\n"));
    std::iter::once(head(name)).chain(records).chain(many).collect()
}

/// The text of the reverse zone.
pub(crate) fn reverse() -> String {
    format!("{}1 PTR v4.{}.\n", head(REVERSE), ZONES[0])
}

fn head(name: &str) -> String {
    format!(
        "$ORIGIN {name}.\n$TTL 300\n@ SOA ns.{name}. admin.{name}. 1 3600 600 86400 120\n@ NS ns.{}.\nns A 192.0.2.53\n",
        ZONES[0]
    )
}
