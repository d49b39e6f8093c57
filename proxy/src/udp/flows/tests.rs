use super::*;
use proptest::prelude::*;

const TIMEOUT: Duration = Duration::from_secs(30);

/// What is done to flows, a second after the other.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Client(u8),
    Member(u8),
    Close(u8),
    Evict,
    Wait(u8),
}

/// The same flows as a plain list in order of use: key, last use, whether the client spoke last, whether assured.
#[derive(Default)]
struct Plain(Vec<(u8, Instant, bool, bool)>);

impl Plain {
    fn spoke(&mut self, key: u8, client: bool, now: Instant) {
        let Some(at) = self.0.iter().position(|flow| flow.0 == key) else { return };
        let (_, _, before, assured) = self.0.remove(at);
        self.0.push((key, now, client, assured || (client && !before)));
    }

    fn remove(&mut self, which: impl Fn(&(u8, Instant, bool, bool)) -> bool) -> Option<u8> {
        let at = self.0.iter().position(which)?;
        Some(self.0.remove(at).0)
    }
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let key = 0_u8..12;
    let deed = prop_oneof![
        4 => key.clone().prop_map(Deed::Client),
        3 => key.clone().prop_map(Deed::Member),
        1 => key.prop_map(Deed::Close),
        1 => Just(Deed::Evict),
        2 => (0_u8..40).prop_map(Deed::Wait),
    ];
    prop::collection::vec(deed, 0..200)
}

proptest! {
    #[test]
    fn flows_behave_as_a_plain_list_in_order_of_use(deeds in deeds()) {
        let (mut flows, mut plain, mut now) = (Flows::new(), Plain::default(), Instant::now());
        for deed in deeds {
            now += Duration::from_secs(1);
            match deed {
                Deed::Client(key) => {
                    if let Some(id) = flows.find(&key) {
                        flows.client_spoke(id, now);
                        plain.spoke(key, true, now);
                    } else {
                        flows.open(key, key, now);
                        plain.0.push((key, now, true, false));
                    }
                }
                Deed::Member(key) => {
                    if let Some(id) = flows.find(&key) {
                        flows.member_spoke(id, now);
                    }
                    plain.spoke(key, false, now);
                }
                Deed::Close(key) => {
                    let closed = flows.find(&key).and_then(|id| flows.close(id));
                    prop_assert_eq!(closed, plain.remove(|flow| flow.0 == key));
                }
                Deed::Evict => prop_assert_eq!(flows.evict(), plain.remove(|flow| !flow.3)),
                Deed::Wait(seconds) => {
                    now += Duration::from_secs(seconds.into());
                    while let Some(expired) = flows.expire(TIMEOUT, now) {
                        prop_assert_eq!(Some(expired), plain.remove(|flow| flow.1 + TIMEOUT <= now));
                    }
                    prop_assert!(plain.0.iter().all(|flow| flow.1 + TIMEOUT > now));
                }
            }
            prop_assert_eq!(flows.len(), plain.0.len());
            prop_assert_eq!(flows.asking(), plain.0.iter().filter(|flow| flow.2).count());
            prop_assert_eq!(flows.next_expiry(TIMEOUT), plain.0.first().map(|flow| flow.1 + TIMEOUT));
            for key in 0..12 {
                let found = flows.find(&key).and_then(|id| flows.get(id)).map(|(key, value)| (*key, *value));
                let expect = plain.0.iter().any(|flow| flow.0 == key).then_some((key, key));
                prop_assert_eq!(found, expect);
            }
        }
    }

    #[test]
    fn numbers_lead_back_to_their_flows(place: u32, turn: u32) {
        let id = FlowId { place, turn };
        prop_assert_eq!(FlowId::from_number(id.number()), id);
    }
}

#[test]
fn a_flow_that_is_over_is_not_taken_for_the_next_one_in_its_place() {
    let (mut flows, now) = (Flows::new(), Instant::now());
    let first = flows.open("a", 1, now);
    assert_eq!(flows.close(first), Some(1));
    let second = flows.open("b", 2, now);
    assert_eq!(second.place, first.place);
    assert_eq!(flows.get(first), None);
    assert_eq!(flows.get_mut(first), None);
    assert_eq!(flows.close(first), None);
    flows.member_spoke(first, now);
    assert_eq!((flows.asking(), flows.get(second)), (1, Some((&"b", &2))));
}

#[test]
fn a_conversation_is_not_pushed_out_by_those_who_never_get_one() {
    let (mut flows, start) = (Flows::new(), Instant::now());
    let talk = flows.open(0, 0, start);
    flows.member_spoke(talk, start);
    flows.client_spoke(talk, start);
    for key in 1..100 {
        let now = start + Duration::from_millis(key);
        let asked = flows.open(key, key, now);
        flows.member_spoke(asked, now);
        if flows.len() > 10 {
            assert_eq!(flows.evict(), Some(key - 9), "the longest silent goes");
        }
    }
    while flows.evict().is_some() {}
    assert_eq!(flows.get(talk), Some((&0, &0)));
}
