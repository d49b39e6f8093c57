//! What two translators make of one packet, held against each other, and why they may differ.

use super::anatomy::Anatomy;
use super::arena::{OWN_V4, OWN_V6, Outcome};
use std::fmt;

/// One field in which two outcomes differ.
#[derive(Clone, Debug)]
pub(crate) struct Difference {
    /// The field, or `fate` if already what came of the packet is another thing.
    pub(crate) field: String,
    pub(crate) ours: String,
    pub(crate) theirs: String,
    /// Whether both are ICMP errors or echo replies of the translators themselves.
    pub(crate) is_reply: bool,
}

/// A difference that is as it should be.
pub(crate) struct Explained {
    /// What differs and why that is right.
    pub(crate) what: &'static str,
    /// Whether a difference in the outcomes of a packet is this one.
    pub(crate) holds: fn(&Anatomy, &Difference) -> bool,
}

/// All that differs. Tayga is 0.9.2, of 2011; where no section is named, ours makes a choice that the RFCs leave open.
pub(crate) const EXPLAINED: &[Explained] = &[
    Explained {
        what: "Tayga answers no packet that arrives without hops (RFC 1812 §5.3.1, RFC 4443 §3.3)",
        holds: |packet, fate| fate.is_fate() && packet.get("hops") == "0" && fate.theirs == "nothing",
    },
    Explained {
        what: "Tayga ignores source routes (RFC 7915 §4.1)",
        holds: |packet, fate| fate.is_fate() && has_source_route(packet) && fate.ours.ends_with("error 3/5"),
    },
    Explained {
        what: "ours never answers a later fragment or an error about its source route (RFC 1122 §3.2.2)",
        holds: |packet, fate| {
            fate.is_fate() && has_source_route(packet) && (is_later(packet) || is_error(packet)) && fate.is_ours_silent()
        },
    },
    Explained {
        what: "Tayga ignores segments left (RFC 7915 §5.1)",
        holds: |packet, fate| {
            let answered = fate.ours == "v6 icmp error 4/0" || is_error(packet) && fate.is_ours_silent();
            fate.is_fate() && has_segments_left(packet) && answered
        },
    },
    Explained {
        what: "Tayga lets extension headers behind a fragment header pass (RFC 7915 §5.1.1)",
        holds: |packet, fate| fate.is_fate() && has_header_behind_fragment(packet) && fate.is_ours_silent(),
    },
    Explained {
        what: "Tayga lets protocols pass that mean something else in IPv6",
        holds: |packet, fate| {
            let is_reinterpreted = ["0", "43", "44", "58", "60"].contains(&packet.get("protocol"));
            fate.is_fate() && is_v4(packet) && is_reinterpreted && fate.is_ours_silent()
        },
    },
    Explained {
        what: "Tayga drops fragments with more to follow that are empty or end on no multiple of eight; ours leaves that \
               to whoever reassembles",
        holds: |packet, fate| {
            let length = number(packet, "transport length");
            let is_uneven = length % 8 != 0 || length == 0;
            fate.is_fate() && packet.get("more") == "true" && is_uneven && fate.theirs == "nothing"
        },
    },
    Explained {
        what: "Tayga cuts fragments with DF that would fit (RFC 7915 §4.1)",
        holds: |packet, fate| fate.is_fate() && is_part(packet) && packet.get("df") == "true" && fate.is_cut_by_tayga(),
    },
    Explained {
        what: "Tayga drops an ICMP message with a wrong checksum; ours passes it on as wrong as it was",
        holds: |packet, fate| {
            fate.is_fate() && packet.get("icmp.checksum").starts_with("off") && fate.theirs == "nothing"
        },
    },
    Explained {
        what: "Tayga drops errors that quote UDP without a checksum (RFC 7915 §4.3)",
        holds: |packet, fate| fate.is_fate() && packet.get("quoted.udp.checksum") == "zero" && fate.theirs == "nothing",
    },
    Explained {
        what: "Tayga drops errors about echo replies (RFC 7915 §4.3, §5.3)",
        holds: |packet, fate| {
            let is_reply = ["0", "129"].contains(&packet.get("quoted.icmp.type"));
            fate.is_fate() && is_reply && fate.theirs == "nothing"
        },
    },
    Explained {
        what: "Tayga answers no ICMP but echo requests (RFC 1812 §4.3.2.7, RFC 4443 §2.4)",
        holds: |packet, fate| {
            let is_request = ["8", "128", ""].contains(&packet.get("icmp.type"));
            fate.is_fate() && !is_request && !is_error(packet) && fate.ours.contains("error") && fate.theirs == "nothing"
        },
    },
    Explained {
        what: "Tayga drops errors that quote less than eight bytes of transport (RFC 7915 §4.3)",
        holds: |packet, fate| {
            let is_short = number(packet, "quoted.transport length") < 8;
            fate.is_fate() && is_error(packet) && is_short && fate.theirs == "nothing"
        },
    },
    Explained {
        what: "Tayga drops errors that quote less than a TCP header (RFC 7915 §4.3, RFC 792)",
        holds: |packet, fate| fate.is_fate() && quotes_part_of_tcp(packet) && fate.theirs == "nothing",
    },
    Explained {
        what: "Tayga translates no pointer (RFC 7915 §4.2, §5.2)",
        holds: |packet, fate| {
            let is_pointed = matches!((packet.get("protocol"), packet.get("icmp.type")), ("1", "12") | ("58", "4"));
            let crosses = ["v6 icmp error 4/0", "v4 icmp error 12/0"].contains(&fate.ours.as_str());
            fate.is_fate() && is_pointed && crosses && fate.theirs == "nothing"
        },
    },
    Explained {
        what: "Tayga drops Address Unreachable (RFC 7915 §5.2)",
        holds: |packet, fate| {
            let is_address = !is_v4(packet) && packet.get("icmp.type") == "1" && packet.get("icmp.code") == "3";
            fate.is_fate() && is_address && fate.ours == "v4 icmp error 3/1" && fate.theirs == "nothing"
        },
    },
    Explained {
        what: "Tayga drops errors that quote a broken header (RFC 7915 §4.3)",
        holds: |packet, fate| {
            fate.is_fate() && packet.get("quoted.header checksum").starts_with("off") && fate.theirs == "nothing"
        },
    },
    Explained {
        what: "Tayga drops what comes from link-local IPv4 addresses, errors of their routers as well (RFC 6791)",
        holds: |packet, fate| {
            let is_answer = fate.ours.contains("error");
            fate.is_fate() && packet.get("src").starts_with("169.254.") && is_answer && fate.theirs == "nothing"
        },
    },
    Explained {
        what: "Tayga counts IPv4 options, which do not cross, into the length of the packet",
        holds: |packet, fate| {
            fate.is_fate() && !packet.get("options").is_empty() && fate.theirs == "v4 icmp error 3/4"
        },
    },
    Explained {
        what: "Tayga drops fragments of ICMP before it looks for the destination",
        holds: |packet, fate| {
            let is_icmp = ["1", "58"].contains(&packet.get("protocol"));
            fate.is_fate() && is_part(packet) && is_icmp && fate.ours.contains("error") && fate.theirs == "nothing"
        },
    },
    Explained {
        what: "Tayga drops Packet Too Big with an MTU that no link may have (RFC 7915 §5.2)",
        holds: |packet, fate| {
            let mtu = u32::from_str_radix(packet.get("icmp.rest"), 16).unwrap_or(0);
            fate.is_fate() && fate.ours == "v4 icmp error 3/4" && mtu < 68 && fate.theirs == "nothing"
        },
    },
    Explained {
        what: "Tayga lets no packet to the gateway's own IPv4 hosts or itself come through the prefix (RFC 7757 §4)",
        holds: |packet, fate| {
            let refused = ["v6 icmp error 1/0", "v6 icmp error 3/0", "nothing"].contains(&fate.theirs.as_str());
            fate.is_fate() && is_ours_through_prefix(packet.get("dst")) && refused
        },
    },
    Explained {
        what: "Tayga takes 0.0.0.0/8 for a network (RFC 1122 §3.2.1.3)",
        holds: |packet, fate| fate.is_fate() && names(packet, &["0.", "2001:db8:64::1:203", "2001:db8:64:: "]) && fate.is_ours_silent(),
    },
    Explained {
        what: "Tayga takes 240.0.0.0/4 for no network",
        holds: |packet, fate| fate.is_fate() && names(packet, &["240.", "2001:db8:64::f000:1 "]),
    },
    Explained {
        what: "Tayga answers packets to multicast, loopback and link-local IPv4 addresses under the prefix",
        holds: |packet, fate| {
            let is_prefixed = packet.get("dst").starts_with("2001:db8:64::");
            fate.is_fate() && is_prefixed && fate.is_ours_silent() && fate.theirs.starts_with("v6 icmp error")
        },
    },
    Explained {
        what: "Tayga takes a host with a lease for an IPv4 host when another IPv6 host calls it",
        holds: |packet, fate| {
            let is_refused = fate.ours == "v6 icmp error 1/0" || is_error(packet) && fate.is_ours_silent();
            fate.is_fate() && packet.get("dst") == "2001:db8:99::1" && is_refused
        },
    },
    Explained {
        what: "Tayga answers expiry before it looks whether the packet would cross otherwise",
        holds: |packet, fate| {
            let is_expiry = ["v4 icmp error 11/0", "v6 icmp error 3/0"].contains(&fate.theirs.as_str());
            fate.is_fate() && number(packet, "hops") <= 1 && is_expiry
        },
    },
    Explained {
        what: "Tayga answers later fragments of IPv4 (RFC 1122 §3.2.2)",
        holds: |packet, fate| fate.is_fate() && is_v4(packet) && is_later(packet) && fate.is_ours_silent(),
    },
    Explained {
        what: "ours clears DF up to 1260 bytes and numbers such packets (RFC 7915 §5.1), Tayga clears it up to 1280",
        holds: |packet, field| !is_v4(packet) && ["id", "df", "quoted.df", "quoted.id"].contains(&field.field.as_str()),
    },
    Explained {
        what: "Tayga leaves a UDP checksum that comes to zero at zero (RFC 7915 §4.5, RFC 768)",
        holds: |_, field| field.field.ends_with("udp.checksum") && field.ours != "zero" && field.theirs == "zero",
    },
    Explained {
        what: "Tayga's errors have routine precedence, no identification and DF (RFC 1812 §4.3.2.5, RFC 6864 §4)",
        holds: |packet, field| {
            let is_own = packet.get("icmp.type").is_empty() || number(packet, "hops") <= 1 || field.is_reply;
            is_v4(packet) && is_own && ["class", "id", "df"].contains(&field.field.as_str())
        },
    },
    Explained {
        what: "Tayga drops RFC 4884 extensions, and what ours does for their sake",
        holds: |packet, field| {
            let follows = field.field == "icmp.rest" || field.field.contains("length") || field.field.contains("at hand");
            !packet.get("icmp.extension").is_empty() && (follows || field.field.contains("payload") || field.field == "icmp.extension" || field.field.contains("checksum"))
        },
    },
    Explained {
        what: "Tayga points at the IPv6 header even where an extension header names the protocol (RFC 4443 §3.4)",
        holds: |packet, field| field.field == "icmp.rest" && field.theirs == "00000006" && !packet.get("protocol").is_empty(),
    },
    Explained {
        what: "Tayga tells of MTUs that no IPv4 link may have (RFC 791 §3.1)",
        holds: |_, field| field.field == "icmp.rest" && field.ours == "00000044",
    },
];

