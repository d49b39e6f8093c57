//! Texts: our file, those of other programs, and packets as people write them.

use crate::vnet::check_packet;
use config::import::{Imported, bind, tayga, unbound};

/// Judges a gateway.toml: what is valid is the same after it was written down, and what is not has errors that can be
/// shown.
///
/// # Panics
/// When an invariant is broken.
pub fn check_gateway_toml(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    match config::parse(text, "gateway.toml") {
        Ok(loaded) => same_when_shown(&loaded.model),
        Err(errors) => {
            assert!(errors.iter().next().is_some(), "refused without an error");
            assert!(errors.to_string().contains("gateway.toml"), "an error without a place: {errors}");
        }
    }
}

fn same_when_shown(model: &config::Gateway) {
    let shown = config::show(model);
    match config::parse(&shown, "shown") {
        Ok(again) => assert_eq!(again.model, *model, "written down as\n{shown}"),
        Err(errors) => panic!("what was shown is refused:\n{shown}\n{errors}"),
    }
}

/// Judges a tayga.conf: what is imported is a valid file, and what is refused has a reason. The same text also serves
/// as the map file.
///
/// # Panics
/// When an invariant is broken.
pub fn check_tayga_conf(input: &[u8]) {
    let conf = match tayga::parse(input, "tayga.conf", None) {
        Ok(parsed) => parsed.value,
        Err(errors) => return refused(&errors),
    };
    let maps = tayga::parse_map_file(input, "map-file", &conf).value;
    check_import(tayga::gateway(&conf, &maps, "tayga.conf"));
}

/// Judges a named.conf, which may include itself.
///
/// # Panics
/// When an invariant is broken.
pub fn check_named_conf(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let mut depth = 0;
    let mut include = |_: &std::path::Path| {
        depth += 1;
        if depth < MAX_INCLUDES { Ok(text.to_owned()) } else { Err("included too often".to_owned()) }
    };
    check_import(bind::import(text, "named.conf", &mut include));
}

/// Judges an unbound.conf, which may include itself.
///
/// # Panics
/// When an invariant is broken.
pub fn check_unbound_conf(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let mut depth = 0;
    let mut include = |_: &str| {
        depth += 1;
        let again = (depth < MAX_INCLUDES).then(|| ("again.conf".to_owned(), text.to_owned()));
        Ok(again.into_iter().collect())
    };
    check_import(unbound::import(text, "unbound.conf", &mut include));
}

/// Files that a file may name, so that a text of includes alone stays a test of reading and not of patience.
const MAX_INCLUDES: usize = 8;

/// What was imported is a valid file, and what was refused has its reasons.
fn check_import(outcome: Result<Imported, Vec<String>>) {
    match outcome {
        Ok(imported) => {
            same_when_shown(&imported.model);
            assert!(imported.notes.iter().all(|note| note.line > 0 && !note.text.is_empty()));
        }
        Err(errors) => refused(&errors),
    }
}

fn refused(errors: &[String]) {
    assert!(!errors.is_empty() && errors.iter().all(|error| !error.is_empty()), "refused without a reason");
}

/// Judges a packet as people write it: what is understood is a packet that can be translated, and what is not has an
/// error at a place within the text.
///
/// # Panics
/// When an invariant is broken.
pub fn check_sketch(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    match translator::parse_sketch(text) {
        Ok(packet) => check_packet([0; 4], &packet),
        Err(error) => {
            assert!(error.column >= 1 && error.width >= 1 && error.line_number >= 1, "{error:?}");
            assert!(!error.problem.is_empty() && !error.help.is_empty(), "{error:?}");
            assert!(error.to_string().contains(&error.problem), "{error}");
        }
    }
}
