//! A domain name in wire form, kept on the stack with the case it came in (RFC 1035 §3.1, RFC 4343).
//!
//! Owns label-wise comparison and the arithmetic on labels that the hot path needs. Holds no compression pointers:
//! names in questions have none.

use hickory_proto::rr::Name;
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use std::fmt;

/// The longest name in octets, with its root label (RFC 1035 §3.1).
const MAX: usize = 255;

/// A name as it stood in a message.
#[derive(Clone, Copy)]
pub struct WireName {
    octets: [u8; MAX],
    len: u8,
}

/// Why octets are no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a domain name in wire form without compression")]
pub struct MalformedName;

impl WireName {
    /// The root.
    pub const ROOT: Self = Self { octets: [0; MAX], len: 1 };

    /// The name at the start of `bytes`, which may go on behind it.
    ///
    /// # Errors
    /// A label that runs past the end, a pointer, or more than 255 octets.
    pub fn parse(bytes: &[u8]) -> Result<Self, MalformedName> {
        let mut len = 0;
        loop {
            let label = usize::from(*bytes.get(len).ok_or(MalformedName)?);
            if label > 63 || len + 1 + label > MAX {
                return Err(MalformedName);
            }
            len += 1 + label;
            if label == 0 {
                break;
            }
        }
        let mut octets = [0; MAX];
        octets[..len].copy_from_slice(bytes.get(..len).ok_or(MalformedName)?);
        Ok(Self { octets, len: u8::try_from(len).map_err(|_| MalformedName)? })
    }

    /// The name of `labels`, first label first; the root is added.
    ///
    /// # Errors
    /// An empty label, one of more than 63 octets, or more than 255 octets in all.
    pub fn from_labels<'a>(labels: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, MalformedName> {
        let mut name = Self::ROOT;
        for label in labels {
            name.push(label)?;
        }
        Ok(name)
    }

    /// Puts one more label before the root.
    ///
    /// # Errors
    /// An empty label, one of more than 63 octets, or more than 255 octets in all. The name stays what it was.
    pub(crate) fn push(&mut self, label: &[u8]) -> Result<(), MalformedName> {
        let root = usize::from(self.len) - 1;
        let end = root + 1 + label.len();
        if !(1..64).contains(&label.len()) || end >= MAX {
            return Err(MalformedName);
        }
        let (label_len, len) = (u8::try_from(label.len()), u8::try_from(end + 1));
        let (Ok(label_len), Ok(len)) = (label_len, len) else { return Err(MalformedName) };
        self.octets[root] = label_len;
        self.octets[root + 1..end].copy_from_slice(label);
        self.octets[end] = 0;
        self.len = len;
        Ok(())
    }

    /// The same name in lower case.
    #[must_use]
    pub fn lowered(mut self) -> Self {
        // Length octets are below 64 and no letters.
        self.octets[..usize::from(self.len)].make_ascii_lowercase();
        self
    }

    /// The octets, root label included.
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets[..usize::from(self.len)]
    }

    /// The labels, leftmost first, without the root.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let bytes = self.as_bytes();
        let mut at = 0;
        std::iter::from_fn(move || {
            let length = usize::from(*bytes.get(at)?);
            let label = bytes.get(at + 1..at + 1 + length)?;
            at += 1 + length;
            (length > 0).then_some(label)
        })
    }

    /// The name without its first label; `None` of the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let first = usize::from(self.octets[0]);
        let rest = self.as_bytes().get(first + 1..).filter(|_| first > 0)?;
        Self::parse(rest).ok()
    }

    /// How many labels stand in front of `zone`, a name in wire form: 0 for the zone itself, `None` outside it.
    ///
    /// Case does not matter; label boundaries do.
    pub fn labels_below(&self, zone: &[u8]) -> Option<usize> {
        let bytes = self.as_bytes();
        let cut = bytes.len().checked_sub(zone.len())?;
        if !bytes[cut..].eq_ignore_ascii_case(zone) {
            return None;
        }
        let mut at = 0;
        for below in 0.. {
            if at == cut {
                return Some(below);
            }
            // The octets of a label may look like the zone: only a boundary counts.
            if at > cut || bytes[at] == 0 {
                return None;
            }
            at += 1 + usize::from(bytes[at]);
        }
        None
    }

    /// The same name with letters in upper case where `mask` has a bit, and in lower case elsewhere.
    ///
    /// Octet `i` of the name goes with bit `i` of the mask, counted from the first octet's lowest bit.
    #[must_use]
    pub fn respelt(&self, mask: &[u8; 32]) -> Self {
        let mut name = *self;
        for (index, octet) in name.octets.iter_mut().enumerate() {
            let upper = mask[index / 8] >> (index % 8) & 1 == 1;
            // Length octets are below 64 and no letters.
            if upper {
                octet.make_ascii_uppercase();
            } else {
                octet.make_ascii_lowercase();
            }
        }
        name
    }

    /// The name for building records, case kept.
    ///
    /// # Panics
    /// Never: a checked name without pointers decodes.
    pub fn to_name(&self) -> Name {
        Name::read(&mut BinDecoder::new(self.as_bytes())).expect("a checked name without pointers decodes")
    }
}

