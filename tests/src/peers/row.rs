//! One measurement of a suite: what it finds, of whom, how often, and how.

use super::figure::{Side, Spec};
use super::suite::Field;
use anyhow::Result;

/// One measurement.
pub struct Row<F: Field> {
    /// What it finds.
    pub figures: &'static [Spec],
    /// Of whom.
    pub who: &'static [(Side, F::Who)],
    /// How often in each round.
    pub turns: usize,
    /// Takes it: a number for each of `figures`, or none where there is none.
    pub run: fn(&F::Way<'_>) -> Result<Vec<Option<f64>>>,
}

/// What holds of the rows of every suite: each has a name of its own, and `docs/operations.md` tells what it is.
#[cfg(test)]
pub(super) fn check<F: Field>() {
    use std::collections::HashSet;
    let page = include_str!("../../../docs/operations.md");
    let mut met = HashSet::new();
    for name in F::ROWS.iter().flat_map(|row| row.figures).map(|spec| spec.name) {
        assert!(met.insert(name), "two are called {name}");
        assert!(page.contains(&format!("`{name}`")), "docs/operations.md does not tell what {name} is");
    }
    assert!(!met.is_empty());
}
