//! Which elements of a list were which before, where elements need no name. Pure.
//!
//! The first way that finds a partner decides: the same content, the same name, what the list itself takes for likeness,
//! and for what is left to have followed the same element. So one that is put in ahead of others changes none of them.

use super::record::Record;

/// An element of a list that is compared element by element.
pub(super) trait Listed: PartialEq + Sized {
    /// Whether it matters which of two comes first.
    const ORDER_DECIDES: bool;

    /// What no other element of the list is called.
    fn name(&self) -> Option<&str> {
        None
    }

    /// Whether it is this element with other content.
    fn is_like(&self, other: &Self) -> bool;

    /// What tells it from others, in text.
    fn brief(&self) -> String;

    /// Writes down what became of it.
    fn compare(&self, new: &Self, record: &mut Record, path: &str);
}

/// For each element of the new list its place in the old one.
pub(super) fn pair<T: Listed>(old: &[T], new: &[T]) -> Vec<Option<usize>> {
    let mut pairs = Pairs { before: vec![None; new.len()], is_taken: vec![false; old.len()] };
    let ahead = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (tail, rest) = (old[ahead..].iter().rev(), new[ahead..].iter().rev());
    let behind = tail.zip(rest).take_while(|(old, new)| old == new).count();
    for place in 0..ahead {
        pairs.join(place, place);
    }
    for back in 1..=behind {
        pairs.join(old.len() - back, new.len() - back);
    }
    let ways: [fn(&T, &T) -> bool; 3] = [T::eq, are_namesakes, T::is_like];
    for is_same in ways {
        for (to, one) in new.iter().enumerate().take(new.len() - behind).skip(ahead) {
            let mut open = (ahead..old.len() - behind).filter(|from| !pairs.is_taken[*from]);
            if pairs.before[to].is_none()
                && let Some(from) = open.find(|from| is_same(&old[*from], one))
            {
                pairs.join(from, to);
            }
        }
    }
    for (to, one) in new.iter().enumerate() {
        let follows = if to == 0 { Some(0) } else { pairs.before[to - 1].map(|from| from + 1) };
        if let Some(from) = follows.filter(|from| pairs.is_taken.get(*from) == Some(&false))
            && pairs.before[to].is_none()
            && old[from].name().is_none()
            && one.name().is_none()
        {
            pairs.join(from, to);
        }
    }
    pairs.before
}

struct Pairs {
    before: Vec<Option<usize>>,
    is_taken: Vec<bool>,
}

impl Pairs {
    fn join(&mut self, from: usize, to: usize) {
        self.before[to] = Some(from);
        self.is_taken[from] = true;
    }
}

fn are_namesakes<T: Listed>(old: &T, new: &T) -> bool {
    old.name().is_some() && old.name() == new.name()
}

/// Which of these places, all different, are out of order: as few as can be.
pub(super) fn moved(places: &[usize]) -> Vec<bool> {
    // The ends of the best ascending rows of each length so far, and what each place follows in its own row.
    let (mut ends, mut follows) = (Vec::<usize>::new(), Vec::new());
    for (at, place) in places.iter().enumerate() {
        let length = ends.partition_point(|end| places[*end] < *place);
        follows.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        if length == ends.len() {
            ends.push(at);
        } else {
            ends[length] = at;
        }
    }
    let mut moved = vec![true; places.len()];
    let mut last = ends.last().copied();
    while let Some(at) = last {
        moved[at] = false;
        last = follows[at];
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Told from others by its first letter, if that is a capital.
    #[derive(PartialEq)]
    struct Word(&'static str);

    impl Listed for Word {
        const ORDER_DECIDES: bool = true;

        fn name(&self) -> Option<&str> {
            self.0.get(..1).filter(|letter| letter.chars().all(char::is_uppercase))
        }

        fn is_like(&self, other: &Self) -> bool {
            self.0.len() == other.0.len() && self.0.len() > 4
        }

        fn brief(&self) -> String {
            self.0.to_owned()
        }

        fn compare(&self, _: &Self, _: &mut Record, _: &str) {}
    }

    #[test]
    fn elements_are_found_again_by_content_name_likeness_and_place() {
        let check = |old: &[&'static str], new: &[&'static str], expect: &[Option<usize>]| {
            let words = |list: &[&'static str]| list.iter().copied().map(Word).collect::<Vec<_>>();
            assert_eq!(pair(&words(old), &words(new)), expect, "{old:?} {new:?}");
        };
        check(&["a", "b"], &["x", "a", "b"], &[None, Some(0), Some(1)]);
        check(&["a", "a"], &["a"], &[Some(0)]);
        check(&["a", "b", "a"], &["a", "a", "b"], &[Some(0), Some(2), Some(1)]);
        check(&["Ax", "b"], &["b", "Ay"], &[Some(1), Some(0)]);
        check(&["a", "hello"], &["world", "b"], &[Some(1), None]);
        check(&["a", "b", "c"], &["a", "x", "c"], &[Some(0), Some(1), Some(2)]);
        check(&["A", "b"], &["C", "b"], &[None, Some(1)]);
        check(&["a"], &[], &[]);
        check(&[], &["a"], &[None]);
    }

    #[test]
    fn as_few_as_can_be_have_moved() {
        let check = |places: &[usize], expect: &str| {
            let marks: String =
                moved(places).into_iter().map(|moved| if moved { 'm' } else { '-' }).collect();
            assert_eq!(marks, expect, "{places:?}");
        };
        check(&[], "");
        check(&[0, 2, 5], "---");
        check(&[3, 0, 1, 2], "m---");
        check(&[1, 2, 3, 0], "---m");
        check(&[4, 0, 3, 1, 2], "m-m--");
        check(&[1, 0], "m-");
    }
}
