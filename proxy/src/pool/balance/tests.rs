use super::*;
use proptest::prelude::*;
use std::cell::RefCell;
use std::net::Ipv6Addr;

struct Counter {
    turn: u64,
    chance: u64,
}

impl Draw for Counter {
    fn turn(&mut self) -> u64 {
        self.turn += 1;
        self.turn - 1
    }

    fn random(&mut self) -> u64 {
        self.chance = self.chance.wrapping_add(1);
        mix(self.chance)
    }
}

struct Members {
    down: Vec<usize>,
    loads: RefCell<Vec<u64>>,
    /// Members that take a part of their weight.
    parts: Vec<(usize, u16)>,
}

impl Members {
    fn new(down: &[usize], loads: Vec<u64>) -> Self {
        Self { down: down.to_vec(), loads: RefCell::new(loads), parts: Vec::new() }
    }
}

impl Field for Members {
    fn usable(&self, member: usize) -> bool {
        !self.down.contains(&member)
    }

    fn part(&self, member: usize) -> u16 {
        self.parts.iter().find(|(warming, _)| *warming == member).map_or(WHOLE, |(_, part)| *part)
    }

    fn load(&self, member: usize) -> u64 {
        self.loads.borrow()[member]
    }
}

const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

fn balancer(kind: Balance, weights: &[u16]) -> Balancer {
    let shares: Vec<_> =
        weights.iter().zip(NAMES).map(|(weight, name)| Share { name, weight: *weight }).collect();
    Balancer::new(kind, &shares)
}

fn client(number: u64) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) | u128::from(number)))
}

/// How often each member is picked in `picks` picks of different clients, nothing ever finishing if `keep`.
fn spread(kind: Balance, weights: &[u16], down: &[usize], picks: u64, keep: bool) -> Vec<u64> {
    let balancer = balancer(kind, weights);
    let members = Members::new(down, vec![0; weights.len()]);
    let mut draw = Counter { turn: 0, chance: 0 };
    let mut counts = vec![0; weights.len()];
    for number in 0..picks {
        let member = balancer.pick(Some(client(number)), &members, &mut draw).expect("one member is usable");
        counts[member] += 1;
        if keep {
            members.loads.borrow_mut()[member] += 1;
        }
    }
    counts
}

const KINDS: [Balance; 5] =
    [Balance::Roundrobin, Balance::Leastconn, Balance::Source, Balance::Random, Balance::Hash];

#[test]
fn weights_are_spread_out_over_the_cycle() {
    let check = |weights: &[u16], expect: &[u32]| assert_eq!(smooth(weights), expect, "{weights:?}");
    check(&[5, 1, 1], &[0, 0, 1, 0, 2, 0, 0]);
    check(&[100, 100, 100], &[0, 1, 2]);
    check(&[100, 0, 50], &[0, 2, 0]);
    check(&[0, 0], &[]);
    check(&[], &[]);
    check(&[256], &[0]);
}

#[test]
fn round_robin_alternates_between_equal_members() {
    assert_eq!(spread(Balance::Roundrobin, &[100, 100], &[], 10, false), [5, 5]);
}

#[test]
fn the_share_of_a_dead_member_goes_to_all_others_alike() {
    assert_eq!(spread(Balance::Roundrobin, &[1, 1, 1, 1], &[1], 300, false), [100, 0, 100, 100]);
    for kind in [Balance::Source, Balance::Random, Balance::Hash] {
        let counts = spread(kind, &[1, 1, 1, 1], &[1], 30_000, false);
        for member in [0, 2, 3] {
            assert!((9_000..11_000).contains(&counts[member]), "{kind:?}: {counts:?}");
        }
    }
}

#[test]
fn least_loaded_members_fill_up_by_weight() {
    assert_eq!(spread(Balance::Leastconn, &[100, 50, 50], &[], 400, true), [200, 100, 100]);
}

#[test]
fn least_loaded_members_without_work_take_turns() {
    assert_eq!(spread(Balance::Leastconn, &[1, 1, 1], &[], 300, false), [100, 100, 100]);
}

#[test]
fn of_two_the_less_loaded_is_taken() {
    let balancer = balancer(Balance::Random, &[1, 1]);
    let members = Members::new(&[], vec![9, 1]);
    let mut draw = Counter { turn: 0, chance: 7 };
    let light = (0..1_000).filter(|_| balancer.pick(Some(client(0)), &members, &mut draw) == Some(1)).count();
    // Only draws that fall on the heavy one eight times in a row may end there.
    assert!(light > 980, "{light}");
}

