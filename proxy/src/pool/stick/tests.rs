use super::*;
use crate::pool::bindings::FORMER;
use proptest::prelude::*;
use std::time::Duration;

fn config(size: u32, seconds: u64) -> Stick {
    Stick { size, expire: Duration::from_secs(seconds), prefix_v4: 32, prefix_v6: 64 }
}

fn table(config: Stick, members: &[&str]) -> StickTable {
    let mut table = StickTable::new(config);
    table.adapt(&config, members.iter().copied());
    table
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_network_is_one_client_of_either_family() {
    let start = Instant::now();
    let mut table = table(config(10, 60), &["a", "b"]);
    table.bind(ip("2001:db8:1:2::1"), "a", start);
    table.bind(ip("192.0.2.1"), "b", start);
    let mut check = |client: &str, expect: Option<&str>| {
        assert_eq!(table.find(ip(client), start), expect, "{client}");
    };
    check("2001:db8:1:2:ffff::9", Some("a"));
    check("2001:db8:1:3::1", None);
    check("::ffff:192.0.2.1", Some("b"));
    check("192.0.2.2", None);
    assert_eq!(table.len(), 2);
}

#[test]
fn an_entry_expires_when_it_was_not_used_for_long() {
    let (start, second) = (Instant::now(), Duration::from_secs(1));
    let mut table = table(config(10, 60), &["a"]);
    table.bind(ip("192.0.2.1"), "a", start);
    assert_eq!(table.find(ip("192.0.2.1"), start + 59 * second), Some("a"));
    assert_eq!(table.find(ip("192.0.2.1"), start + 118 * second), Some("a"), "a use puts it off");
    assert_eq!(table.find(ip("192.0.2.1"), start + 178 * second), None);
    assert_eq!(table.len(), 0);
}

#[test]
fn a_full_table_forgets_the_longest_unused() {
    let start = Instant::now();
    let mut table = table(config(2, 60), &["a"]);
    for client in ["192.0.2.1", "192.0.2.2"] {
        table.bind(ip(client), "a", start);
    }
    assert_eq!(table.find(ip("192.0.2.1"), start), Some("a"));
    table.bind(ip("192.0.2.3"), "a", start);
    assert_eq!(table.find(ip("192.0.2.2"), start), None);
    assert_eq!(table.find(ip("192.0.2.1"), start), Some("a"));
    assert_eq!(table.len(), 2);
}

#[test]
fn entries_outlive_a_change_while_their_member_stays() {
    let start = Instant::now();
    let mut table = table(config(10, 60), &["a", "b"]);
    table.bind(ip("192.0.2.1"), "a", start);
    table.bind(ip("192.0.2.2"), "b", start);
    table.adapt(&config(10, 30), ["c", "b"].into_iter());
    assert_eq!(table.find(ip("192.0.2.1"), start), None);
    assert_eq!(table.find(ip("192.0.2.2"), start), Some("b"));
    table.bind(ip("192.0.2.3"), "a", start);
    assert_eq!(table.find(ip("192.0.2.3"), start), None, "nobody is bound to a member that is gone");
    table.adapt(&config(10, 30), ["a", "b"].into_iter());
    assert_eq!(table.find(ip("192.0.2.1"), start), Some("a"), "its clients meet it again");
    table.adapt(&Stick { prefix_v4: 24, ..config(10, 30) }, ["b"].into_iter());
    assert_eq!(table.len(), 0, "other networks are other clients");
}

#[test]
fn names_of_former_members_do_not_pile_up() {
    let start = Instant::now();
    let mut table = table(config(1_000, 60), &["stays"]);
    table.bind(ip("192.0.2.1"), "stays", start);
    for round in 0..500_u16 {
        let passing = format!("passing-{round}");
        table.adapt(&config(1_000, 60), ["stays", passing.as_str()].into_iter());
        table.bind(IpAddr::from([198, 51, 100, round.to_le_bytes()[0]]), &passing, start);
        let names = table.bindings.names();
        assert!(names <= 2 * 2 + FORMER, "{names}");
    }
    assert_eq!(table.find(ip("192.0.2.1"), start), Some("stays"));
}

#[test]
fn a_smaller_table_keeps_what_was_used_last() {
    let start = Instant::now();
    let mut table = table(config(10, 60), &["a"]);
    for client in 0..10 {
        table.bind(IpAddr::from([192, 0, 2, client]), "a", start);
    }
    table.adapt(&config(3, 60), ["a"].into_iter());
    let kept: Vec<u8> =
        (0..10).filter(|client| table.find(IpAddr::from([192, 0, 2, *client]), start).is_some()).collect();
    assert_eq!(kept, [7, 8, 9]);
}

/// The same by the simplest means: a list in order of use.
struct Model {
    config: Stick,
    members: Vec<&'static str>,
    entries: Vec<(IpAddr, &'static str, Instant)>,
}

impl Model {
    fn expire(&mut self, now: Instant) {
        let limit = self.config.expire;
        self.entries.retain(|(_, _, used)| now - *used < limit);
    }

    fn take(&mut self, client: IpAddr) -> Option<&'static str> {
        let place = self.entries.iter().position(|(known, ..)| *known == client)?;
        Some(self.entries.remove(place).1)
    }

    fn find(&mut self, client: IpAddr, now: Instant) -> Option<&'static str> {
        self.expire(now);
        let member = self.take(client)?;
        self.entries.push((client, member, now));
        self.members.contains(&member).then_some(member)
    }

    fn bind(&mut self, client: IpAddr, member: &'static str, now: Instant) {
        self.expire(now);
        if !self.members.contains(&member) {
            return;
        }
        self.take(client);
        if self.entries.len() >= self.config.size as usize {
            self.entries.remove(0);
        }
        self.entries.push((client, member, now));
    }

    fn adapt(&mut self, config: Stick, members: Vec<&'static str>) {
        self.entries.drain(..self.entries.len().saturating_sub(config.size as usize));
        (self.config, self.members) = (config, members);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Find(u8),
    Bind(u8, usize),
    Wait(u64),
    Adapt(u32, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u8..12).prop_map(Step::Find),
        6 => (0_u8..12, 0_usize..4).prop_map(|(client, member)| Step::Bind(client, member)),
        2 => (0_u64..20).prop_map(Step::Wait),
        1 => (1_u32..8, 1_usize..5).prop_map(|(size, members)| Step::Adapt(size, members)),
    ]
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

proptest! {
    #[test]
    fn the_table_does_what_a_list_in_order_of_use_does(steps in prop::collection::vec(step(), 1..200)) {
        let mut now = Instant::now();
        let start = config(5, 30);
        let mut tested = table(start, &NAMES);
        let mut model = Model { config: start, members: NAMES.to_vec(), entries: Vec::new() };
        for step in steps {
            match step {
                Step::Find(client) => {
                    let client = IpAddr::from([192, 0, 2, client]);
                    prop_assert_eq!(tested.find(client, now), model.find(client, now));
                }
                Step::Bind(client, member) => {
                    let client = IpAddr::from([192, 0, 2, client]);
                    tested.bind(client, NAMES[member], now);
                    model.bind(client, NAMES[member], now);
                }
                Step::Wait(seconds) => now += Duration::from_secs(seconds),
                Step::Adapt(size, members) => {
                    let members = &NAMES[..members.min(NAMES.len())];
                    tested.adapt(&config(size, 30), members.iter().copied());
                    model.adapt(config(size, 30), members.to_vec());
                }
            }
            prop_assert_eq!(tested.len(), model.entries.len());
            prop_assert!(tested.bindings.room() <= 7, "free places are taken first");
        }
    }
}