impl Difference {
    fn is_fate(&self) -> bool {
        self.field == "fate"
    }

    fn is_ours_silent(&self) -> bool {
        self.ours == "nothing"
    }

    fn is_cut_by_tayga(&self) -> bool {
        !self.ours.contains('+') && self.theirs.contains(" + ")
    }
}

fn number(packet: &Anatomy, field: &str) -> u32 {
    packet.number(field).unwrap_or(0)
}

fn is_v4(packet: &Anatomy) -> bool {
    packet.get("version") == "4"
}

/// Whether the packet is a fragment of a larger one.
fn is_part(packet: &Anatomy) -> bool {
    number(packet, "offset") > 0 || packet.get("more") == "true"
}

fn is_later(packet: &Anatomy) -> bool {
    number(packet, "offset") > 0
}

fn is_error(packet: &Anatomy) -> bool {
    packet.kind().contains("error")
}

/// Addresses, each written with a blank behind it, that begin so.
fn names(packet: &Anatomy, beginnings: &[&str]) -> bool {
    ["src", "dst"].map(|end| format!("{} ", packet.get(end))).iter().any(|address| {
        beginnings.iter().any(|beginning| address.starts_with(beginning))
    })
}

/// Loose and strict, with the pointer at an address that is yet to come.
fn has_source_route(packet: &Anatomy) -> bool {
    ["830704", "890704"].iter().any(|route| packet.get("options").starts_with(route))
}