#[test]
fn weighted_kinds_give_each_member_its_share() {
    for kind in [Balance::Source, Balance::Random, Balance::Hash] {
        let counts = spread(kind, &[200, 100, 100], &[], 40_000, kind == Balance::Random);
        assert!((19_000..21_000).contains(&counts[0]), "{kind:?}: {counts:?}");
        assert!((9_000..11_000).contains(&counts[1]), "{kind:?}: {counts:?}");
    }
}

#[test]
fn a_warming_member_gets_a_part_of_its_share() {
    for (kind, part) in KINDS.into_iter().flat_map(|kind| [(kind, WHOLE / 4), (kind, WHOLE / 2)]) {
        let balancer = balancer(kind, &[100, 100]);
        let mut members = Members::new(&[], vec![0, 0]);
        members.parts.push((1, part));
        let mut draw = Counter { turn: 0, chance: 0 };
        let keeps = matches!(kind, Balance::Leastconn | Balance::Random);
        let mut counts = [0_u32; 2];
        for number in 0..40_000 {
            let member = balancer.pick(Some(client(number)), &members, &mut draw).expect("both are usable");
            counts[member] += 1;
            members.loads.borrow_mut()[member] += u64::from(keeps);
        }
        let expect = 40_000 * u32::from(part) / (u32::from(WHOLE) + u32::from(part));
        assert!(counts[1].abs_diff(expect) < expect / 10, "{kind:?} at {part}: {counts:?}, not {expect}");
    }
}

#[test]
fn clients_move_only_to_a_warming_member_as_it_warms() {
    for kind in [Balance::Source, Balance::Hash] {
        let balancer = balancer(kind, &[100, 100, 100]);
        let mut draw = Counter { turn: 0, chance: 0 };
        let mut pick = |number: u64, part: u16| {
            let mut members = Members::new(&[], vec![0; 3]);
            members.parts.push((2, part));
            balancer.pick(Some(client(number)), &members, &mut draw)
        };
        for number in 0..2_000 {
            let path = [1, 64, 128, 192, WHOLE].map(|part| pick(number, part));
            let moves = path.windows(2).filter(|pair| pair[0] != pair[1]).count();
            assert!(moves == 0 || (moves == 1 && path[4] == Some(2)), "{kind:?}: {path:?}");
        }
    }
}

#[test]
fn the_same_client_meets_the_same_member() {
    let members = Members::new(&[], vec![0; 4]);
    for kind in [Balance::Source, Balance::Hash] {
        let balancer = balancer(kind, &[1, 1, 1, 1]);
        for number in 0..100 {
            let mut draw = Counter { turn: number, chance: number };
            let first = balancer.pick(Some(client(number)), &members, &mut draw);
            assert_eq!(balancer.pick(Some(client(number)), &members, &mut draw), first, "{kind:?}");
        }
    }
}

#[test]
fn a_new_member_takes_only_its_share_of_hashed_clients() {
    let members = Members::new(&[], vec![0; 5]);
    let (before, after) = (balancer(Balance::Hash, &[1; 4]), balancer(Balance::Hash, &[1; 5]));
    let mut draw = Counter { turn: 0, chance: 0 };
    let mut moved = 0;
    for number in 0..10_000 {
        let (old, new) = (
            before.pick(Some(client(number)), &members, &mut draw),
            after.pick(Some(client(number)), &members, &mut draw),
        );
        if old != new {
            assert_eq!(new, Some(4), "clients move to the new member only");
            moved += 1;
        }
    }
    assert!((1_800..2_200).contains(&moved), "{moved} of 10000 moved to one of five");
}

