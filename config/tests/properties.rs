//! What holds for every model and every text.

#[path = "properties/models.rs"]
mod models;

use config::diff::ChangeKind;
use config::{Change, Section, diff, parse, show};
use models::{gateway, in_order, pair};
use proptest::prelude::*;

/// A file with every key.
fn sample() -> &'static str {
    let page = include_str!("../../docs/configuration.md");
    let (_, rest) = page.split_once("```toml\n").expect("the page begins with a whole file");
    rest.split("```").next().expect("split gives at least one part")
}

proptest! {
    #[test]
    fn what_show_writes_parse_reads_back(model in gateway()) {
        let text = show(&model);
        match parse(&text, "shown.toml") {
            Ok(loaded) => prop_assert_eq!(loaded.model, model),
            Err(diagnostics) => prop_assert!(false, "{diagnostics}\n{text}"),
        }
    }

    #[test]
    fn a_model_does_not_differ_from_itself(model in gateway()) {
        let none = diff(&model, &model.clone());
        prop_assert!(none.is_empty());
        prop_assert_eq!(none, config::Diff::default());
    }

    #[test]
    fn models_that_differ_have_a_change_and_back_again_reverses_it((old, new) in pair()) {
        let there = diff(&old, &new);
        let back = diff(&new, &old);
        let forth = sorted(there.changes().iter().map(|one| reversible(one, one.from.as_ref(), one.to.as_ref())));
        let reversed = sorted(back.changes().iter().map(|one| reversible(one, one.to.as_ref(), one.from.as_ref())));
        prop_assert_eq!(forth, reversed);
        prop_assert_eq!(there.is_empty(), in_order(old) == in_order(new));
    }

    #[test]
    fn every_change_is_of_a_known_key_and_concerns_a_daemon((old, new) in pair()) {
        let change = diff(&old, &new);
        let sections = [Section::Nat64, Section::Dns64, Section::Proxy];
        for one in change.changes() {
            prop_assert!(config::keys::find(&one.path).is_some(), "{}", one.path);
            prop_assert!(sections.iter().any(|section| change.for_section(*section).any(|other| other == one)));
        }
    }

    #[test]
    fn the_order_of_what_has_names_is_no_change(model in gateway()) {
        let mut turned = model.clone();
        if let Some(proxy) = &mut turned.proxy {
            proxy.listener.reverse();
            proxy.pool.reverse();
            proxy.pool.iter_mut().for_each(|pool| pool.member.reverse());
        }
        if let Some(nat64) = &mut turned.nat64 {
            nat64.map.reverse();
            nat64.prefix.reverse();
        }
        prop_assert!(diff(&model, &turned).is_empty());
    }

    #[test]
    fn no_text_panics_or_fails_silently(text in "(?s).{0,400}") {
        check(&text);
    }

    #[test]
    fn no_toml_like_text_panics(
        lines in prop::collection::vec(
            "(\\[{1,2}(prefix|nat64|nat64\\.map|dns64|proxy|proxy\\.pool|proxy\\.pool\\.member)\\]{1,2}|\
              (pref64|map|listen|name|pool|\"\\[\"|a\\.b) = (\"[^\"\n]{0,9}\"|-?[0-9]{1,30}|\\[.{0,9}|\\{.{0,9}|true|1e9))\r?",
            0..20,
        )
    ) {
        check(&lines.join("\n"));
    }

    #[test]
    fn no_damage_to_a_good_file_panics(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0usize..12, "[ -~\n\u{e4}\u{0}]{0,4}"), 1..4)
    ) {
        let mut text: Vec<char> = sample().chars().collect();
        for (at, length, insert) in cuts {
            let from = at.index(text.len());
            let to = (from + length).min(text.len());
            text.splice(from..to, insert.chars());
        }
        check(&text.into_iter().collect::<String>());
    }
}

/// What of a change is the same on the way back. An element that needs no name is called by its place in the new list,
/// which is the old one on the way back, and of those in another order either may be said to have moved.
fn reversible(change: &Change, from: Option<&String>, to: Option<&String>) -> [Option<String>; 3] {
    let path = [".rule[", ".sni[", ".client[", ".forward["].into_iter().find_map(|list| {
        let (ahead, behind) = change.path.split_once(list)?;
        let (_, key) = behind.split_once(']')?;
        Some(format!("{ahead}{list}]{key}"))
    });
    let path = path.unwrap_or_else(|| change.path.clone());
    match change.kind {
        ChangeKind::Moved => [Some(path), None, None],
        ChangeKind::Added | ChangeKind::Removed | ChangeKind::Changed => {
            [Some(path), from.cloned(), to.cloned()]
        }
    }
}

fn sorted<T: Ord>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = all.collect();
    all.sort();
    all
}

/// Parses and renders; a refusal has at least one error, and each has a place in the text.
fn check(text: &str) {
    match parse(text, "any.toml") {
        Ok(loaded) => {
            show(&loaded.model);
        }
        Err(diagnostics) => {
            assert!(!diagnostics.is_empty());
            let lines = text.split('\n').count();
            for one in diagnostics.iter() {
                let position = one.position.expect("each error of a text has a place");
                assert!((1..=lines).contains(&position.line), "{one}: {position:?} of {lines} lines");
            }
            assert!(!diagnostics.render(config::Style::Colour).is_empty());
        }
    }
}
