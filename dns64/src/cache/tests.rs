use super::*;
use crate::wire::{HEADER, QUESTION_TAIL};
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};

const A: u16 = 1;
const AAAA: u16 = 28;
const SEED: [u64; 3] = [1, 2, 3];

fn wire(text: &str) -> WireName {
    WireName::from_labels(text.split('.').filter(|label| !label.is_empty()).map(str::as_bytes)).unwrap()
}

fn key(name: &Name, qtype: u16, kind: Kind) -> Key<'_> {
    Key { name, qtype, dnssec_ok: false, checking_disabled: false, kind }
}

/// A record at the name asked for.
fn record(qtype: u16, ttl: u32, data: &[u8]) -> Vec<u8> {
    let mut octets = vec![0xc0, 0x0c];
    octets.extend_from_slice(&qtype.to_be_bytes());
    octets.extend_from_slice(&[0, 1]);
    octets.extend_from_slice(&ttl.to_be_bytes());
    octets.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
    octets.extend_from_slice(data);
    octets
}

fn content(records: &[u8], lifetime: u32) -> Content<'_> {
    Content { counts: [1, 0, 0], records, lifetime, ..Content::default() }
}

/// Header and question, as callers put them in front.
fn preamble(name: &Name) -> Vec<u8> {
    vec![0; HEADER + name.as_bytes().len() + QUESTION_TAIL]
}

/// The records that are fresh, with their first TTL.
fn fresh(cache: &Cache, name: &str, qtype: u16, kind: Kind, now: u32) -> Option<(Vec<u8>, Hit)> {
    let name = cache.name(&wire(name));
    let mut out = preamble(&name);
    let start = out.len();
    let hit = cache.fresh(&key(&name, qtype, kind), now, &mut out)?;
    Some((out.split_off(start), hit))
}

fn put(cache: &Cache, name: &str, qtype: u16, kind: Kind, lifetime: u32, now: u32) {
    let name = cache.name(&wire(name));
    let records = record(qtype, lifetime, &[7; 4]);
    cache.put(&key(&name, qtype, kind), &content(&records, lifetime), now);
}

#[test]
fn what_may_be_served_when_stale_may_be_for_what_is_left_of_its_time() {
    let check = |age: Age, expect: Option<u32>| assert_eq!(age.left_when_stale(60), expect, "{age:?}");
    check(Age::Stale { past: 0 }, Some(60));
    check(Age::Stale { past: 59 }, Some(1));
    check(Age::Stale { past: 60 }, None);
    check(Age::Stale { past: u32::MAX }, None);
    check(Age::Fresh { remaining: 5, due: true }, None);
    assert_eq!(Age::Stale { past: 0 }.left_when_stale(0), None);
}

#[test]
fn classes_and_long_errors_come_back_together() {
    let cache = Cache::new(1 << 20, SEED);
    let name = cache.name(&wire("www.example"));
    let key = key(&name, A, Kind::Failure);
    for (class, length) in [(0, 0), (15, 4095), (3, 300), (1, 255), (0, 256)] {
        let errors: Vec<u8> = (0..length).map(|at: u16| at.to_le_bytes()[0]).collect();
        cache.put(&key, &Content { class, errors: &errors, lifetime: 5, ..Content::default() }, 0);
        let mut out = preamble(&name);
        let start = out.len();
        let hit = cache.fresh(&key, 0, &mut out).expect("it is fresh");
        assert_eq!((hit.class, &out[start..]), (class, &errors[..]), "{length} octets");
    }
}

#[test]
fn what_was_put_in_comes_back_older() {
    let cache = Cache::new(1 << 20, SEED);
    put(&cache, "www.Example", A, Kind::Answer, 300, 1000);
    let (records, hit) = fresh(&cache, "WWW.example", A, Kind::Answer, 1100).expect("it is fresh");
    assert_eq!(records, record(A, 200, &[7; 4]));
    assert_eq!(hit.age, Age::Fresh { remaining: 200, due: false });
    assert!(fresh(&cache, "www.example", A, Kind::Answer, 1299).is_some());
    assert!(fresh(&cache, "www.example", A, Kind::Answer, 1300).is_none(), "its time is over");
}

