//! What two resolvers answer to one question, held against each other, and why they may differ.

use super::questions::Question;
use super::view::View;
use hickory_proto::rr::RecordType;

/// A resolver beside ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Debian's Unbound 1.17.
    Unbound,
    /// Debian's BIND 9.18.
    Bind,
}

impl Peer {
    pub(crate) const ALL: [Self; 2] = [Self::Unbound, Self::Bind];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Unbound => "Unbound",
            Self::Bind => "BIND",
        }
    }
}

/// A part of a reply in which two differ.
pub(crate) struct Difference<'a> {
    pub(crate) field: &'static str,
    ours: &'a View,
    theirs: &'a View,
}

/// A kind of difference that is as it should be.
pub(crate) struct Explained {
    /// What differs and why that is right.
    pub(crate) what: &'static str,
    /// With whom; both where it is none.
    peer: Option<Peer>,
    /// The fields in question.
    fields: &'static [&'static str],
    holds: fn(&Question, &View, &View) -> bool,
}

impl Explained {
    pub(crate) fn explains(&self, peer: Peer, question: &Question, difference: &Difference<'_>) -> bool {
        self.peer.is_none_or(|own| own == peer)
            && self.fields.contains(&difference.field)
            && (self.holds)(question, difference.ours, difference.theirs)
    }
}

/// The parts in which they differ.
pub(crate) fn between<'a>(ours: &'a View, theirs: &'a View) -> Vec<Difference<'a>> {
    let fields = [
        ("rcode", ours.rcode != theirs.rcode),
        ("ad", ours.authentic != theirs.authentic),
        ("answer", ours.answers != theirs.answers),
        ("signed", ours.is_signed != theirs.is_signed),
        // Beside an answer an SOA record says nothing to a client.
        ("soa", ours.has_soa != theirs.has_soa && ours.answers.is_empty() && theirs.answers.is_empty()),
    ];
    fields
        .into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(field, _)| Difference { field, ours, theirs })
        .collect()
}

/// Everything of a reply but whether it is authentic.
const REPLY: &[&str] = &["rcode", "answer", "signed", "soa"];

fn asks_aaaa(question: &Question) -> bool {
    question.qtype == RecordType::AAAA
}

fn is_mapped(view: &View) -> bool {
    view.answers.iter().any(|record| record.contains(" ::ffff:"))
}

/// Whether DNS64 changed the reply: addresses below the prefix, or none where there are excluded ones.
fn is_touched(view: &View) -> bool {
    view.answers.iter().any(|record| record.contains(" AAAA 2001:db8:64::"))
}

/// All that differs.
pub(crate) const EXPLAINED: &[Explained] = &[
    Explained {
        what: "a client that sets CD judges records itself (RFC 6147 §5.5): BIND synthesizes and excludes for it",
        peer: Some(Peer::Bind),
        fields: REPLY,
        holds: |question, ours, theirs| {
            let differs = is_touched(theirs) || is_mapped(ours) && !is_mapped(theirs);
            asks_aaaa(question) && question.flags.checking_disabled && !is_touched(ours) && differs
        },
    },
    Explained {
        what: "DO alone does not keep DNS64 away (RFC 6147 §5.5): BIND leaves signed records as they are",
        peer: Some(Peer::Bind),
        fields: REPLY,
        holds: |question, ours, theirs| {
            let asks = asks_aaaa(question) && question.flags.dnssec && !question.flags.checking_disabled;
            let untouched = !is_touched(theirs) && (is_touched(ours) || is_mapped(theirs));
            asks && question.is_signed() && untouched
        },
    },
    Explained {
        what: "loopback and link-local addresses are never embedded",
        peer: None,
        fields: REPLY,
        holds: |question, _, theirs| {
            let labels = ["loopback", "link-local", "mixed"];
            asks_aaaa(question) && labels.contains(&question.label()) && theirs.has("AAAA")
        },
    },
    Explained {
        what: "IPv4-mapped AAAA records count as absent (RFC 6147 §5.1.4): Unbound has no exclusion",
        peer: Some(Peer::Unbound),
        fields: REPLY,
        holds: |question, ours, theirs| asks_aaaa(question) && !is_mapped(ours) && is_mapped(theirs),
    },
    Explained {
        what: "ipv4only.arpa is answered here (RFC 8880 §7.1): BIND does not where it only forwards, Unbound never does",
        peer: None,
        fields: REPLY,
        holds: |question, _, _| question.name == "ipv4only.arpa",
    },
    Explained {
        what: "the reverse names of ipv4only.arpa's addresses lead to it: Unbound asks for 192.in-addr.arpa's",
        peer: Some(Peer::Unbound),
        fields: REPLY,
        holds: |question, ours, _| {
            let is_its_own = |record: &String| record.ends_with(" PTR ipv4only.arpa.");
            question.name.starts_with("a.a.0.0.")
                && (ours.answers.iter().any(is_its_own) || ours.answers.is_empty())
        },
    },
    Explained {
        what: "a reverse name is an alias of its IPv4 address's (RFC 6147 §5.3.1): Unbound gives it the PTR record itself",
        peer: Some(Peer::Unbound),
        fields: REPLY,
        holds: |question, ours, theirs| {
            question.name.ends_with(".ip6.arpa") && ours.has("CNAME") && !theirs.has("CNAME")
        },
    },
];
