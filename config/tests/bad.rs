//! Every file of `tests/bad` is refused with exactly the text that stands beside it.
//!
//! `BLESS=1 cargo test -p config --test bad` writes the texts anew; read the difference before committing it.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn bad_files_are_refused_with_the_text_beside_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad");
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    for file in files(&folder, "toml") {
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name in ASCII").to_owned();
        let text = fs::read_to_string(&file).expect("the folder of bad files can be read and written");
        let actual = match config::parse(&text, &name) {
            Ok(_) => panic!("{name} is accepted"),
            Err(diagnostics) => diagnostics.to_string(),
        };
        let expected = file.with_extension("txt");
        if bless {
            fs::write(&expected, &actual).expect("the folder of bad files can be read and written");
        } else if fs::read_to_string(&expected).unwrap_or_default() != actual {
            wrong.push(format!("{name}:\n{actual}"));
        }
    }
    assert!(wrong.is_empty(), "differs from the text beside it:\n\n{}", wrong.join("\n"));
}

#[test]
fn every_text_belongs_to_a_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad");
    let texts = files(&folder, "txt");
    assert!(!texts.is_empty());
    for text in texts {
        assert!(text.with_extension("toml").exists(), "{} has no file", text.display());
    }
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder of bad files can be read and written")
        .map(|entry| entry.expect("the folder of bad files can be read and written").path())
        .filter(|path| path.extension().is_some_and(|have| have == extension))
        .collect();
    files.sort();
    files
}