#[test]
fn everything_in_a_key_tells_entries_apart() {
    let cache = Cache::new(1 << 20, SEED);
    put(&cache, "www.example", A, Kind::Answer, 300, 0);
    assert!(fresh(&cache, "ww.example", A, Kind::Answer, 0).is_none());
    assert!(fresh(&cache, "www.example", AAAA, Kind::Answer, 0).is_none());
    assert!(fresh(&cache, "www.example", A, Kind::Failure, 0).is_none());
    assert!(fresh(&cache, "www.example", A, Kind::Reply { view: 0 }, 0).is_none());
    let name = cache.name(&wire("www.example"));
    for (dnssec_ok, checking_disabled) in [(true, false), (false, true), (true, true)] {
        let key = Key { dnssec_ok, checking_disabled, ..key(&name, A, Kind::Answer) };
        assert!(cache.fresh(&key, 0, &mut preamble(&name)).is_none());
    }
    put(&cache, "www.example", AAAA, Kind::Reply { view: 1 }, 300, 0);
    assert!(fresh(&cache, "www.example", AAAA, Kind::Reply { view: 2 }, 0).is_none());
    assert!(fresh(&cache, "www.example", AAAA, Kind::Reply { view: 1 }, 0).is_some());
}

#[test]
fn many_types_of_one_name_stand_apart_and_its_addresses_together() {
    let cache = Cache::new(8 << 20, [1, 2, 0x9e37_79b9_7f4a_7c15]);
    let name = cache.name(&wire("www.example"));
    let place = |qtype: u16, kind: Kind| {
        let (shard, hash) = cache.shard(&key(&name, qtype, kind));
        (std::ptr::from_ref(&*shard) as usize, hash >> APART)
    };
    let kinds = [Kind::Answer, Kind::Failure, Kind::Reply { view: 7 }];
    let homes: HashSet<_> = (2..28).chain(29..5000).map(|qtype| place(qtype, Kind::Answer)).collect();
    assert!(homes.len() > 4900, "{} places for 4997 types", homes.len());
    let addresses: HashSet<_> =
        TOGETHER.iter().flat_map(|qtype| kinds.map(|kind| place(*qtype, kind))).collect();
    assert_eq!(addresses.len(), 1);
}

#[test]
fn what_holds_for_no_time_is_not_kept() {
    let cache = Cache::new(1 << 20, SEED);
    put(&cache, "www.example", A, Kind::Answer, 0, 0);
    assert_eq!(cache.totals().entries, 0);
}

#[test]
fn what_is_stale_is_there_on_demand_with_short_ttls() {
    let cache = Cache::new(1 << 20, SEED);
    put(&cache, "www.example", A, Kind::Answer, 300, 0);
    let name = cache.name(&wire("www.example"));
    let mut out = preamble(&name);
    let start = out.len();
    let hit = cache.any(&key(&name, A, Kind::Answer), 350, &mut out).expect("it is still there");
    assert_eq!(hit.age, Age::Stale { past: 50 });
    assert_eq!(out[start..], record(A, STALE_TTL, &[7; 4]));
}

#[test]
fn a_larger_and_a_smaller_entry_take_the_place_of_one() {
    let cache = Cache::new(1 << 20, SEED);
    let name = cache.name(&wire("www.example"));
    for length in [4_u8, 200, 40] {
        let records = record(A, 300, &vec![length; usize::from(length)]);
        cache.put(&key(&name, A, Kind::Answer), &content(&records, 300), 0);
        assert_eq!(fresh(&cache, "www.example", A, Kind::Answer, 0).unwrap().0, records);
        assert_eq!(cache.totals().entries, 1);
    }
}

#[test]
fn an_entry_larger_than_a_chunk_is_left_out() {
    let cache = Cache::new(1 << 20, SEED);
    let name = cache.name(&wire("www.example"));
    let records = record(16, 300, &vec![1; shard::CHUNK]);
    cache.put(&key(&name, 16, Kind::Answer), &content(&records, 300), 0);
    assert_eq!(cache.totals().entries, 0);
}

