//! Lines on their way out, one behind the other in one buffer. Pure.

use std::ops::Range;

/// Octets that there is room for once there was.
const ROOM: usize = 1 << 20;
/// Octets of a short line.
const SHORT: usize = 100;

/// Lines, each with its end of line.
#[derive(Debug, Default)]
pub(super) struct Lines {
    text: Vec<u8>,
    /// Where each line ends.
    ends: Vec<usize>,
}

impl Lines {
    /// Adds what `write` writes as one line.
    pub(super) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.text);
        self.text.push(b'\n');
        self.ends.push(self.text.len());
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Octets of all lines.
    pub(super) fn size(&self) -> usize {
        self.text.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The lines at these places, one by one.
    pub(super) fn each(&self, places: Range<usize>) -> impl Iterator<Item = &[u8]> {
        places.map(|place| self.span(place..place + 1))
    }

    /// The lines from this place on that fit into `room` together, at least one, and the place behind them.
    pub(super) fn chunk(&self, from: usize, room: usize) -> (&[u8], usize) {
        let start = self.start(from);
        let fits = self.ends[from..].iter().take_while(|end| **end - start <= room).count();
        let to = from + fits.max(1);
        (self.span(from..to), to)
    }

    /// Empties it and keeps usual room.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.text.shrink_to(ROOM);
        self.ends.shrink_to(ROOM / SHORT);
    }

    fn start(&self, place: usize) -> usize {
        place.checked_sub(1).map_or(0, |before| self.ends[before])
    }

    fn span(&self, places: Range<usize>) -> &[u8] {
        &self.text[self.start(places.start)..self.start(places.end)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: &[&str]) -> Lines {
        let mut lines = Lines::default();
        for text in texts {
            lines.add(|out| out.extend_from_slice(text.as_bytes()));
        }
        lines
    }

    #[test]
    fn each_line_has_its_end() {
        let lines = lines(&["a", "", "bcd"]);
        assert_eq!((lines.len(), lines.size()), (3, 7));
        assert_eq!(lines.each(0..3).collect::<Vec<_>>(), [b"a\n".as_slice(), b"\n", b"bcd\n"]);
        assert_eq!(lines.each(1..2).collect::<Vec<_>>(), [b"\n"]);
    }

    #[test]
    fn chunks_hold_whole_lines() {
        let lines = lines(&["a", "b", "a line longer than the room", "c"]);
        let (mut from, mut chunks) = (0, Vec::new());
        while from < lines.len() {
            let (chunk, to) = lines.chunk(from, 4);
            chunks.push(chunk);
            from = to;
        }
        assert_eq!(chunks, [b"a\nb\n".as_slice(), b"a line longer than the room\n", b"c\n"]);
    }

    #[test]
    fn an_emptied_buffer_begins_anew() {
        let mut lines = lines(&["a", &"b".repeat(3 * ROOM)]);
        lines.clear();
        assert!(lines.is_empty() && lines.text.capacity() < 2 * ROOM);
        lines.add(|out| out.push(b'b'));
        assert_eq!(lines.each(0..1).collect::<Vec<_>>(), [b"b\n"]);
    }
}
