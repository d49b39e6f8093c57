//! What a daemon refuses of a valid file is shown at its place in the file.

use config::{LoadError, Position, Refusal, Style, load, parse};
use std::fs;
use std::path::PathBuf;

const FILE: &str = r#"[[proxy.listener]]
name = "web"
bind = ["[2001:db8::80]:443", "[2001:db8::81]:443"]
tls = { certificates = ["/etc/causeway/web.pem"] }
pool = "web"

[[proxy.pool]]
name = "web"
"#;

fn refusal(path: &str) -> Refusal {
    Refusal { path: path.to_owned(), message: "not served".to_owned(), help: "remove it".to_owned() }
}

fn position(path: &str) -> Option<(usize, usize)> {
    let loaded = parse(FILE, "gateway.toml").expect("the file is valid");
    let diagnostics = loaded.source.diagnose(vec![refusal(path)]);
    let position = diagnostics.iter().next().expect("one refusal, one diagnostic").position;
    position.map(|Position { line, column }| (line, column))
}

#[test]
fn a_refusal_points_at_the_value() {
    assert_eq!(position("proxy.listener[0].tls"), Some((4, 7)));
    assert_eq!(position("proxy.listener[0].bind[1]"), Some((3, 31)));
    assert_eq!(position("proxy.pool[0]"), Some((7, 1)));
}

#[test]
fn a_refusal_of_a_default_points_at_the_table_that_lacks_it() {
    assert_eq!(position("proxy.listener[0].mode"), Some((1, 1)));
    assert_eq!(position("proxy.pool[0].check.interval"), Some((7, 1)));
}

#[test]
fn a_refusal_of_what_the_file_does_not_have_has_no_place() {
    assert_eq!(position("nat64"), None);
    assert_eq!(position(""), None);
}

#[test]
fn refusals_are_rendered_with_their_lines() {
    let loaded = parse(FILE, "gateway.toml").expect("the file is valid");
    let diagnostics = loaded.source.diagnose(vec![refusal("proxy.pool[0].name"), refusal("nat64")]);
    let expected = "\
gateway.toml: nat64: not served
 = help: remove it

gateway.toml:8:8: proxy.pool[0].name: not served
  |
8 | name = \"web\"
  |        ^^^^^
  = help: remove it

";
    assert_eq!(diagnostics.to_string(), expected);
    assert!(diagnostics.render(Style::Colour).contains("\x1b["));
    let lines: Vec<String> = diagnostics.lines().collect();
    assert_eq!(lines[1], "gateway.toml:8:8: proxy.pool[0].name: not served; remove it");
}

#[test]
fn control_characters_of_a_file_do_not_reach_the_terminal() {
    let error =
        parse("[log]\nlevel = \"\x1b[31m\u{7}\"\n", "gateway.toml").err().expect("escapes are refused");
    assert!(!error.to_string().contains(['\x1b', '\u{7}']), "{error:?}");
}

#[test]
fn long_lines_are_cut_around_the_place() {
    let text = format!(
        "[log]\nx = \"{}\"\nlevel = \"{}\" # {}\n",
        "a".repeat(5000),
        "b".repeat(200),
        "c".repeat(5000)
    );
    let error = parse(&text, "gateway.toml").err().expect("unknown key and level");
    assert_eq!(error.len(), 2);
    assert!(error.to_string().lines().all(|line| line.chars().count() < 200), "{error}");
}

#[test]
fn load_says_which_file_it_could_not_read() {
    let missing = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/no-such-file.toml");
    let error = load(&missing).err().expect("there is no such file");
    assert!(matches!(error, LoadError::Unreadable { .. }));
    assert!(error.to_string().contains("no-such-file.toml"), "{error}");
}

#[test]
fn load_says_in_which_line_a_file_is_not_text() {
    let path = std::env::temp_dir().join(format!("causeway-config-{}.toml", std::process::id()));
    fs::write(&path, b"[log]\n\nlevel = \"\xff\"\n").expect("the temporary folder can be written");
    let error = load(&path).err().expect("the file is not UTF-8");
    fs::remove_file(&path).expect("the file was just written");
    assert!(matches!(error, LoadError::NotText { line: 3, .. }), "{error}");
}
