//! Files as users of BIND and Unbound have them, each imported to exactly the gateway.toml and the notes that stand
//! beside it, or refused with exactly the errors there.
//!
//! `BLESS=1 cargo test -p config --test resolvers` writes them anew; read the difference before committing it.

use config::import::{Imported, Kind, bind, unbound};
use config::{parse, show};
use std::fs;
use std::path::{Path, PathBuf};

type Import = fn(&str, &str) -> Result<Imported, Vec<String>>;

fn named(text: &str, file: &str) -> Result<Imported, Vec<String>> {
    bind::import(text, file, &mut |_| Err("no such file".to_owned()))
}

fn unbound(text: &str, file: &str) -> Result<Imported, Vec<String>> {
    unbound::import(text, file, &mut |_| Err("no such file".to_owned()))
}

/// What stands beside a file, by extension.
fn made(import: Import, path: &Path) -> Vec<(&'static str, String)> {
    let text = fs::read_to_string(path).expect("a file of this folder");
    let file = path.file_name().expect("a file").to_string_lossy().into_owned();
    match import(&text, &file) {
        Ok(imported) => {
            let shown = show(&imported.model);
            assert_eq!(
                parse(&shown, "gateway.toml").expect("what was written").model,
                imported.model,
                "{file}"
            );
            let notes: Vec<_> = imported.notes.iter().map(ToString::to_string).collect();
            vec![("toml", shown), ("notes", notes.join("\n"))]
        }
        Err(errors) => vec![("errors", errors.join("\n"))],
    }
}

fn compare(folder: &str, import: Import, count: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let entries = fs::read_dir(&folder).expect("a folder of this crate");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
    assert_eq!(paths.len(), count, "{paths:?}");
    let mut wrong = Vec::new();
    for path in paths {
        for (extension, actual) in made(import, &path) {
            let expected = path.with_extension(extension);
            if std::env::var_os("BLESS").is_some() {
                fs::write(&expected, &actual).expect("the folder can be written");
            } else if fs::read_to_string(&expected).unwrap_or_default() != actual {
                wrong.push(format!("{}:\n{actual}", expected.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "differs from what stands beside it:\n\n{}", wrong.join("\n"));
}

#[test]
fn files_of_bind_become_what_stands_beside_them() {
    compare("bind", named, 5);
}

#[test]
fn files_of_unbound_become_what_stands_beside_them() {
    compare("unbound", unbound, 4);
}

#[test]
fn included_files_are_read_from_the_folder_of_the_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file");
    write("options", "options { forwarders { 192.0.2.1; }; dns64 2001:db8:64::/96 { }; };");
    write("named.conf", "include \"options\";");
    write("a.conf", "server: module-config: \"dns64 iterator\" dns64-prefix: 2001:db8:64::/96");
    write("b.conf", "forward-zone: name: \".\" forward-addr: 192.0.2.1");
    write("unbound.conf", "include: \"?.conf\"\ninclude: a.conf\ninclude-toplevel: \"b*.conf\"");
    let import =
        |kind: &str, name: &str| Kind::find(kind).expect("a kind of file").import(&folder.path().join(name));
    let prefix = |imported: Imported| imported.model.prefix.map(|prefix| prefix.pref64.to_string());
    let named = import("bind", "named.conf").expect("a good file");
    assert_eq!(prefix(named).as_deref(), Some("2001:db8:64::/96"));
    let error = import("unbound", "unbound.conf").expect_err("? is no pattern here").to_string();
    assert!(error.contains("unbound.conf:1: cannot include ?.conf: "), "{error}");
    write("unbound.conf", "include: a.conf\ninclude-toplevel: \"b*.conf\"\ninclude: \"x*.conf\"");
    let unbound = import("unbound", "unbound.conf").expect("a good file");
    assert_eq!(prefix(unbound).as_deref(), Some("2001:db8:64::/96"));
}
