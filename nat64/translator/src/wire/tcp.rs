//! TCP header (RFC 9293 §3.1): the fields a translator touches.
//!
//! ```text
//!   |          source port          |       destination port        |
//!   |                        sequence number                        |
//!   |                    acknowledgment number                      |
//!   |offset |  rsv  |     flags     |            window             |
//!   |           checksum            |        urgent pointer         |
//! ```

use super::layout;

layout! {
    /// The fixed 20 bytes of a TCP header.
    Tcp, 20 bytes;
    /// Source port.
    0: src_port, set_src_port, u16;
    /// Destination port.
    2: dst_port, set_dst_port, u16;
    /// Sequence number of the first byte of data.
    4: sequence, set_sequence, u32;
    /// Header length in 32-bit words (4 bits), reserved.
    12: data_offset, set_data_offset, u8;
    /// CWR, ECE, URG, ACK, PSH, RST, SYN, FIN.
    13: flags, set_flags, u8;
    /// Checksum over pseudo-header, header and data.
    16: checksum, set_checksum, u16;
}

/// Offset of the checksum.
pub(crate) const CHECKSUM_AT: usize = 16;

/// The flag of a segment that opens a connection.
pub(crate) const SYN: u8 = 0x02;

/// Acknowledgment field is significant, in [`Tcp::flags`].
pub(crate) const ACK: u8 = 0x10;
/// Push, in [`Tcp::flags`].
pub(crate) const PSH: u8 = 0x08;
/// Flags that only the last segment of a super-packet carries: FIN and PSH.
pub(crate) const LAST_SEGMENT_FLAGS: u8 = 0x09;
/// Flags that only the first segment of a super-packet carries: CWR.
pub(crate) const FIRST_SEGMENT_FLAGS: u8 = 0x80;

impl<B: std::borrow::Borrow<[u8; 20]>> Tcp<B> {
    /// Length of the header with its options in bytes, as it claims: 0 to 60.
    pub(crate) fn header_len(&self) -> usize {
        usize::from(self.data_offset() >> 4) * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_length_counts_words() {
        let mut header = Tcp::zeroed();
        header.set_data_offset(0x80);
        assert_eq!(header.header_len(), 32);
        header.set_checksum(0x1234);
        assert_eq!(header.bytes()[CHECKSUM_AT..18], [0x12, 0x34]);
    }
}
