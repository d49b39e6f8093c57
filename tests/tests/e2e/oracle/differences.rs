//! What two translators make of one packet, held against each other, and why they may differ.

use super::anatomy::Anatomy;
use super::arena::Outcome;
use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;

/// One field in which two outcomes differ.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    /// The field, or [`FATE`] if already what came of the packet is another thing.
    field: String,
    ours: String,
    theirs: String,
    /// Whether it is one of answers of the translators themselves: those leave in the family the packet came in.
    is_answer: bool,
}

/// A kind of difference that is as it should be.
pub(crate) struct Explained {
    /// What differs and why that is right.
    pub(crate) what: &'static str,
    /// The field, and what stands in it: alternatives between bars, each whole or with a star for the rest.
    field: &'static str,
    ours: &'static str,
    theirs: &'static str,
    /// Which packets it is seen with.
    packets: fn(&Anatomy) -> bool,
}

const FATE: &str = "fate";
const NOTHING: &str = "nothing";
/// An ICMP error, of a translator or translated.
const ERROR: &str = "v4 icmp error*|v6 icmp error*";

/// Both make something else of a packet.
const fn fate(
    what: &'static str,
    ours: &'static str,
    theirs: &'static str,
    packets: fn(&Anatomy) -> bool,
) -> Explained {
    Explained { what, field: FATE, ours, theirs, packets }
}

/// Both make the same of a packet but for some fields.
const fn field(
    what: &'static str,
    field: &'static str,
    ours: &'static str,
    theirs: &'static str,
    packets: fn(&Anatomy) -> bool,
) -> Explained {
    Explained { what, field, ours, theirs, packets }
}

