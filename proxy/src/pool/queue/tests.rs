use super::*;
use proptest::prelude::*;

type Line = Queue<usize, u32>;

fn join(queue: &mut Line, wish: Wish<usize>, name: u32) -> Ticket {
    queue.join(wish, usize::MAX, name).expect("there is no bound")
}

#[test]
fn the_longest_waiting_is_served_of_those_who_take_the_place() {
    let mut queue = Line::default();
    join(&mut queue, Wish::At(1), 10);
    join(&mut queue, Wish::Any, 11);
    join(&mut queue, Wish::At(0), 12);
    join(&mut queue, Wish::Any, 13);
    assert_eq!(queue.serve(0, true), Some((11, 1)));
    assert_eq!(queue.serve(0, true), Some((12, 1)));
    assert_eq!(queue.serve(1, true), Some((10, 1)));
    assert_eq!((queue.wants(1, false), queue.serve(1, false)), (false, None), "only its own clients");
    assert_eq!((queue.wants(1, true), queue.serve(1, true)), (true, Some((13, 2))));
    assert_eq!(queue.serve(1, true), None);
}

#[test]
fn a_full_queue_takes_nobody() {
    let mut queue = Line::default();
    let first = queue.join(Wish::Any, 2, 1).unwrap();
    queue.join(Wish::At(0), 2, 2).unwrap();
    assert_eq!(queue.join(Wish::Any, 2, 3), Err(3));
    assert_eq!(queue.leave(Wish::Any, first), Some(1));
    assert!(queue.join(Wish::Any, 2, 4).is_ok());
    assert_eq!(queue.join(Wish::Any, 0, 5), Err(5), "nobody may wait");
}

#[test]
fn who_waits_for_a_member_that_goes_is_called() {
    let mut queue = Line::default();
    for (wish, name) in [(Wish::At(0), 1), (Wish::Any, 2), (Wish::At(1), 3), (Wish::At(0), 4)] {
        join(&mut queue, wish, name);
    }
    assert_eq!(queue.recall(|member| member != 0), [1, 4]);
    assert_eq!(queue.len(), 2);
    assert_eq!(queue.recall_any(), [2]);
    assert_eq!(queue.serve(1, true), Some((3, 1)));
}

#[test]
fn numbers_count_those_who_were_served_and_not_those_who_left() {
    let mut queue = Line::default();
    join(&mut queue, Wish::Any, 1);
    let left = join(&mut queue, Wish::Any, 2);
    join(&mut queue, Wish::At(0), 3);
    join(&mut queue, Wish::Any, 4);
    assert_eq!(queue.leave(Wish::Any, left), Some(1));
    assert_eq!(queue.serve(1, true), Some((1, 1)));
    assert_eq!(queue.serve(1, true), Some((4, 2)));
    join(&mut queue, Wish::At(0), 5);
    join(&mut queue, Wish::Any, 6);
    assert_eq!(queue.serve(1, true), Some((6, 1)), "nobody was served since it came");
    assert_eq!(queue.serve(0, true), Some((3, 1)));
    assert_eq!(queue.serve(0, true), Some((5, 2)));
}

#[derive(Clone, Debug)]
enum Step {
    /// A client comes, for one member or for any.
    Come(Option<usize>),
    /// One of those at a member is done.
    Finish(usize),
    /// The one at this place among those who wait gives up.
    GiveUp(usize),
    /// A member takes clients of its own only, or all again.
    Toggle(usize),
}

const MEMBERS: usize = 3;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => prop::option::of(0..MEMBERS).prop_map(Step::Come),
        4 => (0..MEMBERS).prop_map(Step::Finish),
        1 => (0_usize..8).prop_map(Step::GiveUp),
        1 => (0..MEMBERS).prop_map(Step::Toggle),
    ]
}

/// Members with limited places, served by the queue, beside the plain list of those who wait.
struct Model {
    queue: Line,
    waiting: Vec<(u32, Wish<usize>, Ticket)>,
    busy: [usize; MEMBERS],
    open: [bool; MEMBERS],
    served: u32,
    left: u32,
    refused: u32,
}

impl Model {
    fn takes(&self, wish: Wish<usize>, member: usize) -> bool {
        match wish {
            Wish::Any => self.open[member],
            Wish::At(own) => own == member,
        }
    }

    /// Gives out all free places and checks that each goes to the first who takes it.
    fn serve(&mut self, limit: usize) {
        for member in 0..MEMBERS {
            while self.busy[member] < limit {
                let first = self.waiting.iter().position(|(_, wish, _)| self.takes(*wish, member));
                let expect = first.map(|place| self.waiting.remove(place).0);
                let served = self.queue.serve(member, self.open[member]).map(|(name, _)| name);
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
            queue: Line::default(), waiting: Vec::new(), busy: [0; MEMBERS], open: [true; MEMBERS],
            served: 0, left: 0, refused: 0,
        };
        let mut came = 0;
        for step in steps {
            match step {
                Step::Come(own) => {
                    let wish = own.map_or(Wish::Any, Wish::At);
                    match model.queue.join(wish, bound + 1, came) {
                        Ok(ticket) => model.waiting.push((came, wish, ticket)),
                        Err(_) => model.refused += 1,
                    }
                    came += 1;
                }
                Step::Finish(member) => model.busy[member] = model.busy[member].saturating_sub(1),
                Step::GiveUp(place) if place < model.waiting.len() => {
                    let (_, wish, ticket) = model.waiting.remove(place);
                    prop_assert!(model.queue.leave(wish, ticket).is_some());
                    prop_assert!(model.queue.leave(wish, ticket).is_none(), "nobody leaves twice");
                    model.left += 1;
                }
                Step::GiveUp(_) => {}
                Step::Toggle(member) => model.open[member] = !model.open[member],
            }
            model.serve(limit);
            prop_assert!(model.busy.iter().all(|busy| *busy <= limit));
            prop_assert_eq!(model.queue.len(), model.waiting.len());
            prop_assert!(model.queue.len() <= bound + 1);
            let waiting = u32::try_from(model.waiting.len()).unwrap();
            prop_assert_eq!(model.served + model.left + model.refused + waiting, came);
            for (_, wish, _) in &model.waiting {
                let could = (0..MEMBERS).any(|member| model.takes(*wish, member) && model.busy[member] < limit);
                prop_assert!(!could, "nobody waits beside a free place");
            }
        }
    }
}
