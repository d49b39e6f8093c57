//! What names are like, by the names beside them: whether those have AAAA records, or exist at all. Pure.
//!
//! A table of fixed size, without locks: one word for each parent name that has its place, found by a keyed hash, since
//! strangers choose the names. Another parent with the same place takes it over. What is counted is halved when it is
//! much, so that the last dozen answers decide. A word that two workers write at once loses one answer. All that hangs
//! on this is when a question is asked, so being wrong costs a question or a moment.

use super::Need;
use crate::answer::Answer;
use crate::name::WireName;
use crate::wire;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use siphasher::sip::SipHasher13;
use std::sync::atomic::{AtomicU32, Ordering};

/// Words, of 4 octets each.
const PLACES: usize = 8192;

/// Bits of a count, and how many counts a word has below the mark of its parent.
const COUNT_BITS: u32 = 4;
const COUNTS: u32 = 3;
const MOST: u32 = (1 << COUNT_BITS) - 1;

/// What an AAAA answer says of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// It has no AAAA records.
    Lacks,
    /// It has some.
    Has,
    /// It does not exist.
    Missing,
}

/// What the last answers beside a name said: how many of them each of [`Sort`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Habit {
    lacks: u32,
    has: u32,
    missing: u32,
}

/// What is remembered of parents.
#[derive(Debug)]
pub(crate) struct Habits {
    places: Box<[AtomicU32]>,
    names: SipHasher13,
}

impl Sort {
    /// What `answer` to an AAAA question says; `None` of an error and of what lost its records.
    pub(crate) fn of(answer: &Answer) -> Option<Self> {
        match answer.rcode() {
            ResponseCode::NXDomain => Some(Self::Missing),
            ResponseCode::NoError if has_aaaa(answer.records(0)) => Some(Self::Has),
            ResponseCode::NoError if !answer.is_truncated() => Some(Self::Lacks),
            _ => None,
        }
    }
}

fn has_aaaa(records: &[u8]) -> bool {
    let mut at = 0;
    while let Some(record) = wire::record(records, at) {
        if record.rtype == u16::from(RecordType::AAAA) {
            return true;
        }
        at = record.data.end;
    }
    false
}

impl Habit {
    /// Whether A is likely to be needed: by half of the names beside, or nothing is known of them. With `missing_too`
    /// it is needed of names that do not exist as well.
    pub(crate) fn need(self, missing_too: bool) -> Need {
        let needed = self.lacks + if missing_too { self.missing } else { 0 };
        if 2 * needed >= self.lacks + self.has + self.missing { Need::Likely } else { Need::Unlikely }
    }

    fn count(&mut self, sort: Sort) {
        let count = match sort {
            Sort::Lacks => &mut self.lacks,
            Sort::Has => &mut self.has,
            Sort::Missing => &mut self.missing,
        };
        *count += 1;
        if *count >= MOST {
            *self = Self { lacks: self.lacks / 2, has: self.has / 2, missing: self.missing / 2 };
        }
    }

    fn unpack(word: u32) -> Self {
        let count = |place: u32| word >> (place * COUNT_BITS) & MOST;
        Self { lacks: count(0), has: count(1), missing: count(2) }
    }

    fn pack(self) -> u32 {
        self.lacks | self.has << COUNT_BITS | self.missing << (2 * COUNT_BITS)
    }
}

impl Habits {
    /// Nothing yet, with an unforeseeable `seed`.
    pub(crate) fn new(seed: [u64; 2]) -> Self {
        Self {
            places: (0..PLACES).map(|_| AtomicU32::new(0)).collect(),
            names: SipHasher13::new_with_keys(seed[0], seed[1]),
        }
    }

    /// Takes in what was found out of `name`.
    pub(crate) fn learn(&self, name: &WireName, sort: Sort) {
        let (place, mark) = self.place(name);
        let mut habit = Self::of_parent(place.load(Ordering::Relaxed), mark);
        habit.count(sort);
        place.store(mark | habit.pack(), Ordering::Relaxed);
    }

    /// What names beside `name` were like.
    pub(crate) fn beside(&self, name: &WireName) -> Habit {
        let (place, mark) = self.place(name);
        Self::of_parent(place.load(Ordering::Relaxed), mark)
    }

