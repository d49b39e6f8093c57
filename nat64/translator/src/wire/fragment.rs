//! IPv6 Fragment header (RFC 8200 §4.5).
//!
//! ```text
//!   |  next header  |   reserved    |     fragment offset     |res|M|
//!   |                        identification                         |
//! ```

use super::{field16, layout};

layout! {
    /// The IPv6 Fragment header.
    Fragment, 8 bytes;
    /// Protocol of the fragmented part.
    0: next_header, set_next_header, u8;
    /// Fragment offset in units of 8 bytes (13 bits), reserved (2 bits), M.
    2: offset_more, set_offset_more, u16;
    /// Identification.
    4: identification, set_identification, u32;
    /// The low half of the identification, which is what IPv4 has room for.
    6: identification_low, set_identification_low, u16;
}

impl<B: std::borrow::Borrow<[u8; 8]>> Fragment<B> {
    /// Where the payload stands in the whole packet, in bytes.
    pub(crate) fn offset(&self) -> usize {
        usize::from(self.offset_more() & !7)
    }

    /// Whether another fragment follows.
    pub(crate) fn more(&self) -> bool {
        self.offset_more() & 1 != 0
    }

    /// Whether the packet is whole in spite of the header: an atomic fragment (RFC 6946).
    pub(crate) fn is_atomic(&self) -> bool {
        self.offset() == 0 && !self.more()
    }
}

impl<B: std::borrow::BorrowMut<[u8; 8]>> Fragment<B> {
    /// Sets the offset in bytes, a multiple of 8 below 65 536, and M.
    pub(crate) fn set_offset(&mut self, offset: usize, more: bool) {
        self.set_offset_more((field16(offset) & !7) | u16::from(more));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offset_and_more_share_a_word() {
        let mut header = Fragment::zeroed();
        assert!(header.is_atomic());
        header.set_offset(1232, true);
        assert_eq!(header.bytes()[2..4], [0x04, 0xd1]);
        assert_eq!((header.offset(), header.more(), header.is_atomic()), (1232, true, false));
        header.set_offset(65_528, false);
        assert_eq!((header.offset(), header.more()), (65_528, false));
    }
}
