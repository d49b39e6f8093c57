//! What a suite found out: one figure per measurement, its medians, and whether its targets are met.

use serde::Serialize;

/// Digits of a printed number that mean something.
const DIGITS: i32 = 4;

/// What is measured, and how good it has to be.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Its name for machines.
    pub name: &'static str,
    /// The same for people.
    pub says: &'static str,
    /// The unit of the numbers.
    pub unit: &'static str,
    /// Which direction is better.
    pub better: Better,
    /// How many times better than what it is held against it has to be.
    pub target: f64,
    /// How many times better than the second peer it has to be, if any.
    pub second_target: Option<f64>,
    /// What part of the physical limit it has to reach, if any.
    pub limit_target: Option<f64>,
    /// What it is held against.
    pub against: Against,
    /// Which of the rounds counts.
    pub counts: Counts,
    /// How many processors the measured ones are held to, if they are: whatever else runs has the others, if there are any.
    pub cores: Option<usize>,
}

/// What a figure is held against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Against {
    /// The peer of the suite.
    Peer,
    /// Another way or other circumstances, which this names.
    Other(&'static str),
    /// A number that stands fixed, and its name.
    Bound(&'static str, f64),
}

/// Which of the rounds counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// The one in the middle: the others tell of the machine.
    Middle,
    /// The worst of ours: what must never happen must not happen in any.
    Worst,
}

/// Which numbers are the better ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// The larger.
    More,
    /// The smaller.
    Less,
}

/// Whom a number belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Our daemon.
    Ours,
    /// The peer.
    Theirs,
    /// Another program that people run, where the suite has one.
    Second,
    /// Nobody: what the machine does without them.
    Limit,
}

/// One of the others of a suite and its name, in the order of the table.
pub type Other = (Side, &'static str);

/// The numbers of all rounds.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What they are.
    pub spec: Spec,
    numbers: Vec<(Side, f64)>,
}

/// Ours against one other side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// The number of the other side.
    pub theirs: f64,
    /// How many times better ours is.
    pub ratio: f64,
    /// How many times better it has to be, if that is asked.
    pub target: Option<f64>,
}

/// One line for machines; its keys are fixed.
#[derive(Serialize)]
struct Line<'a> {
    suite: &'a str,
    name: &'a str,
    unit: &'a str,
    peer: &'a str,
    ours: f64,
    theirs: f64,
    ratio: f64,
    limit_ratio: Option<f64>,
    target: f64,
    ok: bool,
    shared: Option<bool>,
}

impl Spec {
    /// A measurement held against the peer.
    pub const fn new(
        name: &'static str,
        says: &'static str,
        unit: &'static str,
        better: Better,
        target: f64,
    ) -> Self {
        let (against, counts) = (Against::Peer, Counts::Middle);
        let (second_target, limit_target, cores) = (None, None, None);
        Self { name, says, unit, better, target, second_target, limit_target, against, counts, cores }
    }

    /// The same, with a second peer to be compared with.
    #[must_use]
    pub const fn with_second(self, target: f64) -> Self {
        Self { second_target: Some(target), ..self }
    }

    /// The same, with a part of the physical limit to reach.
    #[must_use]
    pub const fn with_limit(self, part: f64) -> Self {
        Self { limit_target: Some(part), ..self }
    }

    /// The same, held against something else.
    #[must_use]
    pub const fn against(self, against: Against) -> Self {
        Self { against, ..self }
    }

    /// The same, where one bad round is one too many.
    #[must_use]
    pub const fn in_every_round(self) -> Self {
        Self { counts: Counts::Worst, ..self }
    }

    /// The same, of programs that are held to so many processors.
    #[must_use]
    pub const fn on(self, cores: usize) -> Self {
        Self { cores: Some(cores), ..self }
    }

    /// Whether the measured ones share their processors with the load, where they are held to any of `processors`.
    pub fn shared(&self, processors: usize) -> Option<bool> {
        self.cores.map(|cores| cores >= processors)
    }

    /// The name of what it is held against, where that is not the peer.
    pub const fn rival(&self) -> Option<&'static str> {
        match self.against {
            Against::Peer => None,
            Against::Other(name) | Against::Bound(name, _) => Some(name),
        }
    }
}

impl Figure {
    /// A figure without numbers.
    pub const fn new(spec: Spec) -> Self {
        Self { spec, numbers: Vec::new() }
    }

    /// Adds what one round found.
    pub fn add(&mut self, side: Side, number: f64) {
        self.numbers.push((side, number));
    }

    /// What all rounds found of one side.
    fn of(&self, side: Side) -> Vec<f64> {
        self.numbers.iter().filter(|(whose, _)| *whose == side).map(|(_, number)| *number).collect()
    }

    /// The number of ours that counts; no number when nothing was measured.
    pub fn ours(&self) -> f64 {
        let worst = match self.spec.better {
            Better::More => f64::min,
            Better::Less => f64::max,
        };
        match self.spec.counts {
            Counts::Middle => median(&self.of(Side::Ours)),
            Counts::Worst => self.of(Side::Ours).into_iter().fold(f64::NAN, worst),
        }
    }

