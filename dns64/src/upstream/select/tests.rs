use super::*;

const MS: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_millis(100);

/// A course whose time the test drives.
struct Run {
    course: Course,
    start: Instant,
    now: Instant,
}

fn standing(up: bool) -> Standing {
    Standing { up, patience: PATIENCE, tail: None }
}

impl Run {
    fn new(standings: impl IntoIterator<Item = Standing>) -> Self {
        let start = Instant::now();
        Self { course: Course::new(standings, start + 60 * PATIENCE), start, now: start }
    }

    fn up(up: &[bool]) -> Self {
        Self::new(up.iter().copied().map(standing))
    }

    fn step(&mut self) -> Step {
        self.course.step(self.now)
    }

    /// Lets time pass up to what is waited for, and says how far that is from the start.
    fn wait(&mut self) -> Duration {
        let Step::Wait(until) = self.step() else { panic!("nothing is waited for") };
        self.now = until;
        until - self.start
    }
}

/// Who is asked, if all stay silent.
fn silent(up: &[bool]) -> Vec<usize> {
    let (mut run, mut asked) = (Run::up(up), Vec::new());
    loop {
        match run.step() {
            Step::Ask(upstream) => asked.push(upstream),
            Step::Late(..) => {}
            Step::Wait(until) => run.now = until,
            Step::Hedge(upstream) => panic!("{upstream} is a hedge"),
            Step::End => break,
        }
    }
    assert_eq!(run.now, run.start + 60 * PATIENCE, "answers may come until the end");
    asked
}

#[test]
fn silence_moves_on_and_comes_round_again() {
    assert_eq!(silent(&[true]), [0; MAX_ATTEMPTS]);
    assert_eq!(silent(&[true, true]), [0, 1, 0, 1, 0, 1, 0, 1]);
    assert_eq!(silent(&[true; 6]), [0, 1, 2, 3, 4, 5, 0, 1]);
}

#[test]
fn those_that_are_down_come_last_but_come() {
    assert_eq!(silent(&[false, true]), [1, 0, 1, 0, 1, 0, 1, 0]);
    assert_eq!(silent(&[false, true, true]), [1, 2, 0, 1, 2, 0, 1, 2]);
    assert_eq!(silent(&[false, false]), [0, 1, 0, 1, 0, 1, 0, 1]);
}

#[test]
fn patience_doubles_twice_where_the_same_is_asked_again() {
    let mut run = Run::up(&[true]);
    for expect in [100, 300, 700, 1100] {
        assert_eq!(run.step(), Step::Ask(0));
        assert_eq!(run.wait(), expect * MS);
        assert!(matches!(run.step(), Step::Late(0, _)));
    }
}

#[test]
fn an_unreachable_upstream_is_not_asked_again() {
    let mut run = Run::up(&[true, true]);
    assert_eq!(run.step(), Step::Ask(0));
    run.course.ended(0);
    assert_eq!(run.step(), Step::Ask(1));
    run.course.ended(1);
    assert_eq!(run.step(), Step::End);
}

#[test]
fn a_rebuff_asks_every_other_that_is_up_and_no_one_twice() {
    let mut run = Run::up(&[true, true, false]);
    assert_eq!(run.step(), Step::Ask(0));
    run.course.rebuffed(0, run.now);
    assert_eq!(run.step(), Step::Ask(1));
    run.course.rebuffed(1, run.now);
    assert_eq!(run.step(), Step::End, "the one that is down is not waited for");
}

#[test]
fn after_a_rebuff_a_slow_upstream_gets_its_time_and_no_more() {
    let mut run = Run::up(&[true, true]);
    assert_eq!(run.step(), Step::Ask(0));
    run.wait();
    assert!(matches!(run.step(), Step::Late(0, _)));
    assert_eq!(run.step(), Step::Ask(1));
    run.course.rebuffed(1, run.now);
    assert_eq!(run.wait(), 2 * PATIENCE);
    assert_eq!(run.step(), Step::End);
}

#[test]
fn a_second_rebuff_does_not_prolong_the_wait() {
    let mut run = Run::up(&[true, true, true]);
    assert_eq!(run.step(), Step::Ask(0));
    run.wait();
    assert!(matches!(run.step(), Step::Late(0, _)));
    assert_eq!(run.step(), Step::Ask(1));
    run.course.rebuffed(1, run.now);
    assert_eq!(run.step(), Step::Ask(2), "the third opinion");
    run.course.rebuffed(2, run.now);
    assert_eq!(run.wait(), 2 * PATIENCE, "for the first alone, and once");
    assert_eq!(run.step(), Step::End);
}

#[test]
fn who_is_slower_than_nearly_ever_gets_a_hedge_beside_it() {
    let slow = Standing { tail: Some(10 * MS), ..standing(true) };
    let mut run = Run::new([slow, standing(true)]);
    assert_eq!(run.step(), Step::Ask(0));
    assert_eq!(run.wait(), 10 * MS);
    assert_eq!(run.step(), Step::Hedge(1));
    run.course.hedged(1, run.now);
    assert_eq!(run.wait(), PATIENCE, "the first has its time all the same");
    assert!(matches!(run.step(), Step::Late(0, _)));
    assert_eq!(run.wait(), PATIENCE + 10 * MS, "and so has the hedge");
    assert!(matches!(run.step(), Step::Late(1, _)));
    assert_eq!(run.step(), Step::Ask(0));
}

#[test]
fn a_hedge_that_is_not_allowed_changes_nothing() {
    let slow = Standing { tail: Some(10 * MS), ..standing(true) };
    let mut run = Run::new([slow, standing(true)]);
    assert_eq!(run.step(), Step::Ask(0));
    run.wait();
    assert_eq!(run.step(), Step::Hedge(1));
    assert_eq!(run.wait(), PATIENCE);
    assert!(matches!(run.step(), Step::Late(0, _)));
    assert_eq!(run.step(), Step::Ask(1));
}

#[test]
fn no_hedge_goes_to_one_that_is_down_or_to_the_same() {
    let slow = Standing { tail: Some(10 * MS), ..standing(true) };
    let mut run = Run::new([slow]);
    assert_eq!(run.step(), Step::Ask(0));
    assert_eq!(run.wait(), PATIENCE);
    let mut run = Run::new([slow, standing(false)]);
    assert_eq!(run.step(), Step::Ask(0));
    run.wait();
    assert_eq!(run.wait(), PATIENCE);
}

#[test]
fn only_an_answer_about_the_name_is_no_rebuff() {
    assert!(!is_rebuff(ResponseCode::NoError) && !is_rebuff(ResponseCode::NXDomain));
    for rcode in [ResponseCode::ServFail, ResponseCode::Refused, ResponseCode::FormErr, ResponseCode::NotImp]
    {
        assert!(is_rebuff(rcode), "{rcode}");
    }
}