proptest! {
    #[test]
    fn a_cycle_gives_each_member_exactly_its_weight(weights in prop::collection::vec(0_u16..=256, 1..8)) {
        let schedule = smooth(&weights);
        let divisor = weights.iter().copied().fold(0, greatest_common_divisor).max(1);
        for (member, weight) in weights.iter().enumerate() {
            let count = schedule.iter().filter(|&&picked| picked as usize == member).count();
            prop_assert_eq!(count, usize::from(weight / divisor));
        }
    }

    #[test]
    fn full_cycles_of_round_robin_give_each_member_exactly_its_share(
        weights in prop::collection::vec(0_u16..=32, 1..8).prop_filter("one has a weight", |w| w.iter().any(|w| *w > 0)),
        cycles in 1_u64..4,
    ) {
        let cycle = smooth(&weights).len() as u64;
        let counts = spread(Balance::Roundrobin, &weights, &[], cycle * cycles, false);
        let sum: u64 = weights.iter().copied().map(u64::from).sum();
        for (count, weight) in counts.iter().zip(&weights) {
            prop_assert_eq!(count * sum, cycle * cycles * u64::from(*weight));
        }
    }

    #[test]
    fn a_pick_is_usable_and_found_whenever_there_is_one(
        weights in prop::collection::vec(0_u16..=256, 1..8),
        down in prop::collection::vec(any::<bool>(), 8),
        seed in any::<u64>(),
    ) {
        let dead: Vec<usize> = (0..weights.len()).filter(|&member| down[member]).collect();
        let possible = (0..weights.len()).any(|member| weights[member] > 0 && !down[member]);
        let members = Members::new(&dead, vec![3; weights.len()]);
        for kind in KINDS {
            let mut draw = Counter { turn: seed, chance: seed };
            match balancer(kind, &weights).pick(Some(client(seed)), &members, &mut draw) {
                Some(member) => prop_assert!(!dead.contains(&member) && weights[member] > 0, "{kind:?}"),
                None => prop_assert!(!possible, "{kind:?} found none"),
            }
        }
    }
}

proptest! {
    // Each case picks thousands of times.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn picks_by_chance_and_by_address_follow_the_weights(
        weights in prop::collection::vec(16_u16..=256, 2..6),
    ) {
        let sum: u64 = weights.iter().copied().map(u64::from).sum();
        for kind in [Balance::Source, Balance::Hash] {
            let counts = spread(kind, &weights, &[], 20_000, false);
            for (count, weight) in counts.iter().zip(&weights) {
                // Six standard deviations of a share of 20,000 are at most 425.
                let expect = 20_000 * u64::from(*weight) / sum;
                prop_assert!(count.abs_diff(expect) < 425, "{:?}: {:?} for {:?}", kind, counts, weights);
            }
        }
        let counts = spread(Balance::Leastconn, &weights, &[], 20_000, true);
        for (count, weight) in counts.iter().zip(&weights) {
            let expect = 20_000 * u64::from(*weight) / sum;
            prop_assert!(count.abs_diff(expect) <= 8, "{:?} for {:?}", counts, weights);
        }
    }

    #[test]
    fn hashed_clients_move_only_from_a_member_that_goes_and_to_one_that_comes(
        weights in prop::collection::vec(16_u16..=256, 2..8),
        place in any::<prop::sample::Index>(),
        seed in any::<u32>(),
    ) {
        let gone = place.index(weights.len());
        let all = balancer(Balance::Hash, &weights);
        let everyone = Members::new(&[], vec![0; weights.len()]);
        let without = Members::new(&[gone], vec![0; weights.len()]);
        let mut draw = Counter { turn: 0, chance: 0 };
        let mut moved = 0_u64;
        for number in 0..4_000 {
            let client = client(u64::from(seed) << 16 | number);
            let before = all.pick(Some(client), &everyone, &mut draw);
            let after = all.pick(Some(client), &without, &mut draw);
            if before == Some(gone) {
                moved += 1;
                prop_assert_ne!(after, before);
            } else {
                prop_assert_eq!(after, before, "who was not at the member stays");
            }
        }
        let sum: u64 = weights.iter().copied().map(u64::from).sum();
        let share = 4_000 * u64::from(weights[gone]) / sum;
        // Six standard deviations of a share of 4,000 are at most 190.
        prop_assert!(moved.abs_diff(share) < 191, "{} moved, its share is {}", moved, share);
    }
}

#[test]
fn clients_without_an_address_are_spread_by_weight() {
    for kind in [Balance::Source, Balance::Hash] {
        let members = Members::new(&[], vec![0, 0]);
        let mut draw = Counter { turn: 0, chance: 0 };
        let balancer = balancer(kind, &[3, 1]);
        let picks = (0..4_000).filter_map(|_| balancer.pick(None, &members, &mut draw));
        let heavy = picks.filter(|member| *member == 0).count();
        assert!((2_800..3_200).contains(&heavy), "{kind:?}: {heavy}");
    }
}

#[test]
fn where_nobody_is_usable_few_turns_are_drawn() {
    let roundrobin = balancer(Balance::Roundrobin, &[256, 255, 254]);
    let mut counter = Counter { turn: 0, chance: 0 };
    let nobody = Members::new(&[0, 1, 2], vec![0; 3]);
    assert_eq!(roundrobin.pick(None, &nobody, &mut counter), None);
    assert!(counter.turn <= DRAWS + 1, "{} turns", counter.turn);
    let last = Members::new(&[0, 1], vec![0; 3]);
    assert_eq!(roundrobin.pick(None, &last, &mut counter), Some(2));
}
