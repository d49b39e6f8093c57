//! UDP header (RFC 768).
//!
//! ```text
//!   |          source port          |       destination port        |
//!   |            length             |           checksum            |
//! ```

use super::layout;

layout! {
    /// The UDP header.
    Udp, 8 bytes;
    /// Source port.
    0: src_port, set_src_port, u16;
    /// Destination port.
    2: dst_port, set_dst_port, u16;
    /// Length of header and data in bytes.
    4: len, set_len, u16;
    /// Checksum over pseudo-header, header and data; zero is none.
    6: checksum, set_checksum, u16;
}

/// Offset of the checksum.
pub(crate) const CHECKSUM_AT: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_at_their_offsets() {
        let mut header = Udp::zeroed();
        header.set_len(9);
        header.set_checksum(0xffff);
        assert_eq!(header.bytes(), &[0, 0, 0, 0, 0, 9, 0xff, 0xff]);
        assert_eq!(CHECKSUM_AT, 6);
    }
}
