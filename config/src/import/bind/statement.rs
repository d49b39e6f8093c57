//! The statements of a named.conf as a tree, files that it includes in their places.

use super::super::draft::Spot;
use super::lexer::{Token, TokenKind, tokens};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// How deep blocks and included files may nest; people write five.
const MAX_DEPTH: usize = 32;

/// Statements of all files together. A router's file has some dozens, a block list some ten thousand.
const MAX_STATEMENTS: usize = 200_000;

/// What stands before a semicolon.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub(super) spot: Spot,
    pub(super) parts: Vec<Part>,
}

/// A part of a statement.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Word(String),
    Not,
    Block(Vec<Statement>),
}

/// Reads an included file.
pub(super) type Read<'a> = &'a mut dyn FnMut(&Path) -> Result<String, String>;

impl Statement {
    /// The first word; empty where there is none.
    pub(super) fn name(&self) -> &str {
        self.word(0).unwrap_or_default()
    }

    /// The part at `index`, if it is a word.
    pub(super) fn word(&self, index: usize) -> Option<&str> {
        match self.parts.get(index)? {
            Part::Word(word) => Some(word),
            Part::Not | Part::Block(_) => None,
        }
    }

    /// The words before the first block.
    pub(super) fn words(&self) -> Vec<&str> {
        (0..).map_while(|index| self.word(index)).collect()
    }

    /// The first block.
    pub(super) fn block(&self) -> Option<&[Self]> {
        self.parts.iter().find_map(|part| match part {
            Part::Block(block) => Some(block.as_slice()),
            Part::Word(_) | Part::Not => None,
        })
    }

    /// The first block, which must be there.
    pub(super) fn need_block(&self) -> Result<&[Self], String> {
        self.block().ok_or_else(|| self.spot.says(format_args!("missing '{{' after '{}'", self.name())))
    }

    /// The one value behind the name.
    pub(super) fn value(&self) -> Result<&str, String> {
        self.word(1).ok_or_else(|| self.spot.says(format_args!("'{}' needs a value", self.name())))
    }
}

/// The statements of the file called `file`. Whatever cannot be read ends the file, as it does in named.
pub(super) fn statements(text: &str, file: &str, read: Read<'_>) -> Result<Vec<Statement>, String> {
    let mut parser = Parser { read, count: 0 };
    parser.file(text, file, 0)
}

struct Parser<'a> {
    read: Read<'a>,
    count: usize,
}

/// The tokens of one file, and how far they are read.
struct Cursor {
    file: Rc<str>,
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
    last: usize,
}

impl Parser<'_> {
    fn file(&mut self, text: &str, file: &str, depth: usize) -> Result<Vec<Statement>, String> {
        let file: Rc<str> = file.into();
        let tokens = tokens(text)
            .map_err(|(line, message)| Spot { file: Rc::clone(&file), line }.says(message))?
            .into_iter()
            .peekable();
        let mut cursor = Cursor { file, tokens, last: 1 };
        let list = self.list(&mut cursor, depth)?;
        match cursor.tokens.next() {
            None => Ok(list),
            Some(token) => Err(cursor.spot(token.line).says("unexpected '}': no block is open here")),
        }
    }

    /// Statements up to a closing brace or the end.
    fn list(&mut self, cursor: &mut Cursor, depth: usize) -> Result<Vec<Statement>, String> {
        let mut list = Vec::new();
        while let Some(token) = cursor.tokens.peek() {
            let (line, is_end) = (token.line, token.kind == TokenKind::End);
            if token.kind == TokenKind::Close {
                break;
            }
            if is_end {
                return Err(cursor.spot(line).says("unexpected ';'"));
            }
            let spot = cursor.spot(line);
            if depth > MAX_DEPTH || self.count == MAX_STATEMENTS {
                return Err(spot.says("too many statements, or too deep; does a file include itself?"));
            }
            self.count += 1;
            let statement = self.statement(cursor, spot, depth)?;
            match include(&statement)? {
                Some(path) => {
                    let text = (self.read)(&path)
                        .map_err(|error| statement.spot.says(format_args!("{}: {error}", path.display())))?;
                    list.extend(self.file(&text, &path.display().to_string(), depth + 1)?);
                }
                None => list.push(statement),
            }
        }
        Ok(list)
    }

    fn statement(&mut self, cursor: &mut Cursor, spot: Spot, depth: usize) -> Result<Statement, String> {
        let mut parts = Vec::new();
        loop {
            let last = cursor.last;
            let Some(token) = cursor.tokens.next() else {
                return Err(cursor.spot(last).says("missing ';' before end of file"));
            };
            cursor.last = token.line;
            match token.kind {
                TokenKind::Word(word) => parts.push(Part::Word(word)),
                TokenKind::Not => parts.push(Part::Not),
                TokenKind::End => return Ok(Statement { spot, parts }),
                TokenKind::Close => return Err(cursor.spot(token.line).says("missing ';' before '}'")),
                TokenKind::Open => {
                    parts.push(Part::Block(self.list(cursor, depth + 1)?));
                    match cursor.tokens.next() {
                        Some(close) => cursor.last = close.line,
                        None => return Err(cursor.spot(token.line).says("this '{' has no '}'")),
                    }
                }
            }
        }
    }
}

impl Cursor {
    fn spot(&self, line: usize) -> Spot {
        Spot { file: Rc::clone(&self.file), line }
    }
}

fn include(statement: &Statement) -> Result<Option<PathBuf>, String> {
    if statement.name() != "include" {
        return Ok(None);
    }
    statement.value().map(|path| Some(PathBuf::from(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<Statement>, String> {
        statements(text, "named.conf", &mut |path| match path.to_str() {
            Some("/etc/bind/acl") => Ok("acl a { any; };".to_owned()),
            Some("loop") => Ok("include \"loop\";".to_owned()),
            _ => Err("no such file".to_owned()),
        })
    }

    #[test]
    fn blocks_words_and_includes_are_in_their_places() {
        let list = parse("include \"/etc/bind/acl\";\noptions { a b; c { !d; } e; };").unwrap();
        assert_eq!((list[0].name(), list[0].spot.says("x")), ("acl", "/etc/bind/acl:1: x".to_owned()));
        let block = list[1].need_block().unwrap();
        assert_eq!((block[0].words(), block[1].spot.line), (vec!["a", "b"], 2));
        assert!(matches!(block[1].parts[..], [Part::Word(_), Part::Block(_), Part::Word(_)]));
    }

    #[test]
    fn errors_are_those_of_named_checkconf() {
        let check = |text: &str, expect: &str| assert_eq!(parse(text).unwrap_err(), expect);
        check("options { a }", "named.conf:1: missing ';' before '}'");
        check("options {};\na", "named.conf:2: missing ';' before end of file");
        check("options {", "named.conf:1: this '{' has no '}'");
        check("};", "named.conf:1: unexpected '}': no block is open here");
        check(";", "named.conf:1: unexpected ';'");
        check("\ninclude \"x\";", "named.conf:2: x: no such file");
        assert!(parse("include \"loop\";").unwrap_err().contains("does a file include itself?"));
        assert!(parse(&"{".repeat(10_000)).unwrap_err().contains("too deep"));
    }
}
