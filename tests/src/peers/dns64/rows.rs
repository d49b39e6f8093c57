//! What is measured, and how good ours has to be. The numbers of a row are found by [`super::way::Way`].

use super::product::Product;
use super::setting::{LARGE, ONE, REMOTE, SMALL, Setting, TLS_ONE, TLS_TWO, TWO};
use super::way::{Bench, TCP, TLS};
use crate::peers::figure::{Against, Better, Side, Spec};
use crate::peers::row::Row;

/// Who answers.
#[derive(Clone, Copy, Debug)]
pub enum Who {
    /// A resolver, under these circumstances.
    Resolver(Product, &'static Setting),
    /// The server far away, without one: the limit.
    Direct,
}

impl Who {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resolver(product, _) => product.name(),
            Self::Direct => "direct",
        }
    }
}

/// All resolvers.
const fn all(setting: &'static Setting) -> [(Side, Who); 3] {
    [
        (Side::Ours, Who::Resolver(Product::Ours, setting)),
        (Side::Theirs, Who::Resolver(Product::Unbound, setting)),
        (Side::Second, Who::Resolver(Product::Bind, setting)),
    ]
}

/// All, and the limit.
const fn and(setting: &'static Setting, limit: Who) -> [(Side, Who); 4] {
    let [ours, unbound, bind] = all(setting);
    [ours, unbound, bind, (Side::Limit, limit)]
}

/// What hardly a resolver is cheaper than.
const MIRROR: Who = Who::Resolver(Product::Mirror, &ONE);

/// Answers a second.
const fn speed(name: &'static str, says: &'static str, target: f64, setting: &Setting) -> Spec {
    Spec::new(name, says, "q/s", Better::More, target).with_second(1.0).on(setting.cores)
}

/// Answers for each second of CPU time.
const fn cost(name: &'static str, target: f64, setting: &Setting) -> Spec {
    Spec::new(name, "  for each CPU second", "q/CPU s", Better::More, target)
        .with_second(1.0)
        .on(setting.cores)
}

/// What a measurement finds that must not be worse than anybody's.
const fn equal(name: &'static str, says: &'static str, unit: &'static str, better: Better) -> Spec {
    Spec::new(name, says, unit, better, 1.0).with_second(1.0)
}

/// How many times Unbound's answers a second: over UDP it has to be ahead; how far, the load decides, which has one
/// processor to fill another.
const AHEAD: f64 = 1.0;

/// How many times cheaper than Unbound's an answer over UDP has to be, and how many times as many if nothing is cached.
const UDP: f64 = 3.0;

/// The same for connections.
const STREAM: f64 = 1.5;

/// How near the pace of two paced loads has to be, to compare what they found.
const SAME_PACE: f64 = 0.95;

/// The words of the row whose upstream is [`super::delayed::DELAY`] away.
const COLD: &str = "first answer, upstream 20 ms away";

