//! Bytes that both ends know: the body of the download, the content of datagrams.

use std::sync::OnceLock;

/// Bytes of the body that web servers hand out at [`BODY_PATH`].
pub const BODY_LENGTH: usize = 10 << 20;

/// Where they hand it out.
pub const BODY_PATH: &str = "/body";

const CRC_TABLE: [u32; 256] = crc_table();

/// The body of the download: ten mebibytes that do not repeat.
pub fn body() -> &'static [u8] {
    static BODY: OnceLock<Vec<u8>> = OnceLock::new();
    BODY.get_or_init(|| bytes(BODY_LENGTH, 0x6361_7573_6577_6179))
}

/// `length` bytes that depend on `seed` and nothing else.
pub fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let words = (0..length.div_ceil(8)).flat_map(|_| {
        // Marsaglia's xorshift64.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(length).collect()
}

/// The CRC-32 of ISO 3309, as `crc32` and zip compute it.
pub fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| CRC_TABLE[usize::from(crc.to_le_bytes()[0] ^ byte)] ^ (crc >> 8))
}

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    let mut byte = 0;
    while index < table.len() {
        let mut crc: u32 = byte;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_has_the_check_value_of_its_catalogue() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn body_does_not_repeat_within_a_mebibyte() {
        assert_eq!(body().len(), BODY_LENGTH);
        assert_ne!(body()[..1 << 20], body()[1 << 20..2 << 20]);
    }
}
