use super::*;
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::atomic::AtomicBool;

const NOW: UnixTime = UnixTime(1_700_000_000);

fn lease(number: u32) -> Lease {
    Lease {
        v4: Ipv4Addr::from_bits(0xc612_0000 | number),
        v6: Ipv6Addr::from_bits((0x2001_0db8 << 96) | u128::from(number)),
        last_used: NOW,
    }
}

fn found(lookup: Lookup) -> (Ipv4Addr, Ipv6Addr) {
    match lookup {
        Lookup::Found(Entry { v4, v6, .. }) => (v4, v6),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_full_table_grows_and_the_old_one_answers_no_more() {
    let old = LeaseTable::with_capacity(4);
    (0..4).for_each(|number| old.insert(lease(number)));
    assert!(old.is_full());
    let new = old.grow();
    assert_eq!(old.lookup_v4(lease(1).v4), Lookup::Unsure);
    assert_eq!(new.len(), 4);
    new.insert(lease(4));
    for number in 0..5 {
        let Lease { v4, v6, .. } = lease(number);
        assert_eq!((found(new.lookup_v4(v4)), found(new.lookup_v6(v6))), ((v4, v6), (v4, v6)));
    }
    assert_eq!(new.lookup_v4(lease(5).v4), Lookup::Absent);
}

#[test]
fn a_change_that_panicked_leaves_readers_unsure_until_the_next() {
    let table = LeaseTable::with_capacity(4);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        table.write(|| std::panic::resume_unwind(Box::new("a mistake")));
    }));
    assert!(panicked.is_err());
    assert_eq!(table.lookup_v4(lease(1).v4), Lookup::Unsure);
    table.insert(lease(1));
    assert_eq!(found(table.lookup_v4(lease(1).v4)).1, lease(1).v6);
}

/// Readers see each host with its own address or none, whatever the writer does meanwhile.
#[test]
fn readers_never_see_half_a_change() {
    const HOSTS: u32 = 64;
    let table = LeaseTable::with_capacity(64);
    let done = AtomicBool::new(false);
    let read = || {
        let (mut sure, mut number) = (0_u32, 0);
        while !done.load(Ordering::Relaxed) || sure < 10_000 {
            number = (number + 1) % HOSTS;
            let Lease { v4, v6, .. } = lease(number);
            for lookup in [table.lookup_v4(v4), table.lookup_v6(v6)] {
                match lookup {
                    Lookup::Found(entry) => assert_eq!((entry.v4, entry.v6), (v4, v6)),
                    Lookup::Absent => {}
                    Lookup::Unsure => continue,
                }
                sure += 1;
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(read);
        scope.spawn(read);
        for round in 0..200_000_u32 {
            let number = round.wrapping_mul(2_654_435_761) >> 8 & (HOSTS - 1);
            match table.find_v4(lease(number).v4) {
                Some(entry) => drop(table.remove(entry.v4)),
                None => table.insert(lease(number)),
            }
        }
        done.store(true, Ordering::Relaxed);
    });
}

/// A full /16 with its indices, by arithmetic: the whole daemon may take 32 MiB, and this part does not grow with the
/// number of workers.
#[test]
fn a_full_slash_16_takes_three_mebibytes() {
    let table = LeaseTable::with_capacity(65_534);
    let indices = size_of_val(&*table.by_v4.places) + size_of_val(&*table.by_v6.places);
    assert_eq!(size_of_val(&*table.slots) + indices, 3 << 20);
}

#[test]
fn a_lookup_costs_the_same_with_ten_leases_and_with_65_000() {
    let longest = |leases: u32| {
        let mut table = LeaseTable::with_capacity(16);
        for number in 0..leases {
            if table.is_full() {
                table = table.grow();
            }
            table.insert(lease(number));
        }
        let steps = |number: u32| {
            let steps = std::cell::Cell::new(0);
            let Lease { v6, .. } = lease(number);
            table.by_v6.find(table.hasher.hash_one(v6), |slot| {
                steps.set(steps.get() + 1);
                table.slots[slot].v6() == v6
            });
            steps.get()
        };
        (0..leases).map(steps).sum::<u32>() / leases
    };
    assert!(longest(10) <= 2 && longest(65_534) <= 2, "steps of a lookup on average");
}

proptest! {
    #[test]
    fn behaves_as_a_map(changes in prop::collection::vec((any::<bool>(), 0_u32..40), 0..400)) {
        let table = LeaseTable::with_capacity(32);
        let mut model = HashMap::new();
        for (insert, number) in changes {
            let lease = lease(number);
            if !insert {
                prop_assert_eq!(table.remove(lease.v4), model.remove(&lease.v4));
            } else if !table.is_full() && !model.contains_key(&lease.v4) {
                table.insert(lease);
                model.insert(lease.v4, lease);
            }
            prop_assert_eq!(table.len(), model.len());
            for number in 0..40 {
                let Lease { v4, v6, .. } = self::lease(number);
                let is_there = model.contains_key(&v4);
                prop_assert_eq!(table.find_v4(v4).map(|entry| (entry.v4, entry.v6)), is_there.then_some((v4, v6)));
                prop_assert_eq!(table.find_v6(v6).map(|entry| (entry.v4, entry.v6)), is_there.then_some((v4, v6)));
            }
        }
    }
}
