//! What is measured, and how good ours has to be. The numbers of a row are found by [`super::way::Way`].

use super::LIMIT;
use super::changes::COUNT;
use super::product::Product;
use super::setting::{CHANGING, CORES, IDLE, Setting, TLS, USUAL};
use super::way::{Bench, CLOSING, KEPT, LONG, SECRET};
use crate::peers::figure::{Against, Better, Side, Spec};
use crate::peers::row::Row;
use crate::peers::stream::Direction;

/// Who carries bytes.
#[derive(Clone, Copy, Debug)]
pub enum Who {
    /// A proxy, under these circumstances.
    Proxy(Product, &'static Setting),
    /// Nobody: the limit.
    Direct,
}

impl Who {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proxy(product, _) => product.name(),
            Self::Direct => LIMIT,
        }
    }
}

/// Ours and HAProxy as it comes.
const fn both(setting: &'static Setting) -> [(Side, Who); 2] {
    [(Side::Ours, Who::Proxy(Product::Ours, setting)), (Side::Theirs, Who::Proxy(Product::Haproxy, setting))]
}

/// Both, HAProxy with pipes, and nobody.
const ALL: [(Side, Who); 4] = {
    let [ours, theirs] = both(&USUAL);
    [ours, theirs, (Side::Second, Who::Proxy(Product::Splicing, &USUAL)), (Side::Limit, Who::Direct)]
};

/// What must not be less than HAProxy's, however that moves bytes: this many times better.
const fn more(name: &'static str, says: &'static str, unit: &'static str, target: f64) -> Spec {
    Spec::new(name, says, unit, Better::More, target).with_second(target).on(CORES)
}

/// How long an answer takes, which must not be longer.
const fn time(name: &'static str, says: &'static str) -> Spec {
    Spec::new(name, says, "us", Better::Less, 1.0).with_second(1.0).on(CORES)
}

/// What has to be so many times HAProxy's, which moves bytes of TLS in one way only.
const fn secret(name: &'static str, says: &'static str, unit: &'static str, target: f64) -> Spec {
    Spec::new(name, says, unit, Better::More, target).on(CORES)
}

/// The words of figures that are measured together with others.
const COST: &str = "  for each CPU second";
const MEDIAN: &str = "  half of them come within";
const P99: &str = "  99 of 100 come within";

/// The most that an exchange may take while the configuration changes, in parts of what it takes otherwise.
const DISTURBED: f64 = 1.1;

/// How many times less memory an idle connection has to take.
const FRUGAL: f64 = 2.0;

/// How often what takes little time is measured in each round.
const TURNS: usize = 2;

/// All rows, in the order of the table.
pub const ROWS: &[Row<Bench>] = &[
    Row {
        figures: &[
            more("kept", "short answers, connections kept", "/s", 1.0),
            more("kept_cpu", COST, "/CPU s", 1.1),
            time("kept_median", MEDIAN),
            time("kept_p99", P99),
        ],
        who: &ALL,
        turns: TURNS,
        run: |way| way.answers(KEPT),
    },
    Row {
        figures: &[
            more("closed", "connect, short answer, close", "/s", 1.0),
            more("closed_cpu", COST, "/CPU s", 1.0),
            time("closed_median", MEDIAN),
            time("closed_p99", P99),
        ],
        who: &ALL,
        turns: TURNS,
        run: |way| way.answers(CLOSING),
    },
    Row {
        figures: &[
            more("long", "answers of 1 MiB", "/s", 1.0),
            more("long_cpu", COST, "/CPU s", 1.5),
            time("long_median", MEDIAN),
            time("long_p99", P99),
        ],
        who: &ALL,
        turns: TURNS,
        run: |way| way.answers(LONG),
    },
    Row {
        figures: &[
            more("stream_up", "one stream to the server", "Gbit/s", 1.0),
            more("stream_up_cpu", COST, "Gbit/CPU s", 1.5),
        ],
        who: &ALL,
        turns: TURNS,
        run: |way| way.stream(Direction::ToServer),
    },
    Row {
        figures: &[
            more("stream_down", "one stream to the client", "Gbit/s", 1.0),
            more("stream_down_cpu", COST, "Gbit/CPU s", 1.5),
        ],
        who: &ALL,
        turns: TURNS,
        run: |way| way.stream(Direction::ToClient),
    },
    Row {
        figures: &[Spec::new("udp", "datagrams of 64 bytes there and back", "/s", Better::More, 0.5)
            .against(Against::Other(LIMIT))
            .on(CORES)],
        who: &[(Side::Ours, Who::Proxy(Product::Ours, &USUAL)), (Side::Theirs, Who::Direct)],
        turns: TURNS,
        run: |way| way.datagrams(),
    },
    Row {
        figures: &[
            secret("handshakes", "full handshakes of TLS 1.3, each with a short answer", "/s", 1.3),
            secret("handshakes_cpu", COST, "/CPU s", 1.3),
        ],
        who: &both(&TLS),
        turns: TURNS,
        run: |way| way.handshakes(),
    },
    Row {
        figures: &[
            secret("secret", "answers of 1 MiB over TLS 1.3", "/s", 1.1),
            secret("secret_cpu", COST, "/CPU s", 1.1),
            Spec::new("secret_median", MEDIAN, "us", Better::Less, 1.0).on(CORES),
            Spec::new("secret_p99", P99, "us", Better::Less, 1.0).on(CORES),
        ],
        who: &both(&TLS),
        turns: TURNS,
        run: |way| way.answers(SECRET),
    },
    Row {
        figures: &[Spec::new("idle", "memory of each of 9,000 idle connections", "B", Better::Less, FRUGAL)],
        who: &both(&IDLE),
        turns: 1,
        run: |way| way.idle(),
    },
    Row {
        figures: &[
            Spec::new(
                "changes_answered",
                "exchanges that go well during changes",
                "of all",
                Better::More,
                1.0,
            )
            .against(Against::Bound("all", 1.0))
            .in_every_round(),
            Spec::new("changes_made", "  changes in 10 s", "", Better::More, 1.0)
                .against(Against::Bound("1,000", COUNT as f64))
                .in_every_round(),
            Spec::new("changes_p99", "  99 of 100 come within, in calm times", "times", Better::Less, 1.0)
                .against(Against::Bound("1.1", DISTURBED)),
            Spec::new("changes_time", "  a change is in force after", "ms", Better::Less, 1.0),
        ],
        who: &both(&CHANGING),
        turns: 1,
        run: |way| way.changes(),
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
