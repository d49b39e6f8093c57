//! What a client has sent and nobody has read: octets, taken out message by message (RFC 1035 §4.2.2).
//!
//! Small while messages are, since thousands of silent connections have one each; it grows for a client that sends
//! much at once, up to one message of the largest size.

use std::io;
use std::ops::Range;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Octets of the length before each message.
const PREFIX: usize = 2;

/// Octets that are read at one go from a client that sends one query at a time.
const USUAL: usize = 512;

/// Octets that are read at one go from a client that sends many.
const MOST: usize = 16 * 1024;

/// Octets that were read.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    octets: Vec<u8>,
    /// How many of them were taken out.
    taken: usize,
}

impl Inbox {
    /// Reads once; 0 is the client's end. Safe to cancel.
    pub(crate) async fn read(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
        let room = self.make_room();
        self.octets.reserve(room);
        stream.read_buf(&mut self.octets).await
    }

    /// Takes the next message out, if it is there in full.
    pub(crate) fn message(&mut self) -> Option<&[u8]> {
        let range = self.next()?;
        self.taken = range.end;
        Some(&self.octets[range])
    }

    /// Where the next message stands.
    fn next(&self) -> Option<Range<usize>> {
        let start = self.taken + PREFIX;
        let end = start + self.awaited()?;
        (end <= self.octets.len()).then_some(start..end)
    }

    /// The length of the next message, as far as it is known.
    fn awaited(&self) -> Option<usize> {
        let prefix = self.octets.get(self.taken..self.taken + PREFIX)?;
        Some(usize::from(u16::from_be_bytes([prefix[0], prefix[1]])))
    }

    /// Forgets what was taken out, and says how much to read: at least what the next message lacks.
    fn make_room(&mut self) -> usize {
        let was_full = self.octets.len() == self.octets.capacity();
        self.octets.drain(..self.taken);
        self.taken = 0;
        if self.octets.is_empty() && !was_full && self.octets.capacity() > MOST {
            self.octets = Vec::new();
        }
        let lacking = self.awaited().map_or(0, |length| (PREFIX + length).saturating_sub(self.octets.len()));
        let usual = if was_full { 2 * self.octets.capacity() } else { self.octets.capacity() };
        lacking.max(usual.clamp(USUAL, MOST).saturating_sub(self.octets.len())).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(length: usize, fill: u8) -> Vec<u8> {
        [&u16::try_from(length).unwrap().to_be_bytes()[..], &vec![fill; length]].concat()
    }

    async fn fed(inbox: &mut Inbox, mut octets: &[u8]) {
        while !octets.is_empty() {
            inbox.read(&mut octets).await.unwrap();
        }
    }

    #[tokio::test]
    async fn several_messages_come_out_of_one_read() {
        let mut inbox = Inbox::default();
        let octets = [framed(12, 1), framed(0, 0), framed(20, 2), vec![0]].concat();
        assert_eq!(inbox.read(&mut &octets[..]).await.unwrap(), octets.len());
        assert_eq!(inbox.message(), Some(&[1; 12][..]));
        assert_eq!(inbox.message(), Some(&[][..]));
        assert_eq!(inbox.message(), Some(&[2; 20][..]));
        assert_eq!(inbox.message(), None, "half a length");
        fed(&mut inbox, &[3, 7, 7]).await;
        assert_eq!(inbox.message(), None);
        fed(&mut inbox, &[7]).await;
        assert_eq!(inbox.message(), Some(&[7; 3][..]));
    }

    #[tokio::test]
    async fn a_message_may_come_octet_by_octet() {
        let mut inbox = Inbox::default();
        for (index, octet) in framed(300, 9).into_iter().enumerate() {
            assert_eq!(inbox.message(), None, "{index}");
            fed(&mut inbox, &[octet]).await;
        }
        assert_eq!(inbox.message(), Some(&[9; 300][..]));
    }

    #[tokio::test]
    async fn the_buffer_grows_for_the_largest_message_and_shrinks_behind_it() {
        let mut inbox = Inbox::default();
        fed(&mut inbox, &framed(20, 1)).await;
        assert!(inbox.octets.capacity() <= 2 * USUAL);
        inbox.message().unwrap();
        fed(&mut inbox, &framed(65_535, 2)).await;
        assert_eq!(inbox.message(), Some(&vec![2; 65_535][..]));
        fed(&mut inbox, &framed(20, 3)).await;
        assert_eq!(inbox.message(), Some(&[3; 20][..]));
        fed(&mut inbox, &framed(20, 3)).await;
        assert!(inbox.octets.capacity() <= MOST, "{}", inbox.octets.capacity());
    }
}