fn has_segments_left(packet: &Anatomy) -> bool {
    let routing = packet.fields().iter().filter(|(name, _)| name == "extension 43");
    routing.into_iter().any(|(_, hex)| hex.get(6..8).is_some_and(|left| left != "00"))
}

/// Protocol numbers of extension headers (IANA's registry of RFC 7045 §4).
const EXTENSIONS: [&str; 8] = ["0", "43", "44", "51", "60", "135", "139", "140"];

fn has_header_behind_fragment(packet: &Anatomy) -> bool {
    let names: Vec<&str> = packet.fields().iter().map(|(name, _)| name.as_str()).collect();
    let fragment = names.iter().position(|name| *name == "offset");
    let extension = names.iter().rposition(|name| name.starts_with("extension") || *name == "ah" || *name == "offset");
    // One that is cut short counts as well.
    let is_named = EXTENSIONS.contains(&packet.get("protocol"));
    fragment.is_some_and(|fragment| is_named || extension.is_some_and(|extension| extension > fragment))
}

fn quotes_part_of_tcp(packet: &Anatomy) -> bool {
    packet.get("quoted.protocol") == "6" && number(packet, "quoted.transport length") < 20
}

/// Whether a destination is the gateway's IPv4 address or that of one of its hosts, as the prefix shows it.
fn is_ours_through_prefix(dst: &str) -> bool {
    ["2001:db8:64::c0a8:ff", "2001:db8:64::c633:640", "2001:db8:64::c000:201"].iter().any(|front| dst.starts_with(front))
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ours {:?}, Tayga's {:?}", self.field, self.ours, self.theirs)
    }
}

