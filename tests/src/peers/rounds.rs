//! The order of a run: in each round, each measurement is taken of all contestants one right after the other, so that
//! whatever else the machine does meets all of them alike.

use super::figure::{Figure, Side, Spec};
use anyhow::{Context, Result};

/// Who is measured: a side, its name for messages, and what the measurement needs to know of it.
#[derive(Clone, Copy)]
pub struct Contestant<W> {
    /// Which side it is.
    pub side: Side,
    /// Its name.
    pub name: &'static str,
    /// The way through it.
    pub way: W,
}

/// One measurement. It finds one number for each of its figures, or none where the contestant has none.
pub struct Trial<W> {
    /// What it finds.
    pub figures: &'static [Spec],
    /// Of whom.
    pub contestants: Vec<Contestant<W>>,
    /// How often in each round, at least once.
    pub turns: usize,
    /// Takes it.
    pub run: fn(&W) -> Result<Vec<Option<f64>>>,
}

/// What is about to be measured.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The round, from one.
    pub round: usize,
    /// The measurement, in words.
    pub trial: &'static str,
    /// Whose.
    pub contestant: &'static str,
}

/// Takes all measurements `rounds` times. `before` sees each step first and may end the run with an error.
///
/// # Errors
/// The first measurement that fails ends the run, with its place.
pub fn play<W>(
    trials: &[Trial<W>],
    rounds: usize,
    mut before: impl FnMut(Step) -> Result<()>,
) -> Result<Vec<Figure>> {
    let empty = |trial: &Trial<W>| trial.figures.iter().copied().map(Figure::new).collect();
    let mut figures: Vec<Vec<Figure>> = trials.iter().map(empty).collect();
    for round in 0..rounds {
        for (trial, figures) in trials.iter().zip(&mut figures) {
            let says = trial.figures.first().map_or("", |spec| spec.says);
            let contestants = &trial.contestants;
            let count = contestants.len();
            for (turn, place) in (0..trial.turns).flat_map(|turn| (0..count).map(move |place| (turn, place)))
            {
                // Nobody always follows the same one, nor always begins.
                let contestant = &contestants[(round + turn + place) % count];
                before(Step { round: round + 1, trial: says, contestant: contestant.name })?;
                let numbers = (trial.run)(&contestant.way)
                    .with_context(|| format!("{says}, through {}", contestant.name))?;
                for (figure, number) in figures.iter_mut().zip(numbers) {
                    if let Some(number) = number {
                        figure.add(contestant.side, number);
                    }
                }
            }
        }
    }
    Ok(figures.into_iter().flatten().collect())
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these numbers are exact")]
mod tests {
    use super::super::figure::Better;
    use super::*;

    const fn spec(name: &'static str) -> Spec {
        Spec::new(name, name, "", Better::More, 1.0)
    }

    const BOTH: &[Spec] = &[spec("first"), spec("second")];

    fn contestants() -> [Contestant<Option<f64>>; 3] {
        [(Side::Ours, "ours", Some(8.0)), (Side::Theirs, "theirs", Some(2.0)), (Side::Limit, "limit", None)]
            .map(|(side, name, way)| Contestant { side, name, way })
    }

    fn trial(run: fn(&Option<f64>) -> Result<Vec<Option<f64>>>) -> [Trial<Option<f64>>; 1] {
        [Trial { figures: BOTH, contestants: contestants().to_vec(), turns: 1, run }]
    }

    #[test]
    fn numbers_go_to_their_figure_and_side() {
        let figures = play(&trial(|way| Ok(vec![Some(1.0), *way])), 3, |_| Ok(())).unwrap();
        assert_eq!(figures.len(), 2);
        assert_eq!(figures[0].against(Side::Limit).unwrap().ratio, 1.0);
        assert_eq!(figures[1].against_rival().ratio, 4.0);
        assert_eq!(figures[1].against(Side::Limit), None, "the limit has no such number");
    }

    #[test]
    fn every_round_begins_with_another_one() {
        let mut steps = Vec::new();
        play(&trial(|way| Ok(vec![Some(1.0), *way])), 2, |step| {
            steps.push((step.round, step.contestant));
            Ok(())
        })
        .unwrap();
        assert_eq!(
            steps,
            [(1, "ours"), (1, "theirs"), (1, "limit"), (2, "theirs"), (2, "limit"), (2, "ours")]
        );
    }

    #[test]
    fn every_turn_begins_with_another_one() {
        let [trial] = trial(|way| Ok(vec![Some(1.0), *way]));
        let mut names = Vec::new();
        play(&[Trial { turns: 2, ..trial }], 1, |step| {
            names.push(step.contestant);
            Ok(())
        })
        .unwrap();
        assert_eq!(names, ["ours", "theirs", "limit", "theirs", "limit", "ours"]);
    }

    #[test]
    fn failure_names_measurement_and_contestant() {
        let trials = trial(|way| Ok(vec![Some(way.context("no way")?)]));
        let cause = play(&trials, 1, |_| Ok(())).unwrap_err();
        assert_eq!(format!("{cause:#}"), "first, through limit: no way");
    }
}