    fn of_parent(word: u32, mark: u32) -> Habit {
        let own = word >> (COUNTS * COUNT_BITS) == mark >> (COUNTS * COUNT_BITS);
        if own { Habit::unpack(word) } else { Habit::default() }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the parts of a hash")]
    /// Where the parent of `name` has its place, and the mark that tells it from others there.
    fn place(&self, name: &WireName) -> (&AtomicU32, u32) {
        let lower = name.lowered();
        let bytes = lower.as_bytes();
        // The root is its own parent.
        let parent = bytes.get(usize::from(bytes[0]) + 1..).filter(|parent| !parent.is_empty());
        let hash = self.names.hash(parent.unwrap_or(bytes));
        let mark = (hash >> 32) as u32 >> (COUNTS * COUNT_BITS) << (COUNTS * COUNT_BITS);
        (&self.places[hash as usize % PLACES], mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> WireName {
        WireName::from_labels(text.split('.').filter(|label| !label.is_empty()).map(str::as_bytes)).unwrap()
    }

    fn learnt(names: impl IntoIterator<Item = (String, Sort)>) -> Habits {
        let habits = Habits::new([7, 8]);
        names.into_iter().for_each(|(text, sort)| habits.learn(&name(&text), sort));
        habits
    }

    fn need(habits: &Habits, text: &str) -> Need {
        habits.beside(&name(text)).need(false)
    }

    #[test]
    fn names_are_judged_by_those_beside_them_whatever_their_case() {
        let habits = learnt([
            ("a.v6.example".to_owned(), Sort::Has),
            ("a.v4.example".to_owned(), Sort::Lacks),
            ("a.none.example".to_owned(), Sort::Missing),
        ]);
        assert_eq!(need(&habits, "B.V6.Example"), Need::Unlikely);
        assert_eq!(need(&habits, "b.v4.example"), Need::Likely);
        assert_eq!(need(&habits, "b.none.example"), Need::Unlikely);
        assert_eq!(need(&habits, "b.example"), Need::Likely, "nothing is known");
        assert_eq!(need(&habits, "b.a.v6.example"), Need::Likely, "below is not beside");
        assert_eq!(habits.beside(&name("b.none.example")).need(true), Need::Likely, "then it is synthesized");
    }

    #[test]
    fn the_root_and_names_below_it_have_a_place() {
        let habits = learnt([("example".to_owned(), Sort::Has)]);
        assert_eq!((need(&habits, "net"), need(&habits, "")), (Need::Unlikely, Need::Unlikely));
    }

    #[test]
    fn the_last_dozen_answers_decide() {
        let habits = learnt((0..1000).map(|number| (format!("{number}.example"), Sort::Lacks)));
        let answers = (0..).take_while(|number| {
            habits.learn(&name(&format!("x{number}.example")), Sort::Has);
            need(&habits, "www.example") == Need::Likely
        });
        assert!(answers.count() < 14);
    }

    #[test]
    fn another_parent_takes_a_place_over_and_is_not_taken_for_the_one_before() {
        let habits = Habits::new([1, 2]);
        for number in 0..10 * PLACES {
            let text = format!("www.{number}.example");
            assert_eq!(need(&habits, &text), Need::Likely, "{text} is new");
            habits.learn(&name(&text), Sort::Has);
            assert_eq!(need(&habits, &text), Need::Unlikely);
        }
    }

    /// 20,000 names that nobody knows, below 2000 parents of which few have most of them. Nine of ten names are like
    /// the others beside them: half of the parents' have AAAA records.
    #[test]
    fn a_tenth_of_questions_is_needless_and_a_tenth_of_the_needed_ones_waits() {
        let mut state = 1_u64;
        // Donald Knuth's generator of numbers, below 1.
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            f64::from(u32::try_from(state >> 33).unwrap()) / f64::from(1_u32 << 31)
        };
        let habits = Habits::new([3, 4]);
        let (mut has, mut lacks, mut needless, mut waits) = (0, 0, 0, 0);
        for number in 0..20_000 {
            let parent = 2000_f64.powf(draw()).floor();
            let odd = parent % 2.0 > 0.5;
            let sort = if odd == (draw() < 0.9) { Sort::Has } else { Sort::Lacks };
            let text = format!("{number}.p{parent}.example");
            match (need(&habits, &text), sort) {
                (Need::Likely, Sort::Has) => needless += 1,
                (Need::Unlikely, Sort::Lacks) => waits += 1,
                _ => {}
            }
            *(if sort == Sort::Has { &mut has } else { &mut lacks }) += 1;
            habits.learn(&name(&text), sort);
        }
        assert!(has > 9000 && lacks > 9000, "{has} {lacks}");
        assert!((1500..2300).contains(&needless), "{needless} of 20,000");
        assert!((600..1200).contains(&waits), "{waits} of {lacks}");
    }

    #[test]
    fn an_answer_tells_its_sort() {
        use crate::answer::tests::{answer, query, reply};
        use hickory_proto::rr::{RData, Record};
        let check = |rcode, truncated, data: &[&str], expect| {
            let query = query("www.example", RecordType::AAAA);
            let mut message = reply(&query);
            message.metadata.response_code = rcode;
            message.metadata.truncation = truncated;
            for data in data {
                let data = data.parse().map(|v6| RData::AAAA(std::net::Ipv6Addr::into(v6)));
                let data = data.unwrap_or_else(|_| RData::A("192.0.2.1".parse().unwrap()));
                message.add_answer(Record::from_rdata(query.name.to_name(), 60, data));
            }
            assert_eq!(Sort::of(&answer(&query, &message)), expect, "{rcode} {data:?}");
        };
        check(ResponseCode::NXDomain, false, &[], Some(Sort::Missing));
        check(ResponseCode::NoError, false, &[], Some(Sort::Lacks));
        check(ResponseCode::NoError, false, &["A"], Some(Sort::Lacks));
        check(ResponseCode::NoError, false, &["A", "2001:db8::1"], Some(Sort::Has));
        check(ResponseCode::NoError, true, &[], None);
        check(ResponseCode::ServFail, false, &[], None);
    }

    proptest! {
        #[test]
        fn a_word_holds_its_counts_and_forgets_none(
            sorts in prop::collection::vec(
                prop::sample::select(vec![Sort::Lacks, Sort::Has, Sort::Missing]), 0..200),
        ) {
            let mut habit = Habit::default();
            for sort in &sorts {
                habit.count(*sort);
                prop_assert_eq!(Habit::unpack(habit.pack()), habit);
                prop_assert!(habit.pack() < 1 << (COUNTS * COUNT_BITS));
                prop_assert!(habit.lacks + habit.has + habit.missing > 0);
            }
            let only = |sort| !sorts.is_empty() && sorts.iter().all(|one| *one == sort);
            prop_assert!(!only(Sort::Lacks) || habit.need(false) == Need::Likely);
            prop_assert!(!only(Sort::Has) || habit.need(true) == Need::Unlikely);
            prop_assert!(!only(Sort::Missing) || habit.need(false) == Need::Unlikely);
        }
    }
}
