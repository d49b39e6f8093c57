//! What is measured, and how good ours has to be. The numbers of a row are found by [`super::way::Way`].

use super::LIMIT;
use super::changes::COUNT;
use super::product::Product;
use super::setting::{
    CHANGING, CORES, HTTP, HTTP_IDLE, IDLE, LOGGED, Setting, TLS, TO_SYSLOG, UNLOGGED, USUAL, WEB,
};
use super::way::{
    Bench, CLOSING, HTTP_CLOSING, HTTP_KEPT, HTTP_LONG, HTTP_MEANWHILE, HTTP_SECRET, KEPT, LONG, MEANWHILE,
    SECRET, WRITTEN_OF,
};
use crate::peers::figure::{Against, Better, Side, Spec};
use crate::peers::row::Row;
use crate::peers::stream::Direction;

/// Who carries bytes.
#[derive(Clone, Copy, Debug)]
pub enum Who {
    /// A proxy, under these circumstances.
    Proxy(Product, &'static Setting),
    /// Ours under usual circumstances, once a connection is upgraded.
    Upgraded,
    /// A proxy without a log, and the same with each kind of it that is measured.
    Logged(Product),
    /// Nobody: the limit.
    Direct,
}

impl Who {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proxy(product, _) | Self::Logged(product) => product.name(),
            Self::Upgraded => Product::Ours.name(),
            Self::Direct => LIMIT,
        }
    }

    /// What has to run for it, itself first.
    pub fn proxies(self) -> Vec<(Product, &'static Setting)> {
        match self {
            Self::Proxy(product, setting) => vec![(product, setting)],
            Self::Upgraded => vec![(Product::Ours, &USUAL)],
            Self::Logged(Product::Ours) => {
                [&UNLOGGED].into_iter().chain(&LOGGED).map(|setting| (Product::Ours, setting)).collect()
            }
            Self::Logged(product) => vec![(product, &UNLOGGED), (product, &TO_SYSLOG)],
            Self::Direct => Vec::new(),
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

/// What has to be so many times HAProxy's, which moves bytes of TLS and of HTTP in one way only.
const fn made(name: &'static str, says: &'static str, unit: &'static str, target: f64) -> Spec {
    Spec::new(name, says, unit, Better::More, target).on(CORES)
}

/// How long an answer of the same takes, which must not be longer.
const fn wait(name: &'static str, says: &'static str) -> Spec {
    Spec::new(name, says, "us", Better::Less, 1.0).on(CORES)
}

/// How much longer something takes.
const fn times(name: &'static str, says: &'static str) -> Spec {
    Spec::new(name, says, "times", Better::Less, 1.0)
}

/// What changes of the configuration do to those who ask meanwhile: the part of exchanges that go well, how many changes
/// there were, how much longer an exchange took, by itself and beside the peer, how much calm times differ, and how long a
/// change took.
const fn changes(names: [&'static str; 6]) -> [Spec; 6] {
    let [answered, made, p99, beside, calm, time] = names;
    [
        Spec::new(answered, "exchanges that go well during changes", "of all", Better::More, 1.0)
            .against(Against::Bound("all", 1.0))
            .in_every_round(),
        Spec::new(made, "  changes in 10 s", "", Better::More, 1.0)
            .against(Against::Bound("1,000", COUNT as f64))
            .in_every_round(),
        times(p99, "  99 of 100 come within, in calm times").against(Against::Bound("1.1", DISTURBED)),
        times(beside, "  the same, beside the peer"),
        times(calm, "  calm times, in other calm times").against(Against::Bound("1.1", DISTURBED)),
        Spec::new(time, "  a change is in force after", "ms", Better::Less, 1.0),
    ]
}

/// What lines about requests cost: at most a twentieth of what a request costs without.
const fn log(name: &'static str, says: &'static str) -> Spec {
    Spec::new(name, says, "times", Better::Less, 1.0).against(Against::Bound("1.05", 1.05)).on(CORES)
}

/// The words of figures that are measured together with others.
const COST: &str = "  for each CPU second";
const MEDIAN: &str = "  half of them come within";
const P99: &str = "  99 of 100 come within";

/// The most that an exchange may take while the configuration changes, in parts of what it takes otherwise.
const DISTURBED: f64 = 1.1;

/// How many times less memory an idle connection has to take.
const FRUGAL: f64 = 2.0;

/// The same in mode http: at most 0.7 of HAProxy's.
const HTTP_FRUGAL: f64 = 1.0 / 0.7;

/// The same bytes through our own mode tcp.
const TCP: &str = "mode tcp";

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
            made("handshakes", "full handshakes of TLS 1.3, each with a short answer", "/s", 1.3),
            made("handshakes_cpu", COST, "/CPU s", 1.3),
        ],
        who: &both(&TLS),
        turns: TURNS,
        run: |way| way.handshakes(),
    },
    Row {
        figures: &[
            made("secret", "answers of 1 MiB over TLS 1.3", "/s", 1.1),
            made("secret_cpu", COST, "/CPU s", 1.1),
            wait("secret_median", MEDIAN),
            wait("secret_p99", P99),
        ],
        who: &both(&TLS),
        turns: TURNS,
        run: |way| way.answers(SECRET),
    },
    Row {
        figures: &[Spec::new("idle", "memory of each of 9,000 idle connections", "B", Better::Less, FRUGAL)],
        who: &both(&IDLE),
        turns: 1,
        run: |way| way.idle(WEB),
    },
    Row {
        figures: &changes([
            "changes_answered",
            "changes_made",
            "changes_p99",
            "changes_p99_beside",
            "changes_calm",
            "changes_time",
        ]),
        who: &both(&CHANGING),
        turns: 1,
        run: |way| way.changes(MEANWHILE),
    },
    Row {
        figures: &[
            made("http_kept", "mode http: short answers, connections kept", "/s", 1.0),
            made("http_kept_cpu", COST, "/CPU s", 1.15),
            wait("http_kept_median", MEDIAN),
            wait("http_kept_p99", P99),
        ],
        who: &both(&USUAL),
        turns: TURNS,
        run: |way| way.answers(HTTP_KEPT),
    },
    Row {
        figures: &[
            made("http_closed", "mode http: connect, short answer, close", "/s", 1.0),
            made("http_closed_cpu", COST, "/CPU s", 1.0),
            wait("http_closed_median", MEDIAN),
            wait("http_closed_p99", P99),
        ],
        who: &both(&USUAL),
        turns: TURNS,
        run: |way| way.answers(HTTP_CLOSING),
    },
    Row {
        figures: &[
            made("http_long", "mode http: answers of 1 MiB", "/s", 1.0),
            made("http_long_cpu", COST, "/CPU s", 1.5),
            wait("http_long_median", MEDIAN),
            wait("http_long_p99", P99),
        ],
        who: &both(&USUAL),
        turns: TURNS,
        run: |way| way.answers(HTTP_LONG),
    },
    Row {
        figures: &[
            made("http_tls_kept", "mode http: short answers over TLS 1.3, connections kept", "/s", 1.0),
            made("http_tls_kept_cpu", COST, "/CPU s", 1.2),
            wait("http_tls_kept_median", MEDIAN),
            wait("http_tls_kept_p99", P99),
        ],
        who: &both(&TLS),
        turns: TURNS,
        run: |way| way.answers(HTTP_SECRET),
    },
    Row {
        figures: &[
            made("http_h2", "mode http: short answers by HTTP/2 over TLS 1.3", "/s", 1.0),
            made("http_h2_cpu", COST, "/CPU s", 1.2),
        ],
        who: &both(&TLS),
        turns: TURNS,
        run: |way| way.streams(),
    },
    Row {
        figures: &[
            log("http_log", "mode http: CPU time with httplog"),
            log("http_log_json", "  with JSON"),
            log("http_log_syslog", "  with httplog by UDP"),
            Spec::new("http_log_beside", "  and beside HAProxy with the same", "times", Better::Less, 1.0)
                .on(CORES),
        ],
        who: &[(Side::Ours, Who::Logged(Product::Ours)), (Side::Theirs, Who::Logged(Product::Haproxy))],
        turns: TURNS,
        run: |way| way.logging(WRITTEN_OF),
    },
    Row {
        figures: &[
            Spec::new("http_websocket", "one stream up an upgraded connection", "Gbit/s", Better::More, 1.0)
                .against(Against::Other(TCP))
                .on(CORES),
            Spec::new("http_websocket_cpu", COST, "Gbit/CPU s", Better::More, 1.0)
                .against(Against::Other(TCP))
                .on(CORES),
        ],
        who: &[(Side::Ours, Who::Upgraded), (Side::Theirs, Who::Proxy(Product::Ours, &USUAL))],
        turns: TURNS,
        run: |way| way.tunnel(),
    },
    Row {
        figures: &[Spec::new(
            "http_idle",
            "mode http: memory of each of 9,000 idle connections",
            "B",
            Better::Less,
            HTTP_FRUGAL,
        )],
        who: &both(&HTTP_IDLE),
        turns: 1,
        run: |way| way.idle(HTTP),
    },
    Row {
        figures: &changes([
            "http_changes_answered",
            "http_changes_made",
            "http_changes_p99",
            "http_changes_p99_beside",
            "http_changes_calm",
            "http_changes_time",
        ]),
        who: &both(&CHANGING),
        turns: 1,
        run: |way| way.changes(HTTP_MEANWHILE),
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