#[test]
fn an_aaaa_answer_passes_for_one_view_until_its_time() {
    let cache = Cache::new(1 << 20, SEED);
    let name = cache.name(&wire("v6.example"));
    let aaaa = key(&name, AAAA, Kind::Answer);
    let passed = |view, now| cache.passed(&aaaa, view, now, &mut preamble(&name)).is_some();
    assert!(!cache.pass(&aaaa, 7, 60, 0), "there is none");
    put(&cache, "v6.example", AAAA, Kind::Answer, 300, 0);
    assert!(!passed(7, 0), "nobody has judged it");
    assert!(cache.pass(&aaaa, 7, 60, 0));
    assert!(passed(7, 59) && !passed(7, 60) && !passed(8, 59));
    assert!(!cache.pass(&aaaa, 8, 60, 59), "it is taken");
    assert!(cache.pass(&aaaa, 8, 60, 60));
    put(&cache, "v6.example", AAAA, Kind::Answer, 300, 61);
    assert!(!passed(8, 61), "another answer must be judged anew");
    put(&cache, "v6.example", A, Kind::Answer, 300, 0);
    assert!(!cache.pass(&key(&name, A, Kind::Answer), 7, 60, 0), "only AAAA is judged");
}

#[test]
fn what_is_fresh_is_told_without_being_used() {
    let cache = Cache::new(1 << 20, SEED);
    let name = cache.name(&wire("www.example"));
    put(&cache, "www.example", A, Kind::Failure, 5, 100);
    let is_fresh = |kind, now| cache.is_fresh(&key(&name, A, kind), now);
    assert!(is_fresh(Kind::Failure, 104) && !is_fresh(Kind::Failure, 105));
    assert!(!is_fresh(Kind::Answer, 104));
}

#[test]
fn an_entry_in_use_is_due_in_its_last_tenth_and_renewed_by_one() {
    let cache = Cache::new(1 << 20, SEED);
    let due = |now| match fresh(&cache, "www.example", A, Kind::Answer, now).unwrap().1.age {
        Age::Fresh { due, .. } => due,
        Age::Stale { .. } => panic!("fresh was asked for"),
    };
    let claim = || cache.claim_renewal(&key(&cache.name(&wire("www.example")), A, Kind::Answer));
    put(&cache, "www.example", A, Kind::Answer, 100, 0);
    assert!(!due(95), "nobody has asked for it before");
    assert!(!due(89), "it is early");
    assert!(due(90));
    assert!(claim() && !claim());
    assert!(!due(95), "someone is at it");
    cache.give_up_renewal(&key(&cache.name(&wire("www.example")), A, Kind::Answer));
    assert!(due(95), "who was at it failed");
    assert!(claim() && !claim());
    put(&cache, "www.example", A, Kind::Answer, 100, 95);
    assert!(!due(100) && due(190));
    put(&cache, "www.example", A, Kind::Answer, 9, 200);
    assert!(!due(208), "too short a life to be worth it");
}

#[test]
fn a_name_is_flushed_alone_or_with_all_below() {
    let names = ["example", "a.example", "b.a.example", "xexample", "other"];
    let check = |flushed: &str, subtree: bool, expect: &[&str]| {
        let cache = Cache::new(4 << 20, SEED);
        for name in names {
            put(&cache, name, A, Kind::Answer, 300, 0);
            put(&cache, name, AAAA, Kind::Reply { view: 1 }, 300, 0);
        }
        let removed = cache.flush(&wire(flushed), subtree);
        let left = names.into_iter().filter(|name| fresh(&cache, name, A, Kind::Answer, 0).is_some());
        assert_eq!(left.collect::<Vec<_>>(), expect, "{flushed} {subtree}");
        assert_eq!((removed, cache.totals().entries), (2 * (5 - expect.len()), 2 * expect.len()));
    };
    check("A.Example", false, &["example", "b.a.example", "xexample", "other"]);
    check("a.example", true, &["example", "xexample", "other"]);
    check("", true, &[]);
    check("missing", true, &names);
}

#[test]
fn replies_of_views_that_are_gone_go_and_answers_stay() {
    let cache = Cache::new(1 << 20, SEED);
    put(&cache, "www.example", A, Kind::Answer, 300, 0);
    put(&cache, "www.example", AAAA, Kind::Reply { view: 1 }, 300, 0);
    put(&cache, "www.example", AAAA, Kind::Reply { view: 2 }, 300, 0);
    assert_eq!(cache.retain_views(|view| view == 2), 1);
    assert!(fresh(&cache, "www.example", A, Kind::Answer, 0).is_some());
    assert!(fresh(&cache, "www.example", AAAA, Kind::Reply { view: 1 }, 0).is_none());
    assert!(fresh(&cache, "www.example", AAAA, Kind::Reply { view: 2 }, 0).is_some());
}