    /// How far the rounds lie apart: half of the range of ours or of the peer's, whichever is larger, as a part of its
    /// median. None where a single round tells nothing of it.
    pub fn noise(&self) -> Option<f64> {
        let noise = |side| {
            let numbers = self.of(side);
            let range = |pick: fn(f64, f64) -> f64| numbers.iter().copied().fold(f64::NAN, pick);
            (numbers.len() > 1).then(|| (range(f64::max) - range(f64::min)) / 2.0 / median(&numbers))
        };
        [Side::Ours, Side::Theirs].into_iter().filter_map(noise).reduce(f64::max)
    }

    /// Ours against the peer, or against what the measurement names instead.
    pub fn against_rival(&self) -> Comparison {
        let theirs = match self.spec.against {
            Against::Peer | Against::Other(_) => median(&self.of(Side::Theirs)),
            Against::Bound(_, bound) => bound,
        };
        self.compare(theirs, Some(self.spec.target))
    }

    /// Ours against one of the others, where that was measured.
    pub fn against(&self, side: Side) -> Option<Comparison> {
        let target = match side {
            Side::Ours => return None,
            Side::Theirs => return Some(self.against_rival()),
            Side::Second => self.spec.second_target,
            Side::Limit => self.spec.limit_target,
        };
        let theirs = self.of(side);
        (!theirs.is_empty()).then(|| self.compare(median(&theirs), target))
    }

    /// Whether all its targets are met.
    pub fn ok(&self) -> bool {
        let sides = [Side::Theirs, Side::Second, Side::Limit];
        sides.into_iter().filter_map(|side| self.against(side)).all(Comparison::ok)
    }

    /// Its lines for machines, one per target, from one with so many processors.
    ///
    /// # Panics
    /// Never: strings, numbers and booleans always are JSON.
    pub fn lines(&self, suite: &str, others: &[Other], processors: usize) -> Vec<String> {
        let limit_ratio = self.against(Side::Limit).map(|comparison| significant(comparison.ratio));
        let line = |peer: &str, comparison: Comparison| {
            let line = Line {
                suite,
                name: self.spec.name,
                unit: self.spec.unit,
                peer,
                ours: significant(self.ours()),
                theirs: significant(comparison.theirs),
                ratio: significant(comparison.ratio),
                limit_ratio,
                target: significant(comparison.target?),
                ok: comparison.ok(),
                shared: self.spec.shared(processors),
            };
            Some(serde_json::to_string(&line).expect("plain strings and numbers are JSON"))
        };
        let one = |(side, name): &Other| {
            let rival = self.spec.rival().filter(|_| *side == Side::Theirs);
            line(rival.unwrap_or(name), self.against(*side)?)
        };
        others.iter().filter_map(one).collect()
    }

    fn compare(&self, theirs: f64, target: Option<f64>) -> Comparison {
        let ours = self.ours();
        let ratio = match self.spec.better {
            Better::More => ours / theirs,
            Better::Less => theirs / ours,
        };
        Comparison { theirs, ratio, target }
    }
}

impl Comparison {
    /// Whether the target is met. A ratio that is no number meets none.
    pub fn ok(self) -> bool {
        self.target.is_none_or(|target| self.ratio >= target)
    }
}

/// The middle number, or the mean of the two in the middle; no number if there is none.
pub fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.get(sorted.len().wrapping_sub(1) / 2), sorted.get(sorted.len() / 2)) {
        (Some(low), Some(high)) => f64::midpoint(*low, *high),
        _ => f64::NAN,
    }
}

