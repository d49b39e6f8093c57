//! What is measured, and how good ours has to be. The numbers of a row are found by [`Way`].

use super::setting::{ONE, Setting, TWO};
use super::way::Way;
use crate::peers::choice::Choice;
use crate::peers::figure::{Better, Spec};
use anyhow::Result;

/// One measurement of all resolvers: what it finds, under which circumstances, and how.
pub struct Row {
    /// What it finds.
    pub figures: &'static [Spec],
    /// The circumstances.
    pub setting: &'static Setting,
    /// How often in each round.
    pub turns: usize,
    /// Takes it.
    pub run: fn(&Way<'_>) -> Result<Vec<Option<f64>>>,
}

/// Answers a second. Ours has to be ahead; how far, the load decides, which has one processor to fill another.
const fn speed(name: &'static str, says: &'static str) -> Spec {
    Spec::new(name, says, "q/s", Better::More, 1.0).with_second(1.0)
}

/// Answers for each second of CPU time.
const fn cost(name: &'static str, says: &'static str, target: f64) -> Spec {
    Spec::new(name, says, "q/CPU s", Better::More, target).with_second(1.0)
}

/// How many times cheaper than Unbound's an answer over UDP has to be.
const UDP: f64 = 3.0;

/// How often cached names are measured in each round.
const TURNS: usize = 2;

/// All rows, in the order of the table.
pub const ROWS: &[Row] = &[
    Row {
        figures: &[
            speed("udp_cached", "UDP, cached, one core"),
            cost("udp_cached_cpu", "  for each CPU second", UDP),
        ],
        setting: &ONE,
        turns: TURNS,
        run: |way| way.cached(),
    },
    Row {
        figures: &[
            speed("udp_cached_two", "UDP, cached, two cores"),
            cost("udp_cached_two_cpu", "  for each CPU second", UDP),
        ],
        setting: &TWO,
        turns: TURNS,
        run: |way| way.cached(),
    },
    Row {
        figures: &[
            speed("udp_uncached", "UDP, uncached, one core"),
            cost("udp_uncached_cpu", "  for each CPU second", UDP),
        ],
        setting: &ONE,
        turns: 1,
        run: |way| way.uncached(),
    },
    Row {
        figures: &[
            speed("udp_uncached_two", "UDP, uncached, two cores"),
            cost("udp_uncached_two_cpu", "  for each CPU second", UDP),
        ],
        setting: &TWO,
        turns: 1,
        run: |way| way.uncached(),
    },
];

impl Choice for Row {
    fn figures(&self) -> &'static [Spec] {
        self.figures
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn all() -> Vec<&'static str> {
        ROWS.iter().flat_map(|row| row.figures).map(|spec| spec.name).collect()
    }

    #[test]
    fn names_are_unique() {
        assert_eq!(all().iter().collect::<HashSet<_>>().len(), all().len());
    }

    #[test]
    fn every_row_is_documented() {
        let page = include_str!("../../../../docs/operations.md");
        for name in all() {
            assert!(page.contains(&format!("`{name}`")), "docs/operations.md does not tell what {name} is");
        }
    }
}
