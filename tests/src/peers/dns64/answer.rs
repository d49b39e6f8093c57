//! What the mirror in the place of a resolver makes of a question: the one answer that all names have. It reads no name,
//! knows no cache and asks nobody.

use super::questions::{TTL, synthesized};
use crate::peers::mirror::ROOM;

/// Turns the question of this length into its answer, and returns its length (RFC 1035 §4.1).
pub(super) fn answer(buffer: &mut [u8; ROOM], length: usize) -> usize {
    // Its owner is the name that stands behind the header.
    const TYPE_AND_CLASS: [u8; 6] = [0xc0, 0x0c, 0, 28, 0, 1];
    let record = [&TYPE_AND_CLASS[..], &TTL.to_be_bytes(), &16_u16.to_be_bytes(), &synthesized().octets()];
    let mut end = length;
    for part in record {
        let Some(room) = buffer.get_mut(end..end + part.len()) else { return length };
        room.copy_from_slice(part);
        end += part.len();
    }
    buffer[2] |= 0x80;
    buffer[7] = 1;
    end
}

#[cfg(test)]
mod tests {
    use super::super::questions;
    use super::super::way::check;
    use super::*;
    use hickory_proto::op::Message;

    #[test]
    fn question_becomes_its_answer() {
        let query = questions::messages(0..1).unwrap().remove(0);
        let mut buffer = [0; ROOM];
        buffer[..query.len()].copy_from_slice(&query);
        let length = answer(&mut buffer, query.len());
        assert!(questions::is_answer(&buffer[..length]));
        check(&Message::from_vec(&buffer[..length]).unwrap()).unwrap();
    }
}