/// A number without the digits that mean nothing.
fn significant(number: f64) -> f64 {
    if number == 0.0 || !number.is_finite() {
        return number;
    }
    #[expect(clippy::cast_possible_truncation, reason = "an f64 has a magnitude of at most 308 digits")]
    let magnitude = number.abs().log10().floor() as i32 + 1;
    let scale = 10_f64.powi(DIGITS - magnitude);
    (number * scale).round() / scale
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these numbers are exact")]
mod tests {
    use super::*;

    const SPEC: Spec =
        Spec::new("tcp_up", "TCP to the server", "Gbit/s", Better::More, 10.0).with_limit(0.65);

    const OTHERS: &[Other] = &[(Side::Theirs, "tayga"), (Side::Limit, "kernel")];

    fn figure(spec: Spec, ours: &[f64], theirs: &[f64], limit: &[f64]) -> Figure {
        let mut figure = Figure::new(spec);
        for (side, numbers) in [(Side::Ours, ours), (Side::Theirs, theirs), (Side::Limit, limit)] {
            for number in numbers {
                figure.add(side, *number);
            }
        }
        figure
    }

    #[test]
    fn median_is_the_middle_of_any_order() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(&[7.0]), 7.0);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn ratio_says_how_many_times_better_ours_is() {
        let more = figure(SPEC, &[20.0], &[2.0], &[]);
        assert_eq!(more.against_rival().ratio, 10.0);
        let less = figure(Spec { better: Better::Less, ..SPEC }, &[2.0], &[20.0], &[1.0]);
        assert_eq!(less.against_rival().ratio, 10.0);
        assert_eq!(less.against(Side::Limit).unwrap().ratio, 0.5);
    }

    #[test]
    fn both_targets_have_to_be_met() {
        assert!(figure(SPEC, &[7.0], &[0.7], &[10.0]).ok());
        assert!(!figure(SPEC, &[7.0], &[0.8], &[10.0]).ok(), "too near the peer");
        assert!(!figure(SPEC, &[7.0], &[0.7], &[11.0]).ok(), "too far from the limit");
        assert!(!figure(SPEC, &[], &[0.7], &[]).ok(), "nothing was measured");
    }

    #[test]
    fn each_target_has_one_line_with_the_fixed_keys() {
        let lines = figure(SPEC, &[7.0], &[0.7], &[14.0]).lines("nat64", OTHERS, 2);
        assert_eq!(
            lines,
            [
                r#"{"suite":"nat64","name":"tcp_up","unit":"Gbit/s","peer":"tayga","ours":7.0,"theirs":0.7,"ratio":10.0,"limit_ratio":0.5,"target":10.0,"ok":true,"shared":null}"#,
                r#"{"suite":"nat64","name":"tcp_up","unit":"Gbit/s","peer":"kernel","ours":7.0,"theirs":14.0,"ratio":0.5,"limit_ratio":0.5,"target":0.65,"ok":false,"shared":null}"#,
            ]
        );
    }

    #[test]
    fn figure_without_limit_says_null() {
        let lines = figure(SPEC, &[7.0], &[0.7], &[]).lines("nat64", OTHERS, 2);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].contains(r#""limit_ratio":null"#), "{}", lines[0]);
    }

    #[test]
    fn fixed_bound_needs_no_other_side_and_gives_its_name() {
        let spec = Spec { better: Better::Less, target: 1.0, limit_target: None, ..SPEC };
        let memory = figure(spec.against(Against::Bound("bound", 32.0)), &[16.0], &[], &[]);
        assert_eq!(memory.against_rival(), Comparison { theirs: 32.0, ratio: 2.0, target: Some(1.0) });
        let lines = memory.lines("nat64", OTHERS, 2);
        assert!(lines[0].contains(r#""peer":"bound","ours":16.0,"theirs":32.0,"ratio":2.0"#), "{}", lines[0]);
    }

    #[test]
    fn one_bad_round_counts_where_none_may_be() {
        for (better, rounds, worst) in
            [(Better::More, [1.0, 0.5, 1.0], 0.5), (Better::Less, [2.0, 2.0, 3.0], 3.0)]
        {
            let spec = Spec { better, ..SPEC };
            assert_eq!(figure(spec, &rounds, &[], &[]).ours(), median(&rounds));
            assert_eq!(figure(spec.in_every_round(), &rounds, &[], &[]).ours(), worst);
        }
        assert!(figure(SPEC.in_every_round(), &[], &[], &[]).ours().is_nan());
    }

    #[test]
    fn second_peer_has_a_target_and_a_line_of_its_own() {
        let others = [(Side::Theirs, "unbound"), (Side::Second, "bind")];
        let mut figure =
            figure(Spec { limit_target: None, target: 3.0, ..SPEC }.with_second(1.0), &[6.0], &[2.0], &[]);
        assert_eq!(figure.lines("dns64", &others, 2).len(), 1, "the second was not measured");
        figure.add(Side::Second, 4.0);
        assert!(figure.ok());
        let line = &figure.lines("dns64", &others, 2)[1];
        assert!(line.contains(r#""peer":"bind","ours":6.0,"theirs":4.0,"ratio":1.5"#), "{line}");
        figure.add(Side::Second, 10.0);
        assert!(!figure.ok(), "the second is ahead");
    }

    #[test]
    fn line_tells_whether_processors_are_shared_with_the_load() {
        let shared = |cores| figure(SPEC.on(cores), &[7.0], &[0.7], &[]).lines("dns64", OTHERS, 2).remove(0);
        assert!(shared(1).ends_with(r#""shared":false}"#), "{}", shared(1));
        assert!(shared(2).ends_with(r#""shared":true}"#), "{}", shared(2));
    }

    #[test]
    fn noise_is_that_of_the_less_steady_side() {
        let unsteady = figure(SPEC, &[9.0, 10.0, 11.0], &[1.0, 2.0, 3.0], &[]);
        assert_eq!(unsteady.noise(), Some(0.5));
        assert_eq!(figure(SPEC, &[9.0], &[1.0], &[]).noise(), None);
    }

    #[test]
    fn printed_numbers_have_four_digits() {
        assert_eq!(significant(123_456.0), 123_500.0);
        assert_eq!(significant(0.001_234_56), 0.001_235);
        assert_eq!(significant(-9.999_96), -10.0);
        assert_eq!(significant(0.0), 0.0);
    }
}
