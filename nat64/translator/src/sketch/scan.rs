//! Words of a text, each with its place.

use super::SketchError;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Reads a text word by word. An arrow is a word even where no space parts it from its neighbours.
#[derive(Debug)]
pub(super) struct Scanner<'t> {
    words: Vec<Word<'t>>,
    at: usize,
    end: Word<'t>,
    /// The word read last.
    pub(super) last: Word<'t>,
}

/// A word and its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word<'t> {
    pub(super) text: &'t str,
    line: &'t str,
    line_number: usize,
    /// Characters of the line before the word.
    before: usize,
    /// How many characters are meant.
    pub(super) width: usize,
    /// Whether it is the first of its line.
    pub(super) is_first: bool,
}

impl<'t> Scanner<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let mut words = Vec::new();
        let mut end = Word { text: "", line: "", line_number: 1, before: 0, width: 1, is_first: true };
        for (index, line) in text.lines().enumerate() {
            let place = Word { line, line_number: index + 1, ..end };
            words_of(place, &mut words);
            end = Word { before: line.trim_end().chars().count(), ..place };
        }
        Self { words, at: 0, end, last: end }
    }

    /// The place behind everything.
    pub(super) const fn end(&self) -> Word<'t> {
        self.end
    }

    pub(super) fn peek(&self) -> Option<Word<'t>> {
        self.words.get(self.at).copied()
    }

    pub(super) fn next_word(&mut self) -> Option<Word<'t>> {
        let word = self.peek()?;
        self.at += 1;
        self.last = word;
        Some(word)
    }

    /// The next word, which must be there.
    pub(super) fn need(&mut self, what: &str, help: &'static str) -> Result<Word<'t>, SketchError> {
        self.next_word().ok_or_else(|| self.end.refuse(format!("{what} is missing"), help))
    }

    /// The number behind an option, decimal or with 0x.
    pub(super) fn number<N>(&mut self, option: Word<'_>, range: RangeInclusive<N>) -> Result<N, SketchError>
    where
        N: FromStr + TryFrom<u64> + PartialOrd + Display,
    {
        let word = self.need(
            &format!("the number behind {:?}", option.text),
            "give a number, or leave the option out",
        )?;
        let number = match word.text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok().and_then(|number| N::try_from(number).ok()),
            None => word.text.parse().ok(),
        };
        number.filter(|number| range.contains(number)).ok_or_else(|| {
            let problem = format!("{:?} is no number from {} to {}", word.text, range.start(), range.end());
            word.refuse(problem, "give a number in decimal, or with 0x in hexadecimal")
        })
    }
}

impl Word<'_> {
    /// `width` characters of the word, `skip` behind its beginning.
    pub(super) const fn part(self, skip: usize, width: usize) -> Self {
        Self { before: self.before + skip, width, ..self }
    }

    /// The error at this place.
    pub(super) fn refuse(self, problem: impl Into<String>, help: &'static str) -> SketchError {
        SketchError {
            line: self.line.to_owned(),
            line_number: self.line_number,
            column: self.before + 1,
            width: self.width.max(1),
            problem: problem.into(),
            help,
        }
    }
}

fn words_of<'t>(place: Word<'t>, words: &mut Vec<Word<'t>>) {
    let mut is_first = true;
    let mut push = |from: usize, to: usize| {
        if from < to {
            let text = &place.line[from..to];
            let before = place.line[..from].chars().count();
            words.push(Word { text, before, width: text.chars().count(), is_first, ..place });
            is_first = false;
        }
    };
    let mut from = 0;
    let mut at = 0;
    while let Some(character) = place.line[at..].chars().next() {
        let next = at + character.len_utf8();
        if character.is_whitespace() {
            push(from, at);
            from = next;
        } else if place.line[at..].starts_with("->") {
            push(from, at);
            push(at, at + 2);
            from = at + 2;
            at = from;
            continue;
        }
        at = next;
    }
    push(from, at);
}
