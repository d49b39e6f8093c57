use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn limits(connections: Option<u32>, rate: Option<u32>) -> PerSource {
    PerSource { connections, rate, ..PerSource::default() }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn at(start: Instant, millis: u64) -> Instant {
    start + Duration::from_millis(millis)
}

#[test]
fn addresses_of_one_network_are_one_source() {
    let one = limits(Some(1), None);
    let now = Instant::now();
    let check = |first: &str, second: &str, same: bool| {
        let mut sources = Sources::new(one, BOUND);
        sources.admit(address(first), one, now).unwrap();
        let outcome = sources.admit(address(second), one, now);
        assert_eq!(outcome.is_err(), same, "{first} {second}");
    };
    check("2001:db8::1", "2001:db8::ffff:1", true);
    check("2001:db8::1", "2001:db8:0:1::1", false);
    check("192.0.2.1", "192.0.2.2", false);
    check("192.0.2.1", "::ffff:192.0.2.1", true);
    check("::ffff:192.0.2.1", "::ffff:192.0.2.2", false);
}

#[test]
fn a_second_holds_as_many_as_the_rate_says_and_fills_evenly() {
    let ten = limits(None, Some(10));
    let (mut sources, start, client) = (Sources::new(ten, BOUND), Instant::now(), address("2001:db8::1"));
    let mut admitted = |millis| sources.admit(client, ten, at(start, millis)).is_ok();
    assert!((0..10).all(|_| admitted(0)));
    assert!(!admitted(0) && !admitted(99));
    assert!(admitted(100) && !admitted(100));
    assert!(admitted(350) && admitted(350) && !admitted(350), "what was refused cost nothing");
}

#[test]
fn limits_that_change_count_what_is_open() {
    let (many, few) = (limits(Some(10), None), limits(Some(2), None));
    let (mut sources, now, client) = (Sources::new(many, BOUND), Instant::now(), address("192.0.2.1"));
    let source = sources.admit(client, many, now).unwrap();
    for _ in 0..4 {
        sources.admit(client, many, now).unwrap();
    }
    assert_eq!(sources.admit(client, few, now), Err(Excess::Connections));
    for _ in 0..4 {
        sources.release(source, now);
    }
    assert_eq!(sources.admit(client, few, now), Ok(source));
}

#[test]
fn a_full_table_refuses_who_is_new_and_serves_who_is_known() {
    let both = limits(Some(9), Some(1));
    let start = Instant::now();
    let mut sources = Sources::new(both, 3);
    let client = |number: u8| IpAddr::from([192, 0, 2, number]);
    let open = limits(Some(9), None);
    sources.admit(client(1), open, start).unwrap();
    for number in [2, 3] {
        let source = sources.admit(client(number), both, start).unwrap();
        sources.release(source, start);
    }
    assert_eq!(sources.admit(client(4), both, start), Err(Excess::Table));
    assert_eq!(sources.admit(client(1), open, start), Ok(client(1)));
    // Those that were remembered for their rate alone are forgotten after a second.
    assert_eq!(sources.admit(client(4), both, at(start, 1_000)), Ok(client(4)));
    assert_eq!(sources.accounts.entries().len(), 2);
}

#[derive(Clone, Debug)]
enum Step {
    Come(u8),
    Go(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u8..12).prop_map(Step::Come),
        2 => any::<usize>().prop_map(Step::Go),
        1 => (0_u64..700).prop_map(Step::Wait),
    ]
}

proptest! {
    /// The table beside a list of all that is open and of all that came.
    #[test]
    fn the_table_does_what_a_list_of_everything_does(
        steps in proptest::collection::vec(step(), 0..300),
        most in 1_u32..5,
        rate in 1_u32..6,
        bound in 1_usize..10,
    ) {
        let limits = limits(Some(most), Some(rate));
        let (mut sources, start) = (Sources::new(limits, bound), Instant::now());
        let mut now = start;
        let mut open: Vec<IpAddr> = Vec::new();
        let mut came: BTreeMap<IpAddr, Vec<Instant>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Come(number) => {
                    let client = IpAddr::from([192, 0, 2, number]);
                    let has = open.iter().filter(|source| **source == client).count();
                    let outcome = sources.admit(client, limits, now);
                    match outcome {
                        Ok(source) => {
                            prop_assert_eq!(source, client);
                            prop_assert!(has < most as usize);
                            open.push(source);
                            came.entry(source).or_default().push(now);
                        }
                        Err(Excess::Connections) => prop_assert_eq!(has, most as usize),
                        Err(Excess::Rate) => {
                            let last = came[&client].iter().filter(|then| now - **then < SECOND);
                            prop_assert!(last.count() > 0, "nothing came in the last second");
                        }
                        Err(Excess::Table) => {
                            prop_assert!(sources.accounts.entries().len() >= bound);
                            prop_assert_eq!(has, 0);
                        }
                    }
                }
                Step::Go(place) if !open.is_empty() => {
                    let source = open.swap_remove(place % open.len());
                    sources.release(source, now);
                }
                Step::Go(_) => {}
                Step::Wait(millis) => now += Duration::from_millis(millis),
            }
            prop_assert!(sources.accounts.entries().len() <= bound);
            for (source, entry) in sources.accounts.entries() {
                let has = open.iter().filter(|other| *other == source).count();
                prop_assert_eq!(entry.open as usize, has);
            }
            prop_assert!(open.iter().all(|source| sources.accounts.entries().contains_key(source)), "nobody open is forgotten");
        }
        // Over any span a source gets a bucket and what has flowed in meanwhile.
        for times in came.values() {
            for (first, begin) in times.iter().enumerate() {
                for (last, end) in times.iter().enumerate().skip(first) {
                    let flowed = (*end - *begin).as_secs_f64() * f64::from(rate);
                    let count = u32::try_from(last - first + 1).unwrap();
                    prop_assert!(f64::from(count) <= f64::from(rate) + flowed + 1e-3);
                }
            }
        }
    }
}