/// All differences between two outcomes: of what they are, or else of their fields.
pub(crate) fn between(ours: &Outcome, theirs: &Outcome) -> Vec<Difference> {
    let dissect = |outcome: &Outcome| outcome.iter().map(|packet| Anatomy::of(packet)).collect::<Vec<_>>();
    let (ours, theirs) = (dissect(ours), dissect(theirs));
    let (here, there) = (fate(&ours), fate(&theirs));
    if here != there {
        return vec![Difference { field: "fate".to_owned(), ours: here, theirs: there, is_reply: false }];
    }
    ours.iter().zip(&theirs).flat_map(|(ours, theirs)| of_fields(ours, theirs)).collect()
}

fn fate(outcome: &[Anatomy]) -> String {
    if outcome.is_empty() {
        return "nothing".to_owned();
    }
    outcome.iter().map(Anatomy::kind).collect::<Vec<_>>().join(" + ")
}

fn of_fields(ours: &Anatomy, theirs: &Anatomy) -> Vec<Difference> {
    let names = ours.fields().iter().chain(theirs.fields()).map(|(name, _)| name);
    let mut seen = std::collections::BTreeSet::new();
    names
        .filter(|name| seen.insert(name.as_str()))
        .filter(|name| ours.get(name) != theirs.get(name))
        .map(|name| Difference {
            field: name.clone(),
            ours: ours.get(name).to_owned(),
            theirs: theirs.get(name).to_owned(),
            is_reply: [OWN_V4.to_string(), OWN_V6.to_string()].iter().any(|own| own == ours.get("src")),
        })
        .collect()
}
