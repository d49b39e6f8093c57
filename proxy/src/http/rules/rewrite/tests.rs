use super::*;
use crate::http::rules::Rules;
use ::http::Method;
use ::http::header::{HeaderMap, HeaderValue};
use config::model::{self, Pattern};
use proptest::prelude::*;

fn pattern(pattern: &str, with: &str) -> Substitution {
    Substitution::new(Pattern::new(pattern).unwrap(), with).unwrap()
}

/// What a member gets of this target; `None` if it is refused.
fn rewritten(path: &[PathEdit], query: &[QueryEdit], target: &str) -> Option<String> {
    let (uri, headers) = (target.parse().unwrap(), {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("a.example"));
        headers
    });
    let edits = Edits::new(path, query);
    let edited = edit([&edits].into_iter(), &subject(&uri, &headers)).ok()?;
    Some(edited.unwrap_or(uri).to_string())
}

fn subject<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Subject<'a> {
    Subject {
        method: &Method::GET,
        uri,
        headers,
        client: "2001:db8::9".parse().ok(),
        sni: None,
        user: None,
        secure: false,
        port: Some(80),
    }
}

#[test]
fn whole_segments_are_stripped_and_added() {
    let check = |edit: &PathEdit, target: &str, expect: &str| {
        let got = rewritten(std::slice::from_ref(edit), &[], target);
        assert_eq!(got.as_deref(), Some(expect), "{edit:?} {target}");
    };
    let strip = PathEdit::StripPrefix("/api".to_owned());
    check(&strip, "/api/a?b", "/a?b");
    check(&strip, "/api", "/");
    check(&strip, "/api/", "/");
    check(&strip, "/apis", "/apis");
    check(&strip, "/x/api/a", "/x/api/a");
    check(&strip, "*", "*");
    // However it is spelt.
    check(&strip, "/%61pi/a", "/a");
    check(&strip, "//x/..//api//a", "/a");
    check(&strip, "/./api//a%2fb/./c", "/a%2Fb/c");
    check(&PathEdit::StripPrefix("/api/".to_owned()), "/api/a", "/a");
    check(&PathEdit::StripPrefix("/a b".to_owned()), "/a%20b/c", "/c");
    for folder in ["/a,b", "/a%2Cb", "/a%2cb", "/%61,b"] {
        check(&PathEdit::StripPrefix("/a,b".to_owned()), &format!("{folder}/c%2Cd"), "/c%2Cd");
    }
    check(&PathEdit::StripPrefix("/a+b@:".to_owned()), "/a%2Bb%40%3A/c", "/c");
    check(&PathEdit::StripPrefix("/100%".to_owned()), "/100%25/c", "/c");
    check(&PathEdit::StripPrefix("/\u{e4}".to_owned()), "/%C3%A4/c", "/c");
    check(&strip, "/api/a;v=1", "/a;v=1");
    check(&strip, "/x%2Fapi", "/x%2Fapi");
    check(&PathEdit::StripPrefix("/".to_owned()), "/a", "/a");
    let add = PathEdit::AddPrefix("/v2/\u{e4}".to_owned());
    check(&add, "/a?b", "/v2/%C3%A4/a?b");
    check(&add, "/", "/v2/%C3%A4/");
    check(&PathEdit::AddPrefix("/v2/".to_owned()), "/a", "/v2/a");
}

#[test]
fn paths_are_set_and_replaced() {
    let check = |edit: PathEdit, target: &str, expect: Option<&str>| {
        let got = rewritten(std::slice::from_ref(&edit), &[], target);
        assert_eq!(got.as_deref(), expect, "{edit:?} {target}");
    };
    let set = |text: &str| PathEdit::Set(text.parse().unwrap());
    check(set("/{host}{path}"), "/a?b=c", Some("/a.example/a?b=c"));
    check(set("/a b"), "/x", Some("/a%20b"));
    check(set("/{client}"), "/x", Some("/2001:db8::9"));
    check(set("/q/{query}"), "/x?a=/b?c", Some("/q/a=/b%3Fc?a=/b?c"));
    let replace = |regex: &str, with: &str| PathEdit::Replace(pattern(regex, with));
    check(replace("^/old/(.*)$", "/new/$1"), "/old/a%2Fb", Some("/new/a%2Fb"));
    check(replace("^/old/(.*)$", "/new/$1"), "/older/a", Some("/older/a"));
    check(replace("x", "/"), "/axb/", Some("/a/b/"));
    check(replace("^/", "//evil.example/"), "/a", Some("/evil.example/a"));
    check(replace("^/a", "b"), "/a", None);
    // However it is spelt, but for what may mean something else.
    check(replace("^/@(.*)$", "/users/$1"), "/%40a%2Cb%2Fc", Some("/users/a,b%2Fc"));
    check(replace("%2C", ";"), "/a%2Cb%40", Some("/a;b%40"));
    check(replace("[;+]", "-"), "/a%3Bb%2B%2C", Some("/a%3Bb%2B%2C"));
    check(replace("x", "%"), "/%2Cx", None);
}