/// All that differs. Tayga is 0.9.2, of 2011; where no section is named, ours makes a choice that the RFCs leave open.
pub(crate) const EXPLAINED: &[Explained] = &[
    fate(
        "Tayga answers no packet that arrives without hops (RFC 1812 §5.3.1, RFC 4443 §3.3)",
        "*",
        NOTHING,
        |packet| packet.get("hops") == "0",
    ),
    fate("Tayga ignores source routes (RFC 7915 §4.1)", "v4 icmp error 3/5", "*", has_source_route),
    fate(
        "ours answers no later fragment and no error, whatever its source route (RFC 1122 §3.2.2)",
        NOTHING,
        "*",
        |packet| has_source_route(packet) && (is_later(packet) || is_error(packet)),
    ),
    fate("Tayga ignores segments left (RFC 7915 §5.1)", "v6 icmp error 4/0", "*", has_segments_left),
    fate(
        "ours answers no error, whatever segments it has left (RFC 4443 §2.4 (e.1))",
        NOTHING,
        "*",
        |packet| has_segments_left(packet) && is_error(packet),
    ),
    fate(
        "Tayga lets extension headers behind a Fragment header pass (RFC 7915 §5.1.1)",
        NOTHING,
        "*",
        has_header_behind_fragment,
    ),
    fate(
        "Tayga lets protocols pass that mean something else in IPv6, and IGMP (RFC 7915 §4.2)",
        NOTHING,
        "*",
        |packet| is_v4(packet) && ["0", "2", "43", "44", "58", "60"].contains(&packet.get("protocol")),
    ),
    fate(
        "Tayga drops fragments before others that are empty or end on no multiple of eight; ours leaves that to who \
         reassembles",
        "*",
        NOTHING,
        |packet| {
            let length = number(packet, "transport length");
            packet.get("more") == "true" && (length == 0 || !length.is_multiple_of(8))
        },
    ),
    fate(
        "Tayga cuts fragments with DF whatever their size (RFC 7915 §4.1)",
        "v6 protocol*|v4 icmp error 3/4|nothing",
        "v6 protocol*",
        |packet| is_part(packet) && packet.get("df") == "true",
    ),
    fate(
        "Tayga drops an ICMP message with a wrong checksum; ours passes it on as wrong as it was",
        "*",
        NOTHING,
        |packet| packet.get("icmp.checksum").starts_with("off"),
    ),
    fate("Tayga drops errors that quote UDP without a checksum (RFC 7915 §4.3)", ERROR, NOTHING, |packet| {
        packet.get("quoted.udp.checksum") == "zero"
    }),
    fate("Tayga drops errors about echo replies (RFC 7915 §4.3, §5.3)", ERROR, NOTHING, |packet| {
        ["0", "129"].contains(&packet.get("quoted.icmp.type"))
    }),
    fate(
        "Tayga answers no ICMP but echo requests (RFC 1812 §4.3.2.7, RFC 4443 §2.4)",
        ERROR,
        NOTHING,
        |packet| !is_error(packet) && !["8", "128", ""].contains(&packet.get("icmp.type")),
    ),
    fate(
        "Tayga drops errors that quote less than eight bytes of transport (RFC 7915 §4.3)",
        ERROR,
        NOTHING,
        |packet| is_error(packet) && number(packet, "quoted.transport length") < 8,
    ),
    fate(
        "Tayga drops errors that quote less than a TCP header (RFC 7915 §4.3, RFC 792)",
        ERROR,
        NOTHING,
        |packet| packet.get("quoted.protocol") == "6" && number(packet, "quoted.transport length") < 20,
    ),
    fate(
        "Tayga translates no pointer (RFC 7915 §4.2, §5.2)",
        "v6 icmp error 4/0|v4 icmp error 12/0",
        NOTHING,
        |packet| {
            ["1 12", "58 4"].contains(&&*format!("{} {}", packet.get("protocol"), packet.get("icmp.type")))
        },
    ),
    fate("Tayga drops Address Unreachable (RFC 7915 §5.2)", "v4 icmp error 3/1", NOTHING, |packet| {
        !is_v4(packet) && packet.get("icmp.type") == "1" && packet.get("icmp.code") == "3"
    }),
    fate(
        "Tayga drops what comes from link-local IPv4 addresses, errors of their routers as well (RFC 6791)",
        ERROR,
        NOTHING,
        |packet| packet.get("src").starts_with("169.254."),
    ),
    fate(
        "Tayga drops errors from illegal IPv4 sources (RFC 7915 §4.1)",
        "v6 icmp error*",
        NOTHING,
        |packet| is_v4(packet) && is_error(packet) && is_no_host(packet.get("src")),
    ),
    fate(
        "Tayga counts IPv4 options, which do not cross, into the length of the packet",
        "*",
        "v4 icmp error 3/4|nothing",
        |packet| is_v4(packet) && number(packet, "length") > 1480 && !packet.get("options").is_empty(),
    ),
    fate(
        "Tayga drops Packet Too Big with an MTU that no link may have (RFC 7915 §5.2)",
        "v4 icmp error 3/4",
        NOTHING,
        |packet| u32::from_str_radix(packet.get("icmp.rest"), 16).is_ok_and(|mtu| mtu < 68),
    ),
    fate(
        "Tayga lets nobody reach the gateway or its own IPv4 hosts through the prefix (RFC 7757 §4)",
        "*",
        "v6 icmp error 1/0|v6 icmp error 3/0|nothing",
        |packet| GATEWAYS_OWN.iter().any(|front| packet.get("dst").starts_with(front)),
    ),
    fate("Tayga takes 0.0.0.0/8 for a network (RFC 1122 §3.2.1.3)", NOTHING, "*", |packet| {
        ["src", "dst"].iter().any(|end| {
            let address = packet.get(end);
            address.starts_with("0.") || ["2001:db8:64::1:203", "2001:db8:64::"].contains(&address)
        })
    }),
    fate("Tayga takes 240.0.0.0/4 for no network", "*", "nothing|v6 icmp error*", |packet| {
        ["src", "dst"].iter().any(|end| ["240.0.0.1", "2001:db8:64::f000:1"].contains(&packet.get(end)))
    }),
    fate(
        "Tayga answers packets to multicast, loopback and link-local IPv4 addresses under the prefix",
        NOTHING,
        "v6 icmp error*",
        |packet| packet.get("dst").starts_with("2001:db8:64::"),
    ),
    fate(
        "Tayga takes a host with a lease for an IPv4 host when another IPv6 host calls it",
        "v6 icmp error 1/0|nothing",
        "*",
        |packet| packet.get("dst") == "2001:db8:99::1",
    ),
    fate(
        "Tayga answers expiry before it looks whether the packet would cross otherwise",
        "*",
        "v4 icmp error 11/0|v6 icmp error 3/0",
        |packet| number(packet, "hops") <= 1,
    ),
    fate("Tayga answers later fragments of IPv4 (RFC 1122 §3.2.2)", NOTHING, "*", |packet| {
        is_v4(packet) && is_later(packet)
    }),
    field(
        "ours clears DF up to 1260 bytes and numbers such packets (RFC 7915 §5.1), Tayga clears it up to 1280",
        "id|df|quoted.id|quoted.df",
        "*",
        "*",
        |packet| !is_v4(packet),
    ),
    field(
        "Tayga leaves a UDP checksum that comes to zero at zero (RFC 7915 §4.5, RFC 768)",
        "udp.checksum|quoted.udp.checksum",
        "right|ffff|off*",
        "zero",
        |_| true,
    ),
    field(
        "Tayga's answers have routine precedence, DF and no identification (RFC 1812 §4.3.2.5, RFC 6864 §4)",
        "class (answer)|id (answer)|df (answer)",
        "*",
        "*",
        is_v4,
    ),
    field(
        "Tayga drops RFC 4884 extensions, and what ours does for their sake",
        "icmp.*|length|transport length|at hand|quoted.at hand|quoted.transport length|quoted.payload*|quoted.udp*",
        "*",
        "*",
        |packet| !packet.get("icmp.extension").is_empty(),
    ),
    field(
        "Tayga points at the IPv6 header even where an extension header names the protocol (RFC 4443 §3.4)",
        "icmp.rest (answer)",
        "*",
        "00000006",
        |packet| packet.fields().iter().any(|(name, _)| name.starts_with("extension") || name == "offset"),
    ),
    field(
        "Tayga tells of MTUs that no IPv4 link may have (RFC 791 §3.1)",
        "icmp.rest",
        "00000044",
        "*",
        |_| true,
    ),
];

