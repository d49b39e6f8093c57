//! Files as Tayga's users have them, each imported to exactly the gateway.toml and the notes that stand beside it.
//!
//! `BLESS=1 cargo test -p config --test tayga` writes both anew; read the difference before committing it.

use config::import::{Imported, Kind, tayga};
use config::{parse, show};
use std::fs;
use std::path::{Path, PathBuf};

/// What the map file of one of them holds.
const MAPS: &str = "map 198.51.100.42 2001:db8:3::42\n";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tayga")
}

fn import(name: &str) -> Imported {
    let file = format!("{name}.conf");
    let text = fs::read(folder().join(&file)).expect("a file of this folder");
    let conf = tayga::parse(&text, &file, None).expect("a good file").value;
    let maps = tayga::map_file_path(&conf).map_or_else(Vec::new, |path| {
        assert_eq!(path, Path::new("/var/lib/tayga/tayga.maps"), "relative to data-dir");
        let maps = tayga::parse_map_file(MAPS.as_bytes(), "tayga.maps", &conf);
        assert_eq!(maps.warnings, Vec::<String>::new());
        maps.value
    });
    tayga::gateway(&conf, &maps, &file).expect("a valid model")
}

#[test]
fn files_become_what_stands_beside_them() {
    let mut wrong = Vec::new();
    for name in ["debian", "clatd", "opnsense", "everything"] {
        let imported = import(name);
        let text = show(&imported.model);
        assert_eq!(parse(&text, "gateway.toml").expect("what was written").model, imported.model, "{name}");
        let notes: Vec<_> = imported.notes.iter().map(ToString::to_string).collect();
        let notes = notes.join("\n");
        for (extension, actual) in [("toml", text), ("notes", notes)] {
            let expected = folder().join(format!("{name}.{extension}"));
            if std::env::var_os("BLESS").is_some() {
                fs::write(&expected, &actual).expect("the folder can be written");
            } else if fs::read_to_string(&expected).unwrap_or_default() != actual {
                wrong.push(format!("{name}.{extension}:\n{actual}"));
            }
        }
    }
    assert!(wrong.is_empty(), "differs from what stands beside it:\n\n{}", wrong.join("\n"));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let kind = Kind::find("tayga").expect("a kind of file");
    let error = kind.import(Path::new("/nonexistent/tayga.conf")).expect_err("no file");
    assert_eq!(error.to_string(), "cannot read /nonexistent/tayga.conf");
}

#[test]
fn all_errors_of_a_file_are_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("tayga.conf");
    fs::write(&path, "foo\nbar\n").expect("a file");
    let error = Kind::find("tayga").expect("a kind of file").import(&path).expect_err("a bad file");
    let file = path.display();
    assert_eq!(
        error.to_string(),
        format!(
            "Unknown directive \"foo\" on line 1 of {file}\nUnknown directive \"bar\" on line 2 of {file}"
        )
    );
}

#[test]
fn a_map_file_is_read_beside_the_file_that_names_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("tayga.conf");
    let text = format!(
        "tun-device nat64\nipv4-addr 192.0.2.1\nprefix 2001:db8:64::/96\ndata-dir {}\nmap-file maps\n",
        folder.path().display()
    );
    fs::write(&path, text).expect("a file");
    let kind = Kind::find("tayga").expect("a kind of file");
    let error = kind.import(&path).expect_err("no map file");
    assert!(error.to_string().ends_with("/maps"), "{error}");
    fs::write(folder.path().join("maps"), MAPS).expect("a file");
    let imported = kind.import(&path).expect("both files");
    assert_eq!(imported.model.nat64.expect("the section").map.len(), 1);
}
