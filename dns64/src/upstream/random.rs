//! What a guesser must not know: which socket a query leaves from, its number, and the spelling of its name.
//!
//! Drawn from the kernel by the page, since a system call for each query costs more than the rest of drawing.

use super::breakdown::Breakdown;
use std::cell::RefCell;

/// Octets drawn at a time.
const PAGE: usize = 4096;

thread_local! {
    static PAGE_OF_THREAD: RefCell<Page> = const { RefCell::new(Page { octets: [0; PAGE], left: 0 }) };
}

/// Octets that nobody has seen; none is given out twice.
struct Page {
    octets: [u8; PAGE],
    left: usize,
}

impl Page {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], getrandom::Error> {
        if self.left < N {
            getrandom::fill(&mut self.octets)?;
            self.left = PAGE;
        }
        self.left -= N;
        let mut taken = [0; N];
        // What was given out does not stay behind.
        taken.swap_with_slice(&mut self.octets[self.left..self.left + N]);
        Ok(taken)
    }
}

/// `N` random octets.
pub(super) fn draw<const N: usize>() -> Result<[u8; N], Breakdown> {
    PAGE_OF_THREAD.with_borrow_mut(Page::take).map_err(|_| Breakdown::Resources)
}

/// A random number.
pub(super) fn number() -> Result<u16, Breakdown> {
    draw().map(u16::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn nothing_is_drawn_twice() {
        let drawn: HashSet<[u8; 36]> = (0..3 * PAGE / 36).map(|_| draw().unwrap()).collect();
        assert_eq!(drawn.len(), 3 * PAGE / 36);
        assert!(drawn.iter().all(|octets| octets.iter().any(|octet| *octet != 0)));
    }
}
