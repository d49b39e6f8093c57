//! Follows the header blocks of an HTTP/2 client as far as it takes to say whether they can be decoded, and whether
//! trailers have fields that only heads have. Pure.
//!
//! A pseudo-header field in trailers makes its request malformed, which is an error of one stream (RFC 9113 §8.1.1), and ends
//! the connection here, as §5.4.1 allows: the library passes over such a field in silence, and tells nobody which stream a
//! request came on, so that there is nothing else to end.
//!
//! RFC 7541 §5 (numbers and strings), §6 (fields), RFC 9113 §4.3 (blocks), §8.1 (trailers). Deliberately not here: what the
//! strings say, and which entries the table has lost. That the library finds, whose code for it is `PROTOCOL_ERROR`.

use super::breach::Breach;

/// The names of pseudo-header fields are the first so many of the static table (RFC 7541, Appendix A).
const PSEUDO: u32 = 14;
const STATIC: u32 = 61;
/// The size of the table that a client may fill, which nobody here changes, holds so many entries (RFC 7541 §4.1).
const ENTRIES: u32 = TABLE / 32;
const TABLE: u32 = 4096;
/// A colon, and the beginning of one in the code for strings (RFC 7541, Appendix B).
const COLON: u8 = b':';
const CODED_COLON: u8 = 0xb8;
const CODED_COLON_BITS: u8 = 0xfe;

/// A string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    /// The field goes into the table or not.
    Name {
        enters: bool,
    },
    Value,
}

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Field,
    NameOf { enters: bool },
    Size,
    Length { of: Text, coded: bool },
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Field,
    More { number: Number, value: u32, shift: u32 },
    Length(Text),
    Name { left: u32, enters: bool, coded: bool },
    Rest { left: u32, of: Text },
}

/// The blocks of one connection.
#[derive(Debug)]
pub(super) struct Fields {
    step: Step,
    in_trailers: bool,
    /// How many entries the client has put into the table, if not more than it holds.
    entries: u32,
    /// Which of them, the latest in the lowest bit, have the name of a pseudo-header field.
    pseudo: u128,
}

impl Fields {
    pub(super) const fn new() -> Self {
        Self { step: Step::Field, in_trailers: false, entries: 0, pseudo: 0 }
    }

    /// A block begins.
    pub(super) const fn begin(&mut self, in_trailers: bool) {
        self.in_trailers = in_trailers;
    }

    /// The next octets of the block.
    pub(super) fn take(&mut self, mut octets: &[u8]) -> Result<(), Breach> {
        while let [octet, rest @ ..] = octets {
            if let Step::Rest { left, of } = self.step {
                let (skipped, rest) = octets.split_at(octets.len().min(left as usize));
                self.rest(left - u32::try_from(skipped.len()).unwrap_or(left), of);
                octets = rest;
            } else {
                self.octet(*octet)?;
                octets = rest;
            }
        }
        Ok(())
    }

    /// The block has ended.
    pub(super) fn end(&self) -> Result<(), Breach> {
        if self.step == Step::Field { Ok(()) } else { Err(Breach::Fields) }
    }

    fn octet(&mut self, octet: u8) -> Result<(), Breach> {
        match self.step {
            Step::Field => match octet {
                0x80.. => self.number(Number::Field, octet, 7),
                0x40.. => self.number(Number::NameOf { enters: true }, octet, 6),
                0x20.. => self.number(Number::Size, octet, 5),
                _ => self.number(Number::NameOf { enters: false }, octet, 4),
            },
            Step::Length(of) => self.number(Number::Length { of, coded: octet & 0x80 != 0 }, octet, 7),
            Step::More { number, value, shift } => {
                let more = u32::from(octet & 0x7f) << shift;
                if octet & 0x80 == 0 {
                    return self.known(number, value + more);
                }
                // Nothing that is right is as long as that.
                require(shift < 14)?;
                self.step = Step::More { number, value: value + more, shift: shift + 7 };
                Ok(())
            }
            Step::Name { left, enters, coded } => {
                let is_pseudo = if coded { octet & CODED_COLON_BITS == CODED_COLON } else { octet == COLON };
                self.named(is_pseudo, enters)?;
                self.rest(left - 1, Text::Name { enters });
                Ok(())
            }
            Step::Rest { left, of } => {
                self.rest(left - 1, of);
                Ok(())
            }
        }
    }

    /// A number begins in so many bits of an octet.
    fn number(&mut self, number: Number, octet: u8, bits: u32) -> Result<(), Breach> {
        let most = (1 << bits) - 1;
        let value = u32::from(octet) & most;
        if value < most {
            return self.known(number, value);
        }
        self.step = Step::More { number, value, shift: 0 };
        Ok(())
    }

    fn known(&mut self, number: Number, value: u32) -> Result<(), Breach> {
        match number {
            Number::Field => {
                let is_pseudo = self.is_pseudo(value)?;
                self.named(is_pseudo, false)?;
                self.step = Step::Field;
            }
            Number::NameOf { enters } if value == 0 => self.step = Step::Length(Text::Name { enters }),
            Number::NameOf { enters } => {
                let is_pseudo = self.is_pseudo(value)?;
                self.named(is_pseudo, enters)?;
                self.step = Step::Length(Text::Value);
            }
            Number::Size => {
                require(value <= TABLE)?;
                self.step = Step::Field;
            }
            Number::Length { of: Text::Name { enters }, coded } if value > 0 => {
                self.step = Step::Name { left: value, enters, coded };
            }
            Number::Length { of, .. } => self.rest(value, of),
        }
        Ok(())
    }

