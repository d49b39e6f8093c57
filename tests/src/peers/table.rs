//! The figures as a table for people.

use super::Report;
use super::figure::{Comparison, Figure, Other, Side};
use crate::report::{BOLD, DIM, GREEN, Paint, RED};
use std::fmt::Write as _;

/// Columns for the words of a measurement.
const WORDS: usize = 34;

/// Columns for a unit.
const UNIT: usize = 10;

/// Head, rows and verdict.
///
/// # Panics
/// Never: a String takes all that is written.
pub fn table(report: &Report, paint: Paint) -> String {
    let Report { ours, others, rounds, figures, note, .. } = report;
    let measured = |(side, _): &&Other| figures.iter().any(|figure| figure.against(*side).is_some());
    let others: Vec<Other> = others.iter().filter(measured).copied().collect();
    let names = |wanted: fn(&Other) -> bool| -> Vec<&str> {
        others.iter().filter(|other| wanted(other)).map(|(_, name)| *name).collect()
    };
    let mut text = String::new();
    let mut line = |line: &str| writeln!(text, "{}", line.trim_end()).expect("a String takes all");
    let times = if *rounds == 1 { "1 round".to_owned() } else { format!("{rounds} rounds, medians") };
    let peers = names(|(side, _)| *side != Side::Limit).join(" and ");
    line(&format!("\n  {ours} beside {peers}: {times}\n"));
    let padded = |pad: fn(&&str) -> String| names(|_| true).iter().map(pad).collect::<Vec<_>>();
    let columns = padded(|name| format!("{name:>9}")).join(" ");
    let against = padded(|name| format!("{:<14}", format!("against {name}"))).join("  ");
    let head = format!("    {:WORDS$} {:>9} {columns} {:<UNIT$} {:>6}  {against}", "", "ours", "", "noise");
    line(&paint.on(DIM, head.trim_end()));
    for figure in figures {
        line(&row(figure, &others, paint));
    }
    line("");
    for words in note.iter().flat_map(|note| note.lines()) {
        line(&paint.on(DIM, &format!("  {words}")));
    }
    let failed = figures.iter().filter(|figure| !figure.ok()).count();
    line(&if failed == 0 {
        paint.on(GREEN, &format!("  All {} meet their targets.", figures.len()))
    } else {
        paint.on(RED, &format!("  {failed} of {} miss a target.", figures.len()))
    });
    text
}

fn row(figure: &Figure, others: &[Other], paint: Paint) -> String {
    let mark = if figure.ok() { paint.on(GREEN, "✓") } else { paint.on(RED, "✗") };
    let words = format!("{:WORDS$}", figure.spec.says);
    let ours = paint.on(BOLD, &format!("{:>9}", short(figure.ours())));
    let compared: Vec<_> = others.iter().map(|(side, _)| figure.against(*side)).collect();
    let theirs =
        |other: &Option<Comparison>| other.map_or_else(|| "-".to_owned(), |other| short(other.theirs));
    let columns: Vec<_> = compared.iter().map(|other| format!("{:>9}", theirs(other))).collect();
    let columns = columns.join(" ");
    let mut ratios: Vec<String> = compared.iter().flatten().map(|other| against(*other, paint)).collect();
    // What is not held against the peer says so itself, since the head of its column does not.
    if let Some(rival) = figure.spec.rival() {
        ratios.push(paint.on(DIM, &format!("against {rival}")));
    }
    let noise = figure.noise().map_or_else(String::new, |noise| format!("± {:.0} %", noise * 100.0));
    format!("  {mark} {words} {ours} {columns} {:<UNIT$} {noise:>6}  {}", figure.spec.unit, ratios.join("  "))
}

/// The ratio, and what it has to be.
fn against(comparison: Comparison, paint: Paint) -> String {
    let target = comparison
        .target
        .filter(|target| *target > 0.0)
        .map_or_else(String::new, |target| format!(" (≥ {})", short(target)));
    let text = format!("{:<14}", format!("× {}{target}", short(comparison.ratio)));
    if comparison.ok() { text } else { paint.on(RED, &text) }
}

/// Three digits, or all in front of the point.
fn short(number: f64) -> String {
    let decimals = match number.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    format!("{number:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::super::figure::{Against, Better, Side, Spec};
    use super::*;

    fn report() -> Report {
        let spec = Spec::new("tcp_up", "TCP to the server", "Gbit/s", Better::More, 10.0).with_limit(0.65);
        let mut first = Figure::new(spec);
        let mut second = Figure::new(Spec { says: "CPU time", better: Better::Less, ..spec });
        for (side, number) in [(Side::Ours, 7.0), (Side::Theirs, 0.5), (Side::Limit, 10.0)] {
            first.add(side, number);
            if side != Side::Limit {
                second.add(side, number);
            }
        }
        let third = Spec { says: "in order", target: 1.0, ..spec }.against(Against::Bound("bound", 1.0));
        let mut third = Figure::new(third);
        third.add(Side::Ours, 1.0);
        Report {
            suite: "nat64",
            ours: "causeway-nat64",
            others: &[(Side::Theirs, "tayga"), (Side::Limit, "kernel")],
            rounds: 3,
            processors: 2,
            note: Some("All share\nboth.".to_owned()),
            figures: vec![first, second, third],
        }
    }

    #[test]
    fn table_says_what_was_measured_and_what_was_asked() {
        let text = table(&report(), Paint::Plain);
        let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(lines[0], "  causeway-nat64 beside tayga: 3 rounds, medians");
        for word in
            ["✓ TCP to the server", " 7.00 ", " 0.50 ", "10.0 Gbit/s", "× 14.0 (≥ 10.0)", "× 0.70 (≥ 0.65)"]
        {
            assert!(lines[2].contains(word), "{word}: {}", lines[2]);
        }
        assert!(lines[3].contains("✗ CPU time") && lines[3].contains("× 0.07 (≥ 10.0)"), "{}", lines[3]);
        assert!(lines[4].ends_with("against bound"), "{}", lines[4]);
        assert_eq!(lines[5..], ["  All share", "  both.", "  1 of 3 miss a target."]);
    }

    #[test]
    fn columns_stand_in_line() {
        let text = table(&report(), Paint::Plain);
        let column = |word: &str| {
            let line = text.lines().find(|line| line.contains(word)).unwrap();
            line.chars().position(|c| c == '×')
        };
        assert_eq!(column("TCP to the server"), column("CPU time"));
    }

    #[test]
    fn numbers_are_short() {
        for (number, expected) in [(0.651, "0.65"), (9.996, "10.0"), (76_827.4, "76827"), (99.96, "100")] {
            assert_eq!(short(number), expected);
        }
    }
}
