//! What is measured, and how good ours has to be. The numbers of a row are found by [`Way`].

use super::product::Product;
use super::setting::{LARGE, ONE, REMOTE, SMALL, Setting, TLS_ONE, TLS_TWO, TWO};
use super::way::{TCP, TLS, Way};
use crate::peers::choice::Choice;
use crate::peers::figure::{Against, Better, Side, Spec};
use anyhow::Result;

/// Who answers.
#[derive(Clone, Copy, Debug)]
pub enum Who {
    /// A resolver.
    Resolver(Product),
    /// The server far away, without one: the limit.
    Direct,
}

impl Who {
    /// The resolver, if it is one.
    pub const fn product(self) -> Option<Product> {
        match self {
            Self::Resolver(product) => Some(product),
            Self::Direct => None,
        }
    }

    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resolver(product) => product.name(),
            Self::Direct => super::LIMIT,
        }
    }
}

/// One measurement: what it finds, under which circumstances, and how.
pub struct Row {
    /// What it finds.
    pub figures: &'static [Spec],
    /// Of whom.
    pub who: &'static [(Side, Who)],
    /// The circumstances.
    pub setting: &'static Setting,
    /// How often in each round.
    pub turns: usize,
    /// Takes it.
    pub run: fn(&Way<'_>) -> Result<Vec<Option<f64>>>,
}

const OURS: (Side, Who) = (Side::Ours, Who::Resolver(Product::Ours));
const UNBOUND: (Side, Who) = (Side::Theirs, Who::Resolver(Product::Unbound));
const BIND: (Side, Who) = (Side::Second, Who::Resolver(Product::Bind));

/// All resolvers.
const ALL: &[(Side, Who)] = &[OURS, UNBOUND, BIND];

/// All, and what no resolver can do better.
const FROM_AFAR: &[(Side, Who)] = &[OURS, UNBOUND, BIND, (Side::Limit, Who::Direct)];

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

/// The same for connections.
const STREAM: f64 = 1.5;

/// The words of the row whose upstream is [`super::delayed::DELAY`] away.
const COLD: &str = "first answer, upstream 20 ms away";

/// How long the first answer for a name may take, in round trips to the upstream.
const ROUND_TRIPS: f64 = 1.5;

/// The part of a million names that has to be kept in ample room.
const KEPT: f64 = 0.99;

/// Names that a large cache holds.
const MILLION: u32 = 1_000_000;

/// Names that a small cache cannot hold.
const TOO_MANY: u32 = 300_000;

/// What must not be exceeded, in MiB: [`Setting::cache`].
const fn bound(setting: &Setting) -> Against {
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let size = (setting.cache >> 20) as f64;
    Against::Bound("cache_size", size)
}

/// How often cached names are measured in each round.
const TURNS: usize = 2;

/// How often what takes little time.
const MANY_TURNS: usize = 4;

/// All rows, in the order of the table.
pub const ROWS: &[Row] = &[
    Row {
        figures: &[
            speed("udp_cached", "UDP, cached, one core"),
            cost("udp_cached_cpu", "  for each CPU second", UDP),
        ],
        who: ALL,
        setting: &ONE,
        turns: TURNS,
        run: |way| way.cached(),
    },
    Row {
        figures: &[
            speed("udp_cached_two", "UDP, cached, two cores"),
            cost("udp_cached_two_cpu", "  for each CPU second", UDP),
        ],
        who: ALL,
        setting: &TWO,
        turns: TURNS,
        run: |way| way.cached(),
    },
    Row {
        figures: &[
            speed("udp_uncached", "UDP, uncached, one core"),
            cost("udp_uncached_cpu", "  for each CPU second", UDP),
        ],
        who: ALL,
        setting: &ONE,
        turns: 1,
        run: |way| way.uncached(),
    },
    Row {
        figures: &[
            speed("udp_uncached_two", "UDP, uncached, two cores"),
            cost("udp_uncached_two_cpu", "  for each CPU second", UDP),
        ],
        who: ALL,
        setting: &TWO,
        turns: 1,
        run: |way| way.uncached(),
    },
    Row {
        figures: &[
            speed("udp_full", "UDP, cached, without pause, one core"),
            cost("udp_full_cpu", "  for each CPU second", UDP),
        ],
        who: ALL,
        setting: &ONE,
        turns: MANY_TURNS,
        run: |way| way.most(),
    },
    Row {
        figures: &[
            speed("tcp_cached", "TCP, 100 connections, one core"),
            cost("tcp_cached_cpu", "  for each CPU second", STREAM),
        ],
        who: ALL,
        setting: &ONE,
        turns: TURNS,
        run: |way| way.cached_for(TCP),
    },
    Row {
        figures: &[
            speed("tcp_cached_two", "TCP, 100 connections, two cores"),
            cost("tcp_cached_two_cpu", "  for each CPU second", STREAM),
        ],
        who: ALL,
        setting: &TWO,
        turns: TURNS,
        run: |way| way.cached_for(TCP),
    },
    Row {
        figures: &[
            speed("tls_cached", "TLS, 100 connections, one core"),
            cost("tls_cached_cpu", "  for each CPU second", STREAM),
        ],
        who: ALL,
        setting: &TLS_ONE,
        turns: TURNS,
        run: |way| way.cached_for(TLS),
    },
    Row {
        figures: &[
            speed("tls_cached_two", "TLS, 100 connections, two cores"),
            cost("tls_cached_two_cpu", "  for each CPU second", STREAM),
        ],
        who: ALL,
        setting: &TLS_TWO,
        turns: TURNS,
        run: |way| way.cached_for(TLS),
    },
    Row {
        figures: &[
            Spec::new("latency_median", "UDP, cached, half load, median", "us", Better::Less, 1.0)
                .with_second(1.0),
            Spec::new("latency_p99", "  99 of 100 come within", "us", Better::Less, 1.0).with_second(1.0),
        ],
        who: ALL,
        setting: &ONE,
        turns: MANY_TURNS,
        run: |way| way.latency(),
    },
    Row {
        figures: &[Spec::new("cold_name", COLD, "ms", Better::Less, 1.0)
            .with_second(1.0)
            .with_limit(1.0 / ROUND_TRIPS)],
        who: FROM_AFAR,
        setting: &REMOTE,
        turns: 1,
        run: |way| way.cold(),
    },
    Row {
        figures: &[
            Spec::new("memory_name", "memory of each of 1,000,000 names", "B", Better::Less, 1.0)
                .with_second(1.0),
            Spec::new("memory_kept", "  of all, kept", "of all", Better::More, KEPT)
                .against(Against::Bound("all", 1.0))
                .in_every_round(),
            Spec::new("memory", "  growth for all of them", "MiB", Better::Less, 1.0)
                .against(bound(&LARGE))
                .in_every_round(),
        ],
        who: ALL,
        setting: &LARGE,
        turns: 1,
        run: |way| way.memory(MILLION),
    },
    Row {
        figures: &[
            Spec::new("small_name", "memory of each of too many names", "B", Better::Less, 1.0)
                .with_second(1.0),
            Spec::new("small_kept", "  of all, kept", "of all", Better::More, 1.0).with_second(1.0),
            Spec::new("small_memory", "  growth for all of them", "MiB", Better::Less, 1.0)
                .against(bound(&SMALL))
                .in_every_round(),
        ],
        who: ALL,
        setting: &SMALL,
        turns: 1,
        run: |way| way.memory(TOO_MANY),
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