#[test]
fn what_stands_in_a_folder_for_some_servers_alone_is_not_stripped_but_refused() {
    let strip = PathEdit::StripPrefix("/api".to_owned());
    for target in ["/api%2Fa", "/%2Fapi/a", "/api;v=1/a", "/api;v=1", "/;/api/a", "/a/..%2Fapi"] {
        assert_eq!(rewritten(std::slice::from_ref(&strip), &[], target), None, "{target}");
    }
}

#[test]
fn no_client_makes_edits_climb() {
    let check = |edit: PathEdit, target: &str| {
        assert_eq!(rewritten(std::slice::from_ref(&edit), &[], target), None, "{edit:?} {target}");
    };
    let set = |text: &str| PathEdit::Set(text.parse().unwrap());
    check(set("/static/{query}"), "/a?../admin");
    check(set("/static/{query}"), "/a?%2e%2E/admin");
    check(set("/static/{query}"), "/a?b%2F..%2F..%2Fadmin");
    check(set("/static/{query}"), "/a?%zz");
    check(PathEdit::Replace(pattern("x", "")), "/.x./admin");
    check(PathEdit::StripPrefix("/a".to_owned()), "/a/../../b");
    check(PathEdit::StripPrefix("/a".to_owned()), "/a/%00");
}

#[test]
fn edits_of_paths_are_made_in_order() {
    let (strip, add) = (PathEdit::StripPrefix("/a".to_owned()), PathEdit::AddPrefix("/b".to_owned()));
    let got = rewritten(&[strip.clone(), add.clone()], &[], "/a/c");
    assert_eq!(got.as_deref(), Some("/b/c"));
    assert_eq!(rewritten(&[add, strip], &[], "/a/c").as_deref(), Some("/b/a/c"));
}

#[test]
fn parameters_are_set_added_and_deleted() {
    let check = |edits: &[QueryEdit], target: &str, expect: &str| {
        assert_eq!(rewritten(&[], edits, target).as_deref(), Some(expect), "{edits:?} {target}");
    };
    let value = |text: &str| text.parse().unwrap();
    let delete = |name: &str| [QueryEdit::Delete(name.to_owned())];
    check(&delete("b"), "/x?a=1&b=2&%62=3&c&b", "/x?a=1&c");
    check(&delete("b"), "/x?b=1", "/x");
    check(&delete("b"), "/x?", "/x?");
    check(&delete("a b"), "/x?a+b=1&a%20b=2&ab=3", "/x?ab=3");
    check(&delete("utm_*"), "/x?utm_source=1&a&utm_=2&utm", "/x?a&utm");
    check(
        &[QueryEdit::Set("a".to_owned(), value("1&2={client}"))],
        "/x?a=0&b&a",
        "/x?b&a=1%262%3D2001:db8::9",
    );
    check(&[QueryEdit::Set("a".to_owned(), value("1"))], "/x", "/x?a=1");
    check(&[QueryEdit::Add("\u{e4}=".to_owned(), value("{query}"))], "/x?a=1", "/x?a=1&%C3%A4%3D=a%3D1");
    check(
        &[QueryEdit::Replace(pattern("(^|&)v=([0-9]+)", "${1}version=$2 "))],
        "/x?a&v=12",
        "/x?a&version=12%20",
    );
    check(&[QueryEdit::Replace(pattern("^.*$", ""))], "/x?a", "/x");
    check(&[], "/x//../y?a", "/x//../y?a");
    // The path stays as it came.
    check(&delete("b"), "/x//../%61?b", "/x//../%61");
}

fn any_path_edit() -> impl Strategy<Value = PathEdit> {
    let with = "[a-z/.?#% $]{0,6}".prop_map(|text| text.replace('$', "$0"));
    prop_oneof![
        "/[a-z /.]{0,6}".prop_map(PathEdit::StripPrefix),
        "/[a-z /]{0,6}".prop_map(PathEdit::AddPrefix),
        "/(\\{query\\}|\\{host\\}|\\{path\\}|[a-z ./]){0,4}"
            .prop_map(|text| PathEdit::Set(text.parse().unwrap())),
        ("[a-z/.]", with).prop_map(|(regex, with)| PathEdit::Replace(pattern(&regex, &with))),
    ]
}