#[test]
fn a_scan_does_not_drive_out_what_is_in_use() {
    let cache = Cache::new(1 << 20, SEED);
    let hot: Vec<_> = (0..200).map(|number| format!("hot{number}.example")).collect();
    for name in &hot {
        put(&cache, name, A, Kind::Answer, 3600, 0);
    }
    for number in 0..100_000 {
        put(&cache, &format!("scan{number}.example"), A, Kind::Answer, 3600, 0);
        fresh(&cache, &hot[number % hot.len()], A, Kind::Answer, 0);
    }
    let left = hot.iter().filter(|name| fresh(&cache, name, A, Kind::Answer, 0).is_some()).count();
    assert_eq!(left, hot.len());
    assert!(cache.totals().evicted > 50_000);
}

#[test]
fn a_new_size_is_kept_to_at_once() {
    let cache = Cache::new(4 << 20, SEED);
    let fill = || {
        for number in 0..60_000 {
            put(&cache, &format!("n{number}.example"), A, Kind::Answer, 3600, 0);
        }
        cache.totals().bytes
    };
    assert!((3 << 20..=4 << 20).contains(&fill()));
    assert!(cache.takes_size(2 << 20) && !cache.takes_size(64 << 10));
    cache.resize(2 << 20, 0);
    assert!(cache.totals().bytes <= 2 << 20 && cache.totals().entries > 10_000);
    assert!(fill() <= 2 << 20);
    cache.resize(8 << 20, 0);
    assert!(fill() > 2 << 20);
}

/// What docs/configuration.md says of the cost of a name.
#[test]
fn a_name_with_a_and_without_aaaa_costs_less_than_360_octets() {
    let cache = Cache::new(32 << 20, SEED);
    let soa: Vec<u8> = std::iter::repeat_n(1, 62).collect();
    let count = 50_000;
    for number in 0..count {
        let name = cache.name(&wire(&format!("host{number:06}.example")));
        assert_eq!(name.as_bytes().len(), 20);
        let a = record(A, 300, &[192, 0, 2, 1]);
        cache.put(&key(&name, A, Kind::Answer), &content(&a, 300), 0);
        let absence = record(6, 60, &soa);
        let absence = Content { counts: [0, 1, 0], ..content(&absence, 60) };
        cache.put(&key(&name, AAAA, Kind::Answer), &absence, 0);
        let aaaa = record(AAAA, 60, &[1; 16]);
        let errors = [0, 15, 0, 7, 0, 29, b'D', b'N', b'S', b'6', b'4'];
        let reply = Content { errors: &errors, ..content(&aaaa, 60) };
        cache.put(&key(&name, AAAA, Kind::Reply { view: 9 }), &reply, 0);
    }
    let totals = cache.totals();
    assert_eq!((totals.entries, totals.evicted), (3 * count, 0));
    let each = totals.bytes / count;
    assert!((250..360).contains(&each), "{each} octets a name");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is put in, in whatever order: never more octets than allowed, and what is found is what was put in last,
    /// with TTLs that only went down.
    #[test]
    fn it_keeps_to_its_bound_and_tells_the_truth(
        bytes in 65_536_u64..400_000,
        steps in prop::collection::vec((0_u16..400, 0_usize..3000, 1_u32..2000, 0_u32..50, any::<bool>()), 0..800),
    ) {
        let cache = Cache::new(bytes, SEED);
        let mut model: HashMap<u16, (Vec<u8>, u32, u32)> = HashMap::new();
        let mut now = 0;
        for (number, length, lifetime, pause, read) in steps {
            now += pause;
            let name = cache.name(&wire(&format!("n{number}.example")));
            if read {
                let mut out = preamble(&name);
                let start = out.len();
                if let Some(hit) = cache.fresh(&key(&name, A, Kind::Answer), now, &mut out) {
                    let (data, stored, lifetime) = &model[&number];
                    let remaining = stored + lifetime - now;
                    prop_assert_eq!(&out[start..], &record(A, remaining, data)[..]);
                    let is_fresh = matches!(hit.age, Age::Fresh { remaining: left, .. } if left == remaining);
                    prop_assert!(is_fresh && remaining > 0);
                }
            } else {
                let data = vec![number.to_be_bytes()[1]; length];
                let records = record(A, lifetime, &data);
                cache.put(&key(&name, A, Kind::Answer), &content(&records, lifetime), now);
                model.insert(number, (data, now, lifetime));
            }
            prop_assert!(cache.totals().bytes as u64 <= bytes);
        }
    }
}
