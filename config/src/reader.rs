//! From the parsed document to the model: tables and values that know their path and place, and say what is wrong
//! with themselves.
//!
//! Reading never stops at the first error. A reader that cannot give its value returns [`Reported`], which only
//! [`Problems::report`] makes: a missing value without a message does not compile. One file per section stands below.

mod address;
mod dns64;
mod nat64;
mod prefix;
mod proxy;
mod quantity;
mod shared;

pub(crate) use quantity::{duration_text, size_text};

use crate::keys;
use crate::model::Gateway;
use crate::source::{Text, join};
use crate::words::Word;
use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// One error before it has a line and a column.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) path: String,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    pub(crate) span: Range<usize>,
    /// Something is not in the file, as against something in the file being wrong.
    pub(crate) absence: bool,
}

/// All that was found wrong with a text.
#[derive(Debug)]
pub(crate) struct Problems {
    text: Text,
    list: RefCell<Vec<Problem>>,
}

/// Proof that an error was reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reported(());

/// A value, or the proof that its absence was explained.
pub(crate) type Read<T> = Result<T, Reported>;

impl Problems {
    pub(crate) fn new(text: Text) -> Self {
        Self { text, list: RefCell::default() }
    }

    fn report(&self, problem: Problem) -> Reported {
        self.list.borrow_mut().push(problem);
        Reported(())
    }

    pub(crate) fn into_inner(self) -> Vec<Problem> {
        self.list.into_inner()
    }
}

/// A key's path and place, kept beside its value for checks that compare several values.
#[derive(Clone, Debug)]
struct Spot<'a> {
    path: String,
    span: Range<usize>,
    problems: &'a Problems,
}

/// A value and where it stands.
#[derive(Clone, Debug)]
struct Placed<'a, T> {
    at: Spot<'a>,
    value: T,
}

/// A table of the file. Its unknown keys are refused when it is opened.
struct Table<'a> {
    at: Spot<'a>,
    entries: &'a DeTable<'a>,
    /// Known keys that an unknown one was most likely meant to be.
    slips: Vec<(&'static str, Reported)>,
}

/// The value of a key, or an element of an array.
struct Value<'a> {
    at: Spot<'a>,
    value: &'a DeValue<'a>,
}

/// Reads the whole document.
pub(crate) fn gateway(document: &DeTable<'_>, problems: &Problems) -> Read<Gateway> {
    let root = Table::open(Spot { path: String::new(), span: 0..0, problems }, document);
    let prefix = root.section("prefix", prefix::read).and_then(|prefix| prefix::required(&root, prefix));
    let pref64 = prefix.as_ref().ok().and_then(Option::as_ref).map(|prefix| prefix.pref64);
    let main = prefix.as_ref().ok().and_then(Option::as_ref);
    let nat64 = root.section("nat64", |table| nat64::read(table, main));
    let dns64 = root.section("dns64", |table| dns64::read(table, pref64));
    let proxy = root.section("proxy", proxy::read);
    let admin = root.section("admin", shared::admin);
    let log = root.section("log", shared::log);
    Ok(Gateway {
        prefix: prefix?,
        nat64: nat64?,
        dns64: dns64?,
        proxy: proxy?,
        admin: admin?.unwrap_or_default(),
        log: log?.unwrap_or_default(),
    })
}

impl<'a> Spot<'a> {
    fn report(&self, message: impl Into<String>, help: impl Into<String>, absence: bool) -> Reported {
        let help = help.into();
        self.problems.report(Problem {
            path: self.path.clone(),
            message: message.into(),
            help: Some(help).filter(|help| !help.is_empty()),
            span: self.span.clone(),
            absence,
        })
    }

    /// Says what is wrong with what stands here; `help` may be empty.
    fn refuse(&self, message: impl Into<String>, help: impl Into<String>) -> Reported {
        self.report(message, help, false)
    }

    /// Says what else the file lacks because of what stands here.
    fn lacks(&self, message: impl Into<String>, help: impl Into<String>) -> Reported {
        self.report(message, help, true)
    }

    /// The path and line, for a message about something else.
    fn place(&self) -> String {
        format!("{} (line {})", self.path, self.problems.text.position(self.span.start).line)
    }

    fn with<T>(&self, value: T) -> Placed<'a, T> {
        Placed { at: self.clone(), value }
    }
}