fn any_query_edit() -> impl Strategy<Value = QueryEdit> {
    let value = || "(\\{query\\}|[a-z&=# %]){0,4}".prop_map(|text| text.parse::<Template>().unwrap());
    prop_oneof![
        ("[a-z&=# %]{1,3}", value()).prop_map(|(name, value)| QueryEdit::Set(name, value)),
        ("[a-z&=# %]{1,3}", value()).prop_map(|(name, value)| QueryEdit::Add(name, value)),
        "[a-z*]{1,3}".prop_map(QueryEdit::Delete),
        ("[a-z&=]", "[a-z#? %]{0,4}").prop_map(|(regex, with)| QueryEdit::Replace(pattern(&regex, &with))),
    ]
}

proptest! {
    #[test]
    fn what_edits_leave_is_a_target(
        path in proptest::collection::vec(any_path_edit(), 0..4),
        query in proptest::collection::vec(any_query_edit(), 0..4),
        target in "/[a-z/.%;\u{e4}2eEfF]{0,12}(\\?[a-z=&%.+/?]{0,12})?",
    ) {
        let Some(target_got) = rewritten(&path, &query, &target) else { return Ok(()) };
        prop_assert!(target_got.starts_with('/'));
        let illegal = |octet: u8| octet.is_ascii_control() || b" #\"<>".contains(&octet);
        prop_assert!(!target_got.bytes().any(illegal), "{}", target_got);
        if !path.is_empty() {
            let got = target_got.split('?').next().unwrap_or_default();
            prop_assert!(!got.contains("//") && got.split('/').all(|part| part != ".." && part != "."), "{}", got);
        }
    }

    /// What fits a folder by the conditions of a rule is what the edit strips, and nothing else is.
    #[test]
    fn a_route_and_what_it_strips_are_of_one_mind(
        folder in "(/[ab,+ ]{1,2}){1,2}",
        encoded in proptest::option::weighted(0.8, any::<u8>()),
        path in "(/|%2[fF])?(/(a|b|,|%2C|%2c|%61|\\+|%2B|%20|;|%3B|%2F|\\.){0,3}){0,4}",
    ) {
        // Mostly the folder itself, spelt in some way, with something behind it.
        let spelt = |(place, octet): (usize, u8)| {
            let as_it_is = octet == b'/' || (octet != b' ' && encoded.is_some_and(|encoded| encoded >> place & 1 == 0));
            if as_it_is { char::from(octet).to_string() } else { format!("%{octet:02x}") }
        };
        let within: String = folder.bytes().enumerate().map(spelt).collect();
        let path = if encoded.is_some() { within + &path } else { format!("/{path}") };
        let rule = |when| model::Rule { when, ..model::Rule::default() };
        let rules = Rules::<()>::new(&[
            rule(model::Conditions { path: vec![folder.clone()], ..model::Conditions::default() }),
            rule(model::Conditions { path_prefix: vec![format!("{folder}/")], ..model::Conditions::default() }),
        ], |_| None);
        let (uri, headers): (Uri, _) = (path.parse().unwrap(), HeaderMap::new());
        let decision = rules.decide(&subject(&uri, &headers)).map(|decision| !decision.fitting.is_empty());
        let came = path::normal(&path);
        let got = rewritten(&[PathEdit::StripPrefix(folder.clone())], &[], &path);
        match (decision, got) {
            (Ok(fits), Some(got)) => {
                let came = came.unwrap();
                prop_assert_eq!(fits, got != came, "{} of {} is {}", folder, came, got);
                if fits {
                    let below = path::plain(&got).unwrap();
                    let whole = [folder.as_bytes(), &below].concat();
                    let plain = path::plain(&path).unwrap();
                    prop_assert!(whole == *plain || whole == [&plain, &b"/"[..]].concat(), "{}", got);
                }
            }
            // Conditions see an encoded slash as one.
            (Ok(_), None) => prop_assert!(path.to_ascii_lowercase().contains("%2f"), "{}", path),
            (Err(_), got) => prop_assert_eq!(got, None, "{}", path),
        }
    }

    #[test]
    fn the_one_form_means_the_same_and_stays(path in "/[a-z/.%;,\\\\\u{e4}2eEfFcC5]{0,16}") {
        let (plain, normal) = (path::plain(&path), path::normal(&path));
        prop_assert_eq!(plain.is_some(), normal.is_some());
        if let (Some(plain), Some(normal)) = (plain, normal) {
            let again = path::plain(&normal);
            prop_assert_eq!(again.as_deref(), Some(&*plain), "{}", normal);
            prop_assert_eq!(path::normal(&normal), Some(normal));
        }
    }
}