// === impl comparison and text ===

/// Names are equal whatever the case of their ASCII letters (RFC 4343). Length octets are below 64 and no letters.
impl PartialEq for WireName {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes().eq_ignore_ascii_case(other.as_bytes())
    }
}

impl Eq for WireName {}

impl fmt::Display for WireName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.len == 1 {
            return f.write_str(".");
        }
        for label in self.labels() {
            write!(f, "{}.", label.escape_ascii())?;
        }
        Ok(())
    }
}

impl fmt::Debug for WireName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> WireName {
        WireName::from_labels(text.split('.').filter(|label| !label.is_empty()).map(str::as_bytes)).unwrap()
    }

    #[test]
    fn names_compare_without_case_and_keep_it() {
        assert_eq!(name("Www.Example"), name("wWW.eXAMPLE"));
        assert_ne!(name("www.example"), name("ww.example"));
        assert_eq!(name("Www.Example").to_string(), "Www.Example.");
        assert_eq!(name("Www.Example").to_name().to_string(), "Www.Example.");
        assert_eq!(WireName::ROOT.to_string(), ".");
    }

    #[test]
    fn respelling_follows_the_mask_and_keeps_the_name() {
        let mut mask = [0; 32];
        mask[0] = 0b0000_0110;
        let name = name("Www.Example");
        assert_eq!(name.respelt(&mask).to_string(), "WWw.example.");
        assert_eq!(name.respelt(&mask), name);
        assert_eq!(name.respelt(&[0xff; 32]).to_string(), "WWW.EXAMPLE.");
    }

    #[test]
    fn a_parent_lacks_the_first_label() {
        assert_eq!(name("a.b").parent(), Some(name("b")));
        assert_eq!(name("b").parent(), Some(WireName::ROOT));
        assert_eq!(WireName::ROOT.parent(), None);
    }

    #[test]
    fn lowering_leaves_no_capital_letter() {
        assert_eq!(name("WwW.ExAmple").lowered().to_string(), "www.example.");
    }

    #[test]
    fn labels_below_counts_only_at_label_boundaries() {
        let check = |text: &str, zone: &[u8], expect: Option<usize>| {
            assert_eq!(name(text).labels_below(zone), expect, "{text}");
        };
        check("ipv4only.arpa", b"\x08ipv4only\x04arpa\x00", Some(0));
        check("IPV4ONLY.ARPA", b"\x08ipv4only\x04arpa\x00", Some(0));
        check("a.b.ipv4only.arpa", b"\x08ipv4only\x04arpa\x00", Some(2));
        check("xipv4only.arpa", b"\x08ipv4only\x04arpa\x00", None);
        check("arpa", b"\x08ipv4only\x04arpa\x00", None);
        check("a", b"\x00", Some(1));
        // One label whose octets end like the zone.
        let sly = WireName::from_labels([&b"x\x05local"[..]]).unwrap();
        assert_eq!(sly.labels_below(b"\x05local\x00"), None);
    }

    #[test]
    fn refuses_pointers_long_labels_and_long_names() {
        assert_eq!(WireName::parse(b"\xc0\x0c"), Err(MalformedName));
        assert_eq!(WireName::parse(b"\x40a"), Err(MalformedName));
        assert_eq!(WireName::parse(b"\x02a"), Err(MalformedName));
        assert_eq!(WireName::parse(b""), Err(MalformedName));
        let label = [b'a'; 63];
        assert!(WireName::from_labels([&label[..], &label, &label, &label[..61]]).is_ok(), "255 octets");
        assert!(WireName::from_labels([&label[..], &label, &label, &label[..62]]).is_err(), "256 octets");
        assert!(WireName::from_labels([&b""[..]]).is_err());
    }

    proptest! {
        #[test]
        fn every_parsed_name_converts_and_comes_back(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(parsed) = WireName::parse(&bytes) {
                prop_assert_eq!(&bytes[..parsed.as_bytes().len()], parsed.as_bytes());
                let again = WireName::from_labels(parsed.labels()).unwrap();
                prop_assert_eq!(parsed.as_bytes(), again.as_bytes());
                prop_assert_eq!(usize::from(parsed.to_name().num_labels()), parsed.labels().count()
                    - usize::from(parsed.labels().next() == Some(b"*")));
            }
        }
    }
}
