//! What is measured, whose, and how good ours has to be. The numbers of a row are found by [`super::way::Way`].

use super::Bench;
use super::instance::{self, Instance};
use crate::peers::figure::{Against, Better, Side, Spec};
use crate::peers::flood::Receiver;
use crate::peers::row::Row;
use crate::peers::stream::Direction;
use crate::peers::tayga;

/// Who forwards on a way.
#[derive(Clone, Copy, Debug)]
pub enum Who {
    /// One of our daemons.
    Ours(&'static Instance),
    /// One of theirs.
    Theirs(&'static tayga::Instance),
    /// The kernel, which does not translate: the limit.
    Kernel,
}

impl Who {
    /// How many hosts a crowd has that sends this way; only ours is asked about crowds.
    pub const fn hosts(self) -> u32 {
        match self {
            Self::Ours(instance) => instance.hosts,
            Self::Theirs(_) | Self::Kernel => 0,
        }
    }

    /// The name for people; no two have the same.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ours(instance) => instance.name,
            Self::Theirs(instance) => instance.name,
            Self::Kernel => super::LIMIT,
        }
    }
}

const OURS: (Side, Who) = (Side::Ours, Who::Ours(&instance::USUAL));
const TAYGA: (Side, Who) = (Side::Theirs, Who::Theirs(&tayga::USUAL));
const KERNEL: (Side, Who) = (Side::Limit, Who::Kernel);

/// Ours, the peer, and the limit.
const THREE: &[(Side, Who)] = &[OURS, TAYGA, KERNEL];

/// Ours without offload beside the peer, which has none.
const PLAIN: &[(Side, Who)] = &[(Side::Ours, Who::Ours(&instance::PLAIN)), TAYGA];

/// Ours with a full pool. The peer would need minutes to fill as large a one: its tables are lists.
const FULL: &[(Side, Who)] = &[(Side::Ours, Who::Ours(&instance::FULL))];

/// Ours with many leases beside ours with few.
const LEASES: &[(Side, Who)] =
    &[(Side::Ours, Who::Ours(&instance::FULL)), (Side::Theirs, Who::Ours(&instance::USUAL))];

/// Ours with many explicit maps beside ours with few.
const MAPS: &[(Side, Who)] =
    &[(Side::Ours, Who::Ours(&instance::MANY_MAPS)), (Side::Theirs, Who::Ours(&instance::FEW_MAPS))];

/// The most memory that a full pool may take, in MiB.
const MEMORY: f64 = 32.0;

/// How much cheaper a packet may be with few hosts than with many: the processor's caches hold few better.
const FLAT: f64 = 0.8;

const FEW_HOSTS: Against = Against::Other("10 hosts");

/// How often most are taken in each round.
const TURNS: usize = 2;

const fn tcp(name: &'static str, says: &'static str, target: f64) -> Spec {
    Spec::new(name, says, "Gbit/s", Better::More, target)
}

/// The smallest part of super-packets that have to cross whole. The rest is for those that are on their way when the
/// counters are read.
const WHOLE: f64 = 0.99;

/// All rows, in the order of the table.
pub const ROWS: &[Row<Bench>] = &[
    Row {
        figures: &[tcp("tcp_up", "TCP to the server, one stream", 10.0).with_limit(0.65)],
        who: THREE,
        turns: TURNS,
        run: |way| way.throughput(1, Direction::ToServer),
    },
    Row {
        figures: &[tcp("tcp_down", "TCP to the client, one stream", 10.0).with_limit(0.65)],
        who: THREE,
        turns: TURNS,
        run: |way| way.throughput(1, Direction::ToClient),
    },
    Row {
        figures: &[tcp("tcp_up_four", "TCP to the server, four streams", 10.0)],
        who: THREE,
        turns: TURNS,
        run: |way| way.throughput(4, Direction::ToServer),
    },
    Row {
        figures: &[tcp("tcp_down_four", "TCP to the client, four streams", 10.0)],
        who: THREE,
        turns: TURNS,
        run: |way| way.throughput(4, Direction::ToClient),
    },
    Row {
        figures: &[tcp("tcp_up_plain", "TCP to the server, offload off", 1.0)],
        who: PLAIN,
        turns: TURNS,
        run: |way| way.throughput(1, Direction::ToServer),
    },
    Row {
        figures: &[tcp("tcp_down_plain", "TCP to the client, offload off", 1.0)],
        who: PLAIN,
        turns: TURNS,
        run: |way| way.throughput(1, Direction::ToClient),
    },
    Row {
        figures: &[
            Spec::new("udp_delivered", "UDP of 64 bytes, delivered", "packets/s", Better::More, 1.5),
            // At most 0.6 of the peer's.
            Spec::new("udp_cpu", "UDP of 64 bytes, CPU time of each", "us", Better::Less, 1.0 / 0.6),
            Spec::new("udp_in_order", "UDP of 64 bytes, in order", "of all", Better::More, 1.0)
                .against(Against::Bound("all", 1.0))
                .in_every_round(),
        ],
        who: THREE,
        turns: TURNS,
        run: |way| way.flood(),
    },
    Row {
        figures: &[Spec::new("udp_round_trip", "UDP of 64 bytes, round trip", "us", Better::Less, 1.0)],
        who: THREE,
        turns: 5,
        run: |way| way.round_trip(),
    },
    Row {
        figures: &[
            Spec::new("udp_gso", "UDP with offload at the sender", "Gbit/s", Better::More, 1.5),
            Spec::new("udp_gso_whole", "  of it, crossed unsplit", "of all", Better::More, WHOLE)
                .against(Against::Bound("all", 1.0)),
        ],
        who: THREE,
        turns: TURNS,
        run: |way| way.segmented(Receiver::Single),
    },
    Row {
        figures: &[
            Spec::new("udp_gso_gro", "UDP with offload at both ends", "Gbit/s", Better::More, 1.5),
            Spec::new("udp_gso_gro_whole", "  of it, crossed unsplit", "of all", Better::More, WHOLE)
                .against(Against::Bound("all", 1.0)),
        ],
        who: THREE,
        turns: TURNS,
        run: |way| way.segmented(Receiver::Merged),
    },
    Row {
        figures: &[Spec::new("memory", "memory with a full /16 pool", "MiB", Better::Less, 1.0)
            .against(Against::Bound("bound", MEMORY))
            .in_every_round()],
        who: FULL,
        turns: TURNS,
        run: |way| way.memory(),
    },
    Row {
        figures: &[Spec::new("hosts_leases", "UDP of 65,000 leases, CPU time", "us", Better::Less, FLAT)
            .against(FEW_HOSTS)],
        who: LEASES,
        turns: TURNS,
        run: |way| way.crowd_cost(),
    },
    Row {
        figures: &[Spec::new("hosts_maps", "UDP of 65,000 maps, CPU time", "us", Better::Less, FLAT)
            .against(FEW_HOSTS)],
        who: MAPS,
        turns: TURNS,
        run: |way| way.crowd_cost(),
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