    /// So much is left of a string.
    const fn rest(&mut self, left: u32, of: Text) {
        self.step = match (left, of) {
            (0, Text::Name { .. }) => Step::Length(Text::Value),
            (0, Text::Value) => Step::Field,
            (left, of) => Step::Rest { left, of },
        };
    }

    /// Whether an entry has the name of a pseudo-header field.
    fn is_pseudo(&self, index: u32) -> Result<bool, Breach> {
        let Some(own) = index.checked_sub(STATIC + 1) else {
            require(index > 0)?;
            return Ok(index <= PSEUDO);
        };
        require(own < self.entries)?;
        Ok(self.pseudo >> own & 1 == 1)
    }

    /// The name of a field is known.
    fn named(&mut self, is_pseudo: bool, enters: bool) -> Result<(), Breach> {
        if enters {
            self.entries = ENTRIES.min(self.entries + 1);
            self.pseudo = self.pseudo << 1 | u128::from(is_pseudo);
        }
        if is_pseudo && self.in_trailers { Err(Breach::Trailers) } else { Ok(()) }
    }
}

const fn require(holds: bool) -> Result<(), Breach> {
    if holds { Ok(()) } else { Err(Breach::Fields) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of blocks on one connection; the last are trailers.
    fn judged(blocks: &[&[u8]]) -> Result<(), Breach> {
        let mut fields = Fields::new();
        for (place, block) in blocks.iter().enumerate() {
            fields.begin(place + 1 == blocks.len());
            fields.take(block)?;
            fields.end()?;
        }
        Ok(())
    }

    fn head(block: &[u8]) -> Result<(), Breach> {
        let whole = judged(&[block, &[]]);
        for cut in 0..=block.len() {
            let mut fields = Fields::new();
            let (one, two) = block.split_at(cut);
            let parts = fields.take(one).and_then(|()| fields.take(two)).and_then(|()| fields.end());
            assert_eq!(parts, whole, "cut at {cut}");
        }
        whole
    }

    #[test]
    fn blocks_of_rfc_7541_can_be_decoded() {
        for block in [
            &b"\x40\x0acustom-key\x0dcustom-header"[..],
            b"\x04\x0c/sample/path",
            b"\x10\x08password\x06secret",
            b"\x82\x86\x84\x41\x0fwww.example.com",
            b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff",
            b"\x20\x3f\xe1\x1f\x82",
        ] {
            assert_eq!(head(block), Ok(()), "{block:x?}");
        }
        let long = [&b"\x00\x01a\x7f\x81\x01"[..], &[b'x'; 127 + 129]].concat();
        assert_eq!(head(&long), Ok(()));
        let entries = b"\x40\x01a\x00".repeat(200);
        assert_eq!(judged(&[&entries, b"\xff\x3e", &[]]), Ok(()), "the last entry that there may be");
    }

    #[test]
    fn blocks_that_end_too_early_or_name_no_entry_cannot_be_decoded() {
        for block in [
            &b"\x40"[..],
            b"\x40\x05a",
            b"\x40\x01a",
            b"\x41\x0fwww",
            b"\x80",
            b"\xbe",
            b"\x7e\x01a",
            b"\x3f\xe2\x1f",
            b"\xff",
            b"\xff\x80\x80\x80\x80\x01",
            b"\x82\x0f",
        ] {
            assert_eq!(head(block), Err(Breach::Fields), "{block:x?}");
        }
        let entries = b"\x40\x01a\x00".repeat(200);
        assert_eq!(judged(&[&entries, b"\xff\x3f", &[]]), Err(Breach::Fields));
    }

    #[test]
    fn trailers_have_no_pseudo_header_fields() {
        for trailers in [
            &b"\x83"[..],
            b"\x8e",
            b"\x41\x01a",
            b"\x04\x01/",
            b"\x14\x01/",
            b"\x00\x05:path\x01/",
            b"\x00\x84\xb9\x58\xd3\x3f\x01/",
            b"\x20\x83",
            b"\x00\x01a\x01b\x83",
            b"\xbf",
            b"\x7f\x00\x01/",
        ] {
            let head = b"\x41\x01a\x40\x01b\x01c";
            assert_eq!(judged(&[head, trailers]), Err(Breach::Trailers), "{trailers:x?}");
            assert_eq!(judged(&[head, trailers, &[]]), Ok(()), "{trailers:x?} in a head");
        }
        for trailers in
            [&b"\x8f"[..], b"\xbd", b"\x00\x02a:\x01:", b"\x40\x01b\x01c", b"\xbe", b"\x7f\x00\x01/"]
        {
            let head = b"\x41\x01a\x40\x01b\x01c\x40\x01d\x01e";
            assert_eq!(judged(&[head, trailers]), Ok(()), "{trailers:x?}");
        }
    }
}