impl<'a> Table<'a> {
    fn open(at: Spot<'a>, entries: &'a DeTable<'a>) -> Self {
        let schema = keys::schema(&at.path);
        let mut slips = Vec::new();
        for (key, _) in entries {
            if let Some(unknown) = keys::unknown(&schema, key.get_ref()) {
                let path = join(&at.path, key.get_ref());
                let spot = Spot { path, span: key.span(), problems: at.problems };
                let reported = spot.refuse(unknown.message, unknown.help);
                slips.extend(unknown.near.map(|near| (near, reported)));
            }
        }
        Self { at, entries, slips }
    }

    /// The report of an unknown key that was most likely meant to be `key`, which is then not missing.
    fn slip(&self, key: &str) -> Option<Reported> {
        self.slips.iter().find(|(near, _)| *near == key).map(|(_, reported)| *reported)
    }

    /// The value of `key`, if it is given.
    fn value(&self, key: &str) -> Option<Value<'a>> {
        let value = self.entries.get(key)?;
        Some(Value::new(join(&self.at.path, key), value, self.at.problems))
    }

    /// Where `key` stands, or the table if it is not given.
    fn spot(&self, key: &str) -> Spot<'a> {
        self.value(key).map_or_else(|| self.at.clone(), |value| value.at)
    }

    /// The value of `key` by `read`, if it is given.
    fn maybe<T>(&self, key: &str, read: impl FnOnce(&Value<'a>) -> Read<T>) -> Read<Option<T>> {
        self.value(key).map(|value| read(&value)).transpose()
    }

    /// The value of `key` by `read`, or `default`.
    fn or<T>(&self, key: &str, default: T, read: impl FnOnce(&Value<'a>) -> Read<T>) -> Read<T> {
        Ok(self.maybe(key, read)?.unwrap_or(default))
    }

    /// The value of `key` by `read`; an error if it is not given.
    fn need<T>(&self, key: &str, read: impl FnOnce(&Value<'a>) -> Read<T>) -> Read<T> {
        self.maybe(key, read)?.ok_or_else(|| {
            if let Some(reported) = self.slip(key) {
                return reported;
            }
            let path = join(&self.at.path, key);
            let help = keys::find(&keys::schema(&path))
                .map_or(String::new(), |known| format!("add {key} = {}", known.example));
            self.at.lacks(format!("the key {key} is missing"), help)
        })
    }

    /// The elements of the array `key` by `read`, with their places; `None` if it is not given.
    fn list<T>(&self, key: &str, read: impl Fn(&Value<'a>) -> Read<T>) -> Read<Option<Vec<Placed<'a, T>>>> {
        self.maybe(key, |value| all(value.elements()?.map(|element| Ok(element.at.with(read(&element)?)))))
    }

    /// The table `key`, if it is given.
    fn table(&self, key: &str) -> Read<Option<Self>> {
        self.maybe(key, |value| match value.value {
            DeValue::Table(table) => Ok(Table::open(value.at.clone(), table)),
            _ => Err(value.mismatch(&format!("a table, [{}]", value.at.path))),
        })
    }

    /// The tables `[[key]]`, none if it is not given.
    fn tables(&self, key: &str) -> Read<Vec<Self>> {
        self.or(key, Vec::new(), |value| {
            let header = format!("[[{}]]", keys::schema(&value.at.path));
            let expected = format!("tables, {header}");
            let DeValue::Array(array) = value.value else {
                let help = match value.value {
                    DeValue::Table(_) => {
                        format!("write {header} with two brackets, since there may be several")
                    }
                    _ => String::new(),
                };
                return Err(value.mismatch_but(&expected, help));
            };
            all(value.elements_of(array).map(|element| match element.value {
                DeValue::Table(table) => Ok(Table::open(element.at.clone(), table)),
                _ => Err(element.mismatch(&expected)),
            }))
        })
    }

    /// The table `key` by `read`, if it is given.
    fn section<T>(&self, key: &str, read: impl FnOnce(&Self) -> Read<T>) -> Read<Option<T>> {
        self.table(key)?.map(|table| read(&table)).transpose()
    }
}

impl<'a> Value<'a> {
    fn new(path: String, value: &'a Spanned<DeValue<'a>>, problems: &'a Problems) -> Self {
        Self { at: Spot { path, span: value.span(), problems }, value: value.get_ref() }
    }

    /// Says that something else was expected here.
    fn mismatch(&self, expected: &str) -> Reported {
        self.at.refuse(format!("expected {expected}, found {}", found(self.value)), "")
    }

    /// [`Value::mismatch`] with a remedy.
    fn mismatch_but(&self, expected: &str, help: impl Into<String>) -> Reported {
        self.at.refuse(format!("expected {expected}, found {}", found(self.value)), help)
    }

    fn elements(&self) -> Read<impl Iterator<Item = Value<'a>> + use<'a>> {
        let DeValue::Array(array) = self.value else {
            let help = match self.value {
                DeValue::String(text) => format!("put it in brackets: [{text:?}]"),
                _ => String::new(),
            };
            return Err(self.mismatch_but("an array", help));
        };
        Ok(self.elements_of(array))
    }

    fn elements_of(&self, array: &'a DeArray<'a>) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let Spot { path, problems, .. } = self.at.clone();
        let element = move |(index, element)| Value::new(format!("{path}[{index}]"), element, problems);
        array.iter().enumerate().map(element)
    }

    /// A string; `expected` says what it should have held.
    fn text(&self, expected: &str) -> Read<&'a str> {
        match self.value {
            DeValue::String(text) => Ok(text),
            _ => Err(self.mismatch(expected)),
        }
    }

    fn boolean(&self) -> Read<bool> {
        match self.value {
            DeValue::Boolean(value) => Ok(*value),
            DeValue::String(text) if text == "true" || text == "false" => {
                Err(self.mismatch_but("true or false", "leave out the quotes"))
            }
            _ => Err(self.mismatch("true or false")),
        }
    }

    /// One of the words of a choice.
    fn choice<T: Word>(&self) -> Read<T> {
        self.choice_but(&[])
    }

    /// [`Value::choice`] with remedies for words of other programs.
    fn choice_but<T: Word>(&self, others: &[(&str, &str)]) -> Read<T> {
        let expected = listing(T::ALL.iter().map(|(word, _)| format!("{word:?}")), "or");
        let text = self.text(&expected)?;
        T::ALL.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
            let near = || keys::nearest(text, T::ALL.iter().map(|(word, _)| *word));
            let help = match others.iter().find(|(word, _)| *word == text) {
                Some((_, help)) => (*help).to_owned(),
                None => near().map_or(String::new(), |near| format!("did you mean {near:?}?")),
            };
            self.mismatch_but(&expected, help)
        })
    }
}

