//! The words of a named.conf: what stands between blanks, braces, semicolons and exclamation marks.
//!
//! Comments are C's, C++'s and the shell's, and begin where a word could. Strings have no escapes but `\"` and `\\`.

/// A word or a mark, with its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) line: usize,
    pub(super) kind: TokenKind,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A word, quoted or not.
    Word(String),
    /// `{`
    Open,
    /// `}`
    Close,
    /// `;`
    End,
    /// `!`
    Not,
}

/// What cannot be read, with its line.
pub(super) type Bad = (usize, String);

/// The tokens of `text`.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Bad> {
    let mut lexer = Lexer { rest: text, line: 1 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blank()?;
        let line = lexer.line;
        let Some(first) = lexer.rest.chars().next() else { return Ok(tokens) };
        let mark = match first {
            '{' => Some(TokenKind::Open),
            '}' => Some(TokenKind::Close),
            ';' => Some(TokenKind::End),
            '!' => Some(TokenKind::Not),
            _ => None,
        };
        let kind = match mark {
            Some(mark) => {
                lexer.advance(1);
                mark
            }
            None if first == '"' => TokenKind::Word(lexer.quoted()?),
            None => TokenKind::Word(lexer.word()),
        };
        tokens.push(Token { line, kind });
    }
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Lexer<'a> {
    /// Takes `length` octets.
    fn advance(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    fn skip_blank(&mut self) -> Result<(), Bad> {
        loop {
            let blank = self.rest.len() - self.rest.trim_start().len();
            self.advance(blank);
            if self.rest.starts_with('#') || self.rest.starts_with("//") {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.advance(end);
            } else if self.rest.starts_with("/*") {
                let end = self
                    .rest
                    .find("*/")
                    .ok_or_else(|| (self.line, "a comment that begins here has no end".into()))?;
                self.advance(end + 2);
            } else {
                return Ok(());
            }
        }
    }

    fn word(&mut self) -> String {
        let ends = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | ';' | '!' | '"');
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        self.advance(end).to_owned()
    }

    fn quoted(&mut self) -> Result<String, Bad> {
        let line = self.line;
        self.advance(1);
        let mut word = String::new();
        loop {
            let open = || (line, "a string that begins here has no end".to_owned());
            let end = self.rest.find(['"', '\\', '\n']).ok_or_else(open)?;
            word.push_str(self.advance(end));
            match self.rest.as_bytes().first() {
                Some(b'"') => {
                    self.advance(1);
                    return Ok(word);
                }
                Some(b'\\') => {
                    self.advance(1);
                    let escaped = self.rest.chars().next().ok_or_else(open)?;
                    self.advance(escaped.len_utf8());
                    word.push(escaped);
                }
                _ => return Err(open()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(usize, String)> {
        let shown = |token: Token| match token.kind {
            TokenKind::Word(word) => (token.line, word),
            mark => (token.line, format!("{mark:?}")),
        };
        tokens(text).unwrap().into_iter().map(shown).collect()
    }

    #[test]
    fn comments_of_three_kinds_are_skipped_and_lines_counted() {
        let text = "a /* b\n c */ d; // e\n# f\n \"g # h\" !10/8;";
        let expect = [(1, "a"), (2, "d"), (2, "End"), (4, "g # h"), (4, "Not"), (4, "10/8"), (4, "End")];
        assert_eq!(words(text), expect.map(|(line, word)| (line, word.to_owned())));
    }

    #[test]
    fn a_slash_within_a_word_is_no_comment() {
        assert_eq!(words("64:ff9b::/96{"), [(1, "64:ff9b::/96".to_owned()), (1, "Open".to_owned())]);
    }

    #[test]
    fn what_has_no_end_is_named_with_its_line() {
        assert_eq!(tokens("a\n/* b"), Err((2, "a comment that begins here has no end".to_owned())));
        for text in ["a\n\"b", "a\n\"b\nc\"", "a\n\"b\\"] {
            assert_eq!(tokens(text), Err((2, "a string that begins here has no end".to_owned())), "{text:?}");
        }
        assert_eq!(words(r#""a\"b""#), [(1, "a\"b".to_owned())]);
    }
}
