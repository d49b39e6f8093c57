//! Lines and words, cut as Tayga cuts them.

/// Tayga reads into a buffer of 512 bytes, of which the last is a zero.
const BUFFER: usize = 511;

/// The name of a directive and its arguments.
const MOST_WORDS: usize = 10;

/// One line, or the part of a longer one that fits the buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Counted as Tayga counts: what is left of a line that is too long is a line of its own.
    pub(super) number: usize,
    /// Its words; none on an empty line and on a comment.
    pub(super) words: Result<Vec<String>, BadLine>,
}

/// A line that has no words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadLine {
    TooLong,
    TooManyWords,
}

impl BadLine {
    /// Tayga's words for it.
    pub(super) fn message(self, line: usize, file: &str) -> String {
        match self {
            Self::TooLong => format!("Line {line} of {file} is too long"),
            Self::TooManyWords => format!("Line {line} of {file} has too many tokens, aborting"),
        }
    }
}

/// The lines of a file.
pub(super) fn lines(mut text: &[u8]) -> Vec<Line> {
    let mut lines = Vec::new();
    while !text.is_empty() {
        let newline = text.iter().take(BUFFER).position(|byte| *byte == b'\n');
        let (line, rest) = text.split_at(newline.map_or(text.len().min(BUFFER), |at| at + 1));
        // Where C sees the end of a string.
        let line = line.split(|byte| *byte == 0).next().unwrap_or_default();
        let words = if line.len() == BUFFER { Err(BadLine::TooLong) } else { words(line) };
        lines.push(Line { number: lines.len() + 1, words });
        text = rest;
    }
    lines
}

fn words(line: &[u8]) -> Result<Vec<String>, BadLine> {
    let words: Vec<String> = line
        .split(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
        .filter(|word| !word.is_empty())
        .take_while(|word| !word.starts_with(b"#"))
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    if words.len() > MOST_WORDS { Err(BadLine::TooManyWords) } else { Ok(words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &[&[&str]]) {
        let lines: Vec<_> = lines(text.as_bytes()).into_iter().map(|line| line.words).collect();
        let expect: Vec<_> =
            expect.iter().map(|words| Ok(words.iter().map(|word| (*word).to_owned()).collect())).collect();
        assert_eq!(lines, expect, "{text:?}");
    }

    #[test]
    fn words_stand_between_blanks_and_before_a_comment() {
        check("", &[]);
        check("a b\tc\r\n\n  d", &[&["a", "b", "c"], &[], &["d"]]);
        check("a # b\n#c\na #b c", &[&["a"], &[], &["a"]]);
        check("a b#c", &[&["a", "b#c"]]);
        check("a b\0c d\ne", &[&["a", "b"], &["e"]]);
        check("1 2 3 4 5 6 7 8 9 10", &[&["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]]);
    }

    #[test]
    fn what_is_left_of_a_long_line_is_a_line() {
        let long = format!("{}tail\nnext\n", "x".repeat(BUFFER));
        let lines: Vec<_> =
            lines(long.as_bytes()).into_iter().map(|line| (line.number, line.words)).collect();
        let word = |word: &str| Ok(vec![word.to_owned()]);
        assert_eq!(lines, [(1, Err(BadLine::TooLong)), (2, word("tail")), (3, word("next"))]);
    }

    #[test]
    fn a_line_that_fills_the_buffer_is_too_long() {
        let line = |length: usize| lines(format!("{}\n", "x".repeat(length)).as_bytes()).swap_remove(0).words;
        assert_eq!(line(BUFFER - 1), Err(BadLine::TooLong));
        assert_eq!(line(BUFFER - 2), Ok(vec!["x".repeat(BUFFER - 2)]));
    }

    #[test]
    fn more_than_ten_words_are_too_many() {
        let lines = lines(b"1 2 3 4 5 6 7 8 9 10 11\n");
        assert_eq!(lines[0].words, Err(BadLine::TooManyWords));
        assert_eq!(
            BadLine::TooManyWords.message(1, "tayga.conf"),
            "Line 1 of tayga.conf has too many tokens, aborting"
        );
    }
}