/// All values, or the proof that at least one was reported; every one is read in any case.
fn all<T>(values: impl Iterator<Item = Read<T>>) -> Read<Vec<T>> {
    let values: Vec<_> = values.collect();
    values.into_iter().collect()
}

/// A list in which something must stand.
fn not_empty<'a, T>(at: &Spot<'a>, list: Vec<Placed<'a, T>>, what: &str) -> Read<Vec<Placed<'a, T>>> {
    if list.is_empty() {
        return Err(at.refuse(format!("expected at least one {what}, found an empty array"), ""));
    }
    Ok(list)
}

/// The values without their places.
fn values<T>(list: Vec<Placed<'_, T>>) -> Vec<T> {
    list.into_iter().map(|placed| placed.value).collect()
}

/// Refuses every value whose key came before.
fn unique<T, K: Hash + Eq>(
    list: &[Placed<'_, T>],
    key: impl Fn(&T) -> Option<K>,
    say: impl Fn(&T, &Placed<'_, T>) -> (String, String),
) -> Read<()> {
    let mut seen: HashMap<K, &Placed<'_, T>> = HashMap::new();
    let mut outcome = Ok(());
    for placed in list {
        match key(&placed.value).map(|key| seen.entry(key)) {
            Some(Entry::Occupied(first)) => {
                let (message, help) = say(&placed.value, first.get());
                outcome = Err(placed.at.refuse(message, help));
            }
            Some(Entry::Vacant(free)) => {
                free.insert(placed);
            }
            None => {}
        }
    }
    outcome
}

/// `a, b or c`.
pub(crate) fn listing(items: impl IntoIterator<Item = impl Into<String>>, last: &str) -> String {
    let mut items: Vec<String> = items.into_iter().map(Into::into).collect();
    match items.pop() {
        Some(end) if items.is_empty() => end,
        Some(end) => format!("{} {last} {end}", items.join(", ")),
        None => String::new(),
    }
}

/// A value as a message names it.
fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the string {:?}", shorten(text)),
        DeValue::Integer(number) => format!("the integer {}", shorten(&number.to_string())),
        DeValue::Float(number) => format!("the float {}", shorten(&number.to_string())),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(_) => "a date or time".to_owned(),
        DeValue::Array(array) if array.is_empty() => "an empty array".to_owned(),
        DeValue::Array(_) => "an array".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// Long values are cut in messages; the source line stands below in any case.
fn shorten(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}
