//! The pcap file format: a 24-byte head, then 16 bytes before each packet; the writer's byte order.

use std::io::{self, Write};
use std::time::Duration;

/// Marks a file whose times have nanoseconds.
const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
const VERSION: [u16; 2] = [2, 4];

/// What a packet begins with, by its number in the registry of link types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkType {
    /// An Ethernet header.
    Ethernet = 1,
    /// An IPv4 or IPv6 header.
    Raw = 101,
}

pub(super) struct Writer<W> {
    file: W,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(mut file: W, link_type: LinkType, snap: usize) -> io::Result<Self> {
        file.write_all(&MAGIC_NANOSECONDS.to_ne_bytes())?;
        for half in VERSION {
            file.write_all(&half.to_ne_bytes())?;
        }
        // Time zone and accuracy, both unused by everyone.
        file.write_all(&[0; 8])?;
        file.write_all(&word(snap).to_ne_bytes())?;
        file.write_all(&(link_type as u32).to_ne_bytes())?;
        Ok(Self { file })
    }

    /// One packet, `at` after the epoch, of which `bytes` were kept of `length`.
    pub(super) fn packet(&mut self, at: Duration, length: usize, bytes: &[u8]) -> io::Result<()> {
        let seconds = u32::try_from(at.as_secs()).unwrap_or(u32::MAX);
        for field in [seconds, at.subsec_nanos(), word(bytes.len()), word(length)] {
            self.file.write_all(&field.to_ne_bytes())?;
        }
        self.file.write_all(bytes)
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn word(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_has_its_head_and_one_record_per_packet() {
        let mut file = Vec::new();
        let mut writer = Writer::new(&mut file, LinkType::Raw, 1600).unwrap();
        writer.packet(Duration::new(7, 9), 2000, &[0x60, 1, 2]).unwrap();
        writer.finish().unwrap();
        assert_eq!(file.len(), 24 + 16 + 3);
        assert_eq!(file[..4], 0xa1b2_3c4d_u32.to_ne_bytes());
        assert_eq!(file[20..24], 101_u32.to_ne_bytes());
        let record: Vec<u32> =
            file[24..40].chunks(4).map(|word| u32::from_ne_bytes(word.try_into().unwrap())).collect();
        assert_eq!(record, [7, 9, 3, 2000]);
        assert_eq!(file[40..], [0x60, 1, 2]);
    }
}
