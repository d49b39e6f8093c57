//! When memory that many connections have had is to be given back. Pure.
//!
//! What one connection leaves serves the next one, so nothing is given back while as many come as go.

/// Connections that are worth it.
const WORTH: usize = 16;

/// The most connections since memory was given back.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tide(usize);

impl Tide {
    /// Memory is given back with so many at this moment. Each of them may hold on to much that others have had, so that the
    /// half of them are worth it next, however few.
    pub(crate) const fn given_back(count: usize) -> Self {
        Self(if count == 0 { 0 } else { count + WORTH })
    }

    /// With so many at this moment.
    pub(crate) fn risen_to(self, count: usize) -> Self {
        Self(self.0.max(count))
    }

    /// Whether memory is to be given back with so many at this moment: half of them have gone, or more.
    pub(crate) const fn has_ebbed(self, count: usize) -> bool {
        self.0 >= 2 * count + WORTH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ebbs_when_half_of_many_have_gone() {
        let check = |high: usize, count: usize, expect: bool| {
            assert_eq!(Tide::default().risen_to(high).has_ebbed(count), expect, "{count} of {high}");
        };
        check(0, 0, false);
        check(15, 0, false);
        check(16, 0, true);
        check(1000, 493, false);
        check(1000, 492, true);
        assert!(Tide::default().risen_to(1000).risen_to(10).has_ebbed(10), "the most counts");
    }

    #[test]
    fn those_that_are_left_are_worth_it_to_the_last() {
        let check = |left: usize, count: usize, expect: bool| {
            assert_eq!(Tide::given_back(left).has_ebbed(count), expect, "{count} of {left}");
        };
        check(7, 4, false);
        check(7, 3, true);
        check(3, 1, true);
        check(1, 1, false);
        check(1, 0, true);
        check(0, 0, false);
    }
}
