use super::*;
use proptest::prelude::*;

type Line = Queue<usize, u32>;

fn any<const N: usize>(tried: [usize; N]) -> Wish<usize> {
    Wish::Any(Box::new(tried))
}

fn join(queue: &mut Line, wish: Wish<usize>, name: u32) -> Ticket {
    queue.join(wish, usize::MAX, name).expect("there is no bound")
}

fn open(_: &[usize]) -> bool {
    true
}

fn shut(_: &[usize]) -> bool {
    false
}

#[test]
fn the_longest_waiting_is_served_of_those_who_take_the_place() {
    let mut queue = Line::default();
    join(&mut queue, Wish::At(1), 10);
    join(&mut queue, any([]), 11);
    join(&mut queue, Wish::At(0), 12);
    join(&mut queue, any([]), 13);
    assert_eq!(queue.serve(0, open), Some((11, 1)));
    assert_eq!(queue.serve(0, open), Some((12, 1)));
    assert_eq!(queue.serve(1, open), Some((10, 1)));
    assert_eq!((queue.wants(1, shut), queue.serve(1, shut)), (false, None), "only its own clients");
    assert_eq!((queue.wants(1, open), queue.serve(1, open)), (true, Some((13, 2))));
    assert_eq!(queue.serve(1, open), None);
}

#[test]
fn nobody_is_called_to_a_member_that_it_has_tried() {
    let mut queue = Line::default();
    join(&mut queue, any([0, 2]), 1);
    join(&mut queue, any([0]), 2);
    join(&mut queue, any([]), 3);
    join(&mut queue, any([0, 2]), 4);
    let untried = |member: usize| move |tried: &[usize]| !tried.contains(&member);
    assert_eq!(queue.serve(0, untried(0)), Some((3, 1)));
    assert_eq!(queue.serve(0, untried(0)), None);
    assert_eq!(queue.serve(2, untried(2)), Some((2, 2)), "all of them are counted in one");
    assert_eq!(queue.serve(1, untried(1)), Some((1, 3)));
    assert_eq!(queue.serve(1, untried(1)), Some((4, 4)));
    assert_eq!((queue.len(), queue.any.len()), (0, 0), "no row is left");
}

#[test]
fn a_full_queue_takes_nobody() {
    let mut queue = Line::default();
    let first = queue.join(any([]), 2, 1).unwrap();
    queue.join(Wish::At(0), 2, 2).unwrap();
    assert_eq!(queue.join(any([]), 2, 3), Err(3));
    assert_eq!(queue.leave(&any([]), first), Some(1));
    assert!(queue.join(any([1]), 2, 4).is_ok());
    assert_eq!(queue.join(any([]), 0, 5), Err(5), "nobody may wait");
}

#[test]
fn who_waits_for_members_that_go_is_called() {
    let mut queue = Line::default();
    for (wish, name) in [(Wish::At(0), 1), (any([]), 2), (Wish::At(1), 3), (Wish::At(0), 4), (any([1]), 5)] {
        join(&mut queue, wish, name);
    }
    assert_eq!(queue.recall(|member| member != 0, open), [1, 4]);
    assert_eq!(queue.len(), 3);
    assert_eq!(queue.recall(|_| true, <[usize]>::is_empty), [5], "only the members that it tried are left");
    assert_eq!(queue.recall(|_| true, shut), [2]);
    assert_eq!(queue.serve(1, open), Some((3, 1)));
}

#[test]
fn numbers_count_those_who_were_served_and_not_those_who_left() {
    let mut queue = Line::default();
    join(&mut queue, any([]), 1);
    let left = join(&mut queue, any([]), 2);
    join(&mut queue, Wish::At(0), 3);
    join(&mut queue, any([2]), 4);
    assert_eq!(queue.leave(&any([]), left), Some(1));
    assert_eq!(queue.serve(1, open), Some((1, 1)));
    assert_eq!(queue.serve(1, open), Some((4, 2)));
    join(&mut queue, Wish::At(0), 5);
    join(&mut queue, any([]), 6);
    assert_eq!(queue.serve(1, open), Some((6, 1)), "nobody was served since it came");
    assert_eq!(queue.serve(0, open), Some((3, 1)));
    assert_eq!(queue.serve(0, open), Some((5, 2)));
}

#[derive(Clone, Debug)]
enum Step {
    /// A client comes, for one member or for any that it has not tried.
    Come(Wish<usize>),
    /// One of those at a member is done.
    Finish(usize),
    /// The one at this place among those who wait gives up.
    GiveUp(usize),
    /// A member is in this tier from here on; without one it takes clients of its own only.
    Move(usize, Option<usize>),
}

const MEMBERS: usize = 3;

fn wish() -> impl Strategy<Value = Wish<usize>> {
    let tried = prop::collection::btree_set(0..MEMBERS, 0..MEMBERS);
    prop_oneof![
        1 => (0..MEMBERS).prop_map(Wish::At),
        4 => tried.prop_map(|tried| Wish::Any(tried.into_iter().collect())),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => wish().prop_map(Step::Come),
        4 => (0..MEMBERS).prop_map(Step::Finish),
        1 => (0_usize..8).prop_map(Step::GiveUp),
        1 => (0..MEMBERS, prop::option::weighted(0.8, 0_usize..2)).prop_map(|(m, tier)| Step::Move(m, tier)),
    ]
}