/// How long the first answer for a name may take, in round trips to the upstream.
const ROUND_TRIPS: f64 = 1.1;

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
pub const ROWS: &[Row<Bench>] = &[
    Row {
        figures: &[
            speed("udp_cached", "UDP, cached, one core", AHEAD, &ONE),
            cost("udp_cached_cpu", UDP, &ONE),
        ],
        who: &and(&ONE, MIRROR),
        turns: TURNS,
        run: |way| way.cached(),
    },
    Row {
        figures: &[
            speed("udp_cached_two", "UDP, cached, two cores", AHEAD, &TWO),
            cost("udp_cached_two_cpu", UDP, &TWO),
        ],
        who: &all(&TWO),
        turns: TURNS,
        run: |way| way.cached(),
    },
    Row {
        figures: &[
            speed("udp_uncached", "UDP, uncached, one core", UDP, &ONE),
            cost("udp_uncached_cpu", UDP, &ONE),
        ],
        who: &all(&ONE),
        turns: 1,
        run: |way| way.uncached(),
    },
    Row {
        figures: &[
            speed("udp_uncached_two", "UDP, uncached, two cores", UDP, &TWO),
            cost("udp_uncached_two_cpu", UDP, &TWO),
        ],
        who: &all(&TWO),
        turns: 1,
        run: |way| way.uncached(),
    },
    Row {
        figures: &[
            speed("udp_full", "UDP, cached, without pause, one core", AHEAD, &ONE),
            cost("udp_full_cpu", UDP, &ONE),
        ],
        who: &and(&ONE, MIRROR),
        turns: MANY_TURNS,
        run: |way| way.most(),
    },
    Row {
        figures: &[
            speed("tcp_cached", "TCP, 100 connections, one core", STREAM, &ONE),
            cost("tcp_cached_cpu", STREAM, &ONE),
        ],
        who: &all(&ONE),
        turns: TURNS,
        run: |way| way.cached_for(TCP),
    },
    Row {
        figures: &[
            speed("tcp_cached_two", "TCP, 100 connections, two cores", STREAM, &TWO),
            cost("tcp_cached_two_cpu", STREAM, &TWO),
        ],
        who: &all(&TWO),
        turns: TURNS,
        run: |way| way.cached_for(TCP),
    },
    Row {
        figures: &[
            speed("tls_cached", "TLS, 100 connections, one core", STREAM, &TLS_ONE),
            cost("tls_cached_cpu", STREAM, &TLS_ONE),
        ],
        who: &all(&TLS_ONE),
        turns: TURNS,
        run: |way| way.cached_for(TLS),
    },
    Row {
        figures: &[
            speed("tls_cached_two", "TLS, 100 connections, two cores", STREAM, &TLS_TWO),
            cost("tls_cached_two_cpu", STREAM, &TLS_TWO),
        ],
        who: &all(&TLS_TWO),
        turns: TURNS,
        run: |way| way.cached_for(TLS),
    },
    Row {
        figures: &[
            equal("latency_median", "UDP, cached, half load, median", "us", Better::Less).on(ONE.cores),
            equal("latency_p99", "  99 of 100 come within", "us", Better::Less).on(ONE.cores),
            equal("latency_answered", "  of all questions, answered", "of all", Better::More).on(ONE.cores),
            Spec::new("latency_load", "  questions asked", "q/s", Better::More, SAME_PACE)
                .with_second(SAME_PACE)
                .on(ONE.cores),
        ],
        who: &and(&ONE, MIRROR),
        turns: MANY_TURNS,
        run: |way| way.latency(),
    },
    Row {
        figures: &[Spec::new("cold_name", COLD, "ms", Better::Less, 1.0)
            .with_second(1.0)
            .with_limit(1.0 / ROUND_TRIPS)],
        who: &and(&REMOTE, Who::Direct),
        turns: 1,
        run: |way| way.cold(),
    },
    Row {
        figures: &[
            equal("memory_name", "memory of each of 1,000,000 names", "B", Better::Less),
            Spec::new("memory_kept", "  of all, kept", "of all", Better::More, KEPT)
                .against(Against::Bound("all", 1.0))
                .in_every_round(),
            Spec::new("memory", "  growth for all of them", "MiB", Better::Less, 1.0)
                .against(bound(&LARGE))
                .in_every_round(),
        ],
        who: &all(&LARGE),
        turns: 1,
        run: |way| way.memory(MILLION),
    },
    Row {
        figures: &[
            equal("small_name", "memory of each of too many names", "B", Better::Less),
            equal("small_kept", "  of all, kept", "of all", Better::More),
            Spec::new("small_memory", "  growth for all of them", "MiB", Better::Less, 1.0)
                .against(bound(&SMALL))
                .in_every_round(),
        ],
        who: &all(&SMALL),
        turns: 1,
        run: |way| way.memory(TOO_MANY),
    },
];

#[cfg(test)]
mod tests {
    use super::Bench;
    use crate::peers::row;

    #[test]
    fn rows_have_names_and_are_documented() {
        row::check::<Bench>();
    }
}
