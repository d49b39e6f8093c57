//! How long the parts of requests take, counted by how long they take at most.

use super::shards::Shards;
use std::time::Duration;

/// A part of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// From its first octet to the last of the response.
    Whole,
    /// From the connection to a member to the head of the response.
    Response,
    /// From the place at a member to a new connection.
    Connect,
    /// From the head of the request to the place at a member.
    Queue,
}

impl Part {
    pub(crate) const ALL: [Self; 4] = [Self::Whole, Self::Response, Self::Connect, Self::Queue];
}

/// The upper bounds, in microseconds; the last one has none above it.
pub(crate) const BOUNDS: [u64; 14] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000,
];

/// Those of a part: one for each bound, one beyond them, and the sum of all in microseconds.
const SLOTS: usize = BOUNDS.len() + 2;

/// Of a listener or a pool.
#[derive(Debug)]
pub(crate) struct Latencies(Shards<{ SLOTS * Part::ALL.len() }>);

/// What was counted of one part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spread {
    /// For each of the bounds and beyond, those that took no more than it and more than the one below.
    pub(crate) counts: [u64; BOUNDS.len() + 1],
    /// Of all together.
    pub(crate) micros: u64,
}

impl Latencies {
    pub(crate) fn new(workers: usize) -> Self {
        Self(Shards::new(workers))
    }

    /// A part took so long.
    pub(crate) fn took(&self, worker: usize, part: Part, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let first = part as usize * SLOTS;
        let bucket = BOUNDS.iter().position(|bound| micros <= *bound).unwrap_or(BOUNDS.len());
        self.0.add(worker, first + bucket, 1);
        self.0.add(worker, first + SLOTS - 1, micros);
    }

    pub(crate) fn spread(&self, part: Part) -> Spread {
        let first = part as usize * SLOTS;
        Spread {
            counts: std::array::from_fn(|bucket| self.0.sum(first + bucket)),
            micros: self.0.sum(first + SLOTS - 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_its_buckets() {
        for (place, part) in Part::ALL.into_iter().enumerate() {
            assert_eq!(part as usize, place);
            let latencies = Latencies::new(2);
            for (worker, micros) in [(0, 0), (1, 500), (0, 501), (1, 10_000_001)] {
                latencies.took(worker, part, Duration::from_micros(micros));
            }
            for other in Part::ALL {
                let Spread { counts, micros } = latencies.spread(other);
                let found = (counts[0], counts[1], counts[BOUNDS.len()], counts.iter().sum::<u64>(), micros);
                let expect = if other == part { (2, 1, 1, 4, 10_001_002) } else { (0, 0, 0, 0, 0) };
                assert_eq!(found, expect, "{part:?} {other:?}");
            }
        }
    }

    #[test]
    fn bounds_rise() {
        assert!(BOUNDS.is_sorted_by(|one, other| one < other));
    }
}