/// Whether an IPv4 address is loopback, multicast or broadcast.
fn is_no_host(address: &str) -> bool {
    address.parse().is_ok_and(|v4: Ipv4Addr| v4.is_loopback() || v4.is_multicast() || v4.is_broadcast())
}

/// Addresses under the prefix that are the gateway's or its IPv6 hosts': the pool, the maps, its own.
const GATEWAYS_OWN: [&str; 3] = ["2001:db8:64::c0a8:ff", "2001:db8:64::c633:640", "2001:db8:64::c000:201"];

/// Protocol numbers of extension headers (IANA's registry of RFC 7045 §4) that are barred behind a Fragment header.
const BARRED: [&str; 8] = ["0", "43", "44", "51", "60", "135", "139", "140"];

impl Explained {
    /// Whether this difference in what became of `packet` is one of the kind.
    pub(crate) fn explains(&self, packet: &Anatomy, seen: &Difference) -> bool {
        let named = if seen.is_answer { format!("{} (answer)", seen.field) } else { seen.field.clone() };
        (fits(self.field, &seen.field) || fits(self.field, &named))
            && fits(self.ours, &seen.ours)
            && fits(self.theirs, &seen.theirs)
            && (self.packets)(packet)
    }
}

/// Whether a value is one of the alternatives between the bars of a pattern.
fn fits(pattern: &str, value: &str) -> bool {
    pattern.split('|').any(|choice| match choice.strip_suffix('*') {
        Some(front) => value.starts_with(front),
        None => value == choice,
    })
}

fn number(packet: &Anatomy, field: &str) -> u32 {
    packet.number(field).unwrap_or(0)
}

fn is_v4(packet: &Anatomy) -> bool {
    packet.get("version") == "4"
}

/// Whether the packet is a fragment of a larger one.
fn is_part(packet: &Anatomy) -> bool {
    is_later(packet) || packet.get("more") == "true"
}

fn is_later(packet: &Anatomy) -> bool {
    number(packet, "offset") > 0
}

fn is_error(packet: &Anatomy) -> bool {
    packet.kind().contains("error")
}

/// Loose and strict, with the pointer at an address that is yet to come.
fn has_source_route(packet: &Anatomy) -> bool {
    ["830704", "890704"].iter().any(|route| packet.get("options").starts_with(route))
}

fn has_segments_left(packet: &Anatomy) -> bool {
    let mut routing = packet.fields().iter().filter(|(name, _)| name == "extension 43");
    routing.any(|(_, hex)| hex.get(6..8).is_some_and(|left| left != "00"))
}

fn has_header_behind_fragment(packet: &Anatomy) -> bool {
    let names: Vec<&str> = packet.fields().iter().map(|(name, _)| name.as_str()).collect();
    let fragment = names.iter().position(|name| *name == "offset");
    let extension = names.iter().rposition(|name| name.starts_with("extension") || *name == "offset");
    // One that is cut short or of another form counts as well.
    let is_named = BARRED.contains(&packet.get("protocol"));
    !is_v4(packet) && fragment.is_some_and(|at| is_named || extension.is_some_and(|behind| behind > at))
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ours {:?}, Tayga's {:?}", self.field, self.ours, self.theirs)
    }
}

/// All differences between two outcomes: of what they are, or else of their fields.
pub(crate) fn between(arrived: &Anatomy, ours: &Outcome, theirs: &Outcome) -> Vec<Difference> {
    let dissect = |outcome: &Outcome| outcome.iter().map(|packet| Anatomy::of(packet)).collect::<Vec<_>>();
    let (ours, theirs) = (dissect(ours), dissect(theirs));
    let (here, there) = (fate_of(&ours), fate_of(&theirs));
    if here != there {
        return vec![Difference { field: FATE.to_owned(), ours: here, theirs: there, is_answer: false }];
    }
    ours.iter().zip(&theirs).flat_map(|(ours, theirs)| of_fields(arrived, ours, theirs)).collect()
}

fn fate_of(outcome: &[Anatomy]) -> String {
    if outcome.is_empty() {
        return NOTHING.to_owned();
    }
    outcome.iter().map(Anatomy::kind).collect::<Vec<_>>().join(" + ")
}

fn of_fields(arrived: &Anatomy, ours: &Anatomy, theirs: &Anatomy) -> Vec<Difference> {
    let names = ours.fields().iter().chain(theirs.fields()).map(|(name, _)| name);
    let mut seen = BTreeSet::new();
    names
        .filter(|name| seen.insert(name.as_str()))
        .filter(|name| ours.get(name) != theirs.get(name))
        .map(|name| Difference {
            field: name.clone(),
            ours: ours.get(name).to_owned(),
            theirs: theirs.get(name).to_owned(),
            is_answer: ours.get("version") == arrived.get("version"),
        })
        .collect()
}
