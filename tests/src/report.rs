//! The results: a table for people, one object for machines.

use crate::check::Check;
use anyhow::Result;
use serde::Serialize;
use std::fmt::Write as _;
use std::time::Duration;

/// The result of one check.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The part it is about.
    pub part: String,
    /// What the part does.
    pub does: String,
    /// Whether it did.
    pub ok: bool,
    /// What the client saw, or why it did not.
    pub detail: String,
    /// How long it took.
    pub took: Duration,
}

/// The object for machines; its keys are fixed.
#[derive(Serialize)]
struct Machine<'a> {
    ok: bool,
    checks: Vec<MachineCheck<'a>>,
}

#[derive(Serialize)]
struct MachineCheck<'a> {
    name: String,
    ok: bool,
    detail: &'a str,
}

/// How a table is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// For a terminal.
    Colours,
    /// For files and pipes.
    Plain,
}

pub(crate) const GREEN: &str = "32";
pub(crate) const RED: &str = "31";
pub(crate) const DIM: &str = "2";
pub(crate) const BOLD: &str = "1";

impl Outcome {
    /// The outcome of a check that ran.
    pub fn of(check: &Check, result: Result<String>, took: Duration) -> Self {
        let (ok, detail) = match result {
            Ok(detail) => (true, detail),
            Err(cause) => (false, format!("{cause:#}")),
        };
        Self { part: check.part.to_owned(), does: check.does.to_owned(), ok, detail, took }
    }

    /// The outcome of a lab that did not come to be.
    pub fn no_lab(cause: &anyhow::Error) -> Self {
        let (part, does) = ("lab".to_owned(), "starts".to_owned());
        Self { part, does, ok: false, detail: format!("{cause:#}"), took: Duration::ZERO }
    }
}

impl Paint {
    pub(crate) fn on(self, code: &str, text: &str) -> String {
        match self {
            Self::Colours => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::Plain => text.to_owned(),
        }
    }
}

/// The table's rows, without the head: what is done, whether, how long it took, what the client saw.
pub fn row(outcome: &Outcome, first_of_part: bool, paint: Paint) -> String {
    let mark = if outcome.ok { paint.on(GREEN, "✓") } else { paint.on(RED, "✗") };
    let part = if first_of_part { outcome.part.as_str() } else { "" };
    let part = paint.on(BOLD, &format!("{part:<8}"));
    let time = paint.on(DIM, &format!("{:>9}", milliseconds(outcome.took)));
    format!("  {mark} {part} {:<34} {time}   {}", outcome.does, outcome.detail)
}

/// The line below the table.
pub fn summary(outcomes: &[Outcome], took: Duration, paint: Paint) -> String {
    let failed = outcomes.iter().filter(|outcome| !outcome.ok).count();
    let seconds = took.as_secs_f64();
    if failed == 0 {
        return paint.on(GREEN, &format!("  All {} checks are green, in {seconds:.1} s.", outcomes.len()));
    }
    paint.on(RED, &format!("  {failed} of {} checks failed, in {seconds:.1} s.", outcomes.len()))
}

/// The object for machines.
///
/// # Panics
/// Never: strings and booleans always are JSON.
pub fn machine(outcomes: &[Outcome]) -> String {
    let checks = outcomes
        .iter()
        .map(|outcome| MachineCheck {
            name: format!("{} {}", outcome.part, outcome.does),
            ok: outcome.ok,
            detail: &outcome.detail,
        })
        .collect();
    let machine = Machine { ok: outcomes.iter().all(|outcome| outcome.ok), checks };
    serde_json::to_string_pretty(&machine).expect("plain strings and booleans are JSON")
}

/// All rows and the summary.
pub fn table(outcomes: &[Outcome], took: Duration, paint: Paint) -> String {
    let mut text = String::new();
    let mut part = "";
    for outcome in outcomes {
        writeln!(text, "{}", row(outcome, outcome.part != part, paint)).expect("a String takes all");
        part = &outcome.part;
    }
    writeln!(text, "\n{}", summary(outcomes, took, paint)).expect("a String takes all");
    text
}

fn milliseconds(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(part: &str, ok: bool) -> Outcome {
        let (does, detail) = ("does something".to_owned(), "a \"detail\"".to_owned());
        Outcome { part: part.to_owned(), does, ok, detail, took: Duration::from_micros(1500) }
    }

    #[test]
    fn object_has_the_fixed_keys_and_is_ok_only_if_all_are() {
        let text = machine(&[outcome("dns64", true), outcome("nat64", false)]);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["ok"], false);
        assert_eq!(
            value["checks"][0],
            serde_json::json!({"name": "dns64 does something", "ok": true, "detail": "a \"detail\""})
        );
        assert_eq!(value.as_object().unwrap().len(), 2);
    }

    #[test]
    fn columns_stand_in_line_and_a_part_is_named_once() {
        let rows =
            table(&[outcome("dns64", true), outcome("dns64", false)], Duration::from_secs(2), Paint::Plain);
        let lines: Vec<&str> = rows.lines().collect();
        let column = |line: &str| line.chars().position(|c| c == '"');
        assert_eq!(column(lines[0]), column(lines[1]));
        assert!(lines[0].contains("dns64") && !lines[1].contains("dns64"));
        assert!(lines[3].contains("1 of 2 checks failed"));
    }
}