/// Members with limited places, served by the queue, beside the plain list of those who wait.
struct Model {
    queue: Line,
    waiting: Vec<(u32, Wish<usize>, Ticket)>,
    busy: [usize; MEMBERS],
    /// A later one takes work only from those who have tried all of the earlier.
    tier: [Option<usize>; MEMBERS],
    served: u32,
    left: u32,
    refused: u32,
    recalled: u32,
}

impl Model {
    fn is_open(&self, tried: &[usize], member: usize) -> bool {
        let best = (0..MEMBERS).filter(|m| !tried.contains(m)).filter_map(|m| self.tier[m]).min();
        !tried.contains(&member) && best.is_some() && self.tier[member] == best
    }

    fn takes(&self, wish: &Wish<usize>, member: usize) -> bool {
        match wish {
            Wish::Any(tried) => self.is_open(tried, member),
            Wish::At(own) => *own == member,
        }
    }

    fn has_member(&self, tried: &[usize]) -> bool {
        (0..MEMBERS).any(|member| self.is_open(tried, member))
    }

    /// Calls those for whom no member is left, in any order.
    fn recall(&mut self) {
        let tier = self.tier;
        let left = |tried: &[usize]| (0..MEMBERS).any(|m| !tried.contains(&m) && tier[m].is_some());
        let mut recalled = self.queue.recall(|_| true, left);
        recalled.sort_unstable();
        let (stay, go) = std::mem::take(&mut self.waiting).into_iter().partition(|(_, wish, _)| match wish {
            Wish::Any(tried) => self.has_member(tried),
            Wish::At(_) => true,
        });
        self.waiting = stay;
        let go: Vec<_> = go;
        self.recalled += u32::try_from(go.len()).unwrap();
        assert_eq!(recalled, go.into_iter().map(|(name, _, _)| name).collect::<Vec<_>>());
    }

    /// Gives out all free places and checks that each goes to the first who takes it.
    fn serve(&mut self, limit: usize) {
        for member in 0..MEMBERS {
            while self.busy[member] < limit {
                let first = self.waiting.iter().position(|(_, wish, _)| self.takes(wish, member));
                let expect = first.map(|place| self.waiting.remove(place).0);
                let (tier, own) = (self.tier, self.tier[member]);
                let open = |tried: &[usize]| {
                    let untried = (0..MEMBERS).filter(|m| !tried.contains(m));
                    own.is_some() && !tried.contains(&member) && untried.filter_map(|m| tier[m]).min() == own
                };
                let served = self.queue.serve(member, open).map(|(name, _)| name);
                assert_eq!(served, expect);
                if expect.is_none() {
                    break;
                }
                self.busy[member] += 1;
                self.served += 1;
            }
        }
    }
}

proptest! {
    #[test]
    fn nobody_is_lost_order_holds_and_bounds_hold(
        limit in 1_usize..4, bound in 0_usize..8, steps in prop::collection::vec(step(), 1..300),
    ) {
        let mut model = Model {
            queue: Line::default(), waiting: Vec::new(), busy: [0; MEMBERS], tier: [Some(0); MEMBERS],
            served: 0, left: 0, refused: 0, recalled: 0,
        };
        let mut came = 0;
        for step in steps {
            match step {
                Step::Come(wish) => {
                    match model.queue.join(wish.clone(), bound + 1, came) {
                        Ok(ticket) => model.waiting.push((came, wish, ticket)),
                        Err(_) => model.refused += 1,
                    }
                    came += 1;
                }
                Step::Finish(member) => model.busy[member] = model.busy[member].saturating_sub(1),
                Step::GiveUp(place) if place < model.waiting.len() => {
                    let (_, wish, ticket) = model.waiting.remove(place);
                    prop_assert!(model.queue.leave(&wish, ticket).is_some());
                    prop_assert!(model.queue.leave(&wish, ticket).is_none(), "nobody leaves twice");
                    model.left += 1;
                }
                Step::GiveUp(_) => {}
                Step::Move(member, tier) => model.tier[member] = tier,
            }
            model.recall();
            model.serve(limit);
            prop_assert!(model.busy.iter().all(|busy| *busy <= limit));
            prop_assert_eq!(model.queue.len(), model.waiting.len());
            prop_assert!(model.queue.len() <= bound + 1);
            let waiting = u32::try_from(model.waiting.len()).unwrap();
            prop_assert_eq!(model.served + model.left + model.refused + model.recalled + waiting, came);
            for (_, wish, _) in &model.waiting {
                let could = (0..MEMBERS).any(|member| model.takes(wish, member) && model.busy[member] < limit);
                prop_assert!(!could, "nobody waits beside a free place");
            }
        }
    }
}
