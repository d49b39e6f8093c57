use super::*;
use ::http::header::{HeaderMap, HeaderName};
use ::http::{Method, Uri};
use config::model::{Conditions, FixedAnswer, HeaderCondition, HeaderEdit, HostPattern, Wanted};
use proptest::prelude::*;

/// A request for `http://{host}{target}` that the edits change.
struct Asked {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    client: Option<std::net::IpAddr>,
    sni: Option<String>,
}

fn get(host: &str, target: &str) -> Asked {
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_str(host).unwrap());
    Asked { method: Method::GET, uri: target.parse().unwrap(), headers, client: None, sni: None }
}

impl Asked {
    fn subject(&self) -> Subject<'_> {
        Subject {
            method: &self.method,
            uri: &self.uri,
            headers: &self.headers,
            client: self.client,
            sni: self.sni.as_deref(),
            user: None,
            secure: self.sni.is_some(),
            port: Some(8080),
        }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        self.headers.append(name, HeaderValue::from_str(value).unwrap());
        self
    }
}

/// A rule that sends what fits `when` to the pool of this name.
fn to(pool: &str, when: Conditions) -> model::Rule {
    model::Rule { when, action: Some(RuleAction::Pool(pool.to_owned())), ..model::Rule::default() }
}

fn rules(rules: &[model::Rule]) -> Rules<String> {
    Rules::new(rules, |name| Some(name.to_owned()))
}

/// The pool that the rules name.
fn pool<'a>(rules: &'a Rules<String>, asked: &Asked) -> Option<&'a str> {
    match rules.decide(&asked.subject()).expect("a plain path").action {
        Some(Action::Pool(name)) => Some(name),
        None => None,
        Some(other) => panic!("{other:?}"),
    }
}

/// Whether one rule with these conditions takes the request.
fn check(when: Conditions, asked: &Asked, expect: bool) {
    let said = format!("{when:?} {} {:?}", asked.uri, asked.headers);
    let rules = rules(&[to("x", when)]);
    assert_eq!(pool(&rules, asked).is_some(), expect, "{said}");
}

fn names(names: &[&str]) -> Vec<HostPattern> {
    let name = |name: &&str| match name.strip_prefix('[') {
        Some(rest) => HostPattern::V6(rest.trim_end_matches(']').parse().unwrap()),
        None => HostPattern::Name(server_name(name)),
    };
    names.iter().map(name).collect()
}

fn server_name(name: &str) -> model::ServerName {
    let domain = name.trim_start_matches("*.").parse().unwrap();
    model::ServerName { domain, wildcard: name.starts_with("*.") }
}

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn hosts_have_no_case_no_port_and_no_final_dot() {
    let when = |list: &[&str]| Conditions { host: names(list), ..Conditions::default() };
    for host in ["a.example", "A.Example", "a.example:8080", "a.example.", "a.example.:80"] {
        check(when(&["b.example", "a.example"]), &get(host, "/"), true);
    }
    for host in ["xa.example", "a.example.org", "x.a.example", "[2001:db8::80]"] {
        check(when(&["a.example"]), &get(host, "/"), false);
    }
    check(when(&["*.a.example"]), &get("x.y.a.example", "/"), true);
    check(when(&["*.a.example"]), &get("a.example", "/"), false);
    check(when(&["[2001:db8::80]"]), &get("[2001:DB8:0::80]:80", "/"), true);
    check(when(&["[2001:db8::80]"]), &get("[2001:db8::81]", "/"), false);
    check(when(&["192.0.2.80"]), &get("192.0.2.80:80", "/"), true);
}

#[test]
fn paths_fit_whole_at_their_beginning_or_at_their_end() {
    let path = |list: &[&str]| Conditions { path: strings(list), ..Conditions::default() };
    check(path(&["/a", "/b"]), &get("h", "/b?c"), true);
    check(path(&["/a"]), &get("h", "/a/"), false);
    check(path(&["/admin"]), &get("h", "//x/../%61dmin"), true);
    let prefix = |list: &[&str]| Conditions { path_prefix: strings(list), ..Conditions::default() };
    check(prefix(&["/a/"]), &get("h", "/a/b"), true);
    check(prefix(&["/a/"]), &get("h", "/a"), false);
    check(prefix(&["/a"]), &get("h", "/ab"), true);
    let suffix = |list: &[&str]| Conditions { path_suffix: strings(list), ..Conditions::default() };
    check(suffix(&[".png", ".css"]), &get("h", "/a/b.css?v=.js"), true);
    check(suffix(&[".png"]), &get("h", "/a.png/"), false);
    let both = Conditions { path_suffix: strings(&[".png"]), ..prefix(&["/a/"]) };
    check(both.clone(), &get("h", "/a/b.png"), true);
    check(both, &get("h", "/b/b.png"), false);
}

#[test]
fn a_path_of_two_readings_is_doubtful_only_where_a_rule_looks_at_paths() {
    let asked = get("h", "/public%2F..%2Fadmin");
    let by_path = rules(&[to("x", Conditions { path: strings(&["/"]), ..Conditions::default() })]);
    assert!(by_path.decide(&asked.subject()).is_err());
    let by_host = rules(&[to("x", Conditions { host: names(&["h"]), ..Conditions::default() })]);
    assert_eq!(pool(&by_host, &asked), Some("x"));
}

#[test]
fn a_path_with_parameters_is_decided_about_where_both_readings_fit_the_same() {
    let path = |list: &[&str]| Conditions { path: strings(list), ..Conditions::default() };
    let prefix = |list: &[&str]| Conditions { path_prefix: strings(list), ..Conditions::default() };
    let suffix = |list: &[&str]| Conditions { path_suffix: strings(list), ..Conditions::default() };
    let check = |when: Conditions, target: &str, expect: Option<bool>| {
        let said = format!("{when:?} {target}");
        let rules = rules(&[to("x", when)]);
        let asked = get("h", target);
        let decided = rules.decide(&asked.subject()).ok();
        assert_eq!(decided.map(|decision| decision.action.is_some()), expect, "{said}");
    };
    check(prefix(&["/staff/"]), "/staff;x/a", None);
    check(prefix(&["/staff/"]), "/;/staff/a", None);
    check(prefix(&["/staff/"]), "/staff%3Bx/a", None);
    check(prefix(&["/staff/"]), "/staff/a;x", Some(true));
    check(prefix(&["/staff/"]), "/a;x/staff/", Some(false));
    check(path(&["/login"]), "/login;x", None);
    check(path(&["/login", "/login;x"]), "/login;x", Some(true));
    // What lets pass may not fit by the parameters either.
    check(suffix(&[".png"]), "/staff/a;.png", None);
    check(suffix(&[".png"]), "/a.png;v=1", None);
    check(suffix(&[".png"]), "/a;v=1/b.png", Some(true));
    for target in ["/staff\\a", "/staff%5ca", "/staff//../a"] {
        check(prefix(&["/staff/"]), target, None);
    }
}

#[test]
fn connect_is_undecided_where_a_rule_asks_for_its_path() {
    let asked = || Asked { method: Method::CONNECT, ..get("b.example:443", "b.example:443") };
    let by_path = || to("x", Conditions { path_prefix: strings(&["/"]), ..Conditions::default() });
    let by_method = to("m", Conditions { method: strings(&["CONNECT"]), ..Conditions::default() });
    let check = |list: &[model::Rule], expect: Result<Option<&str>, Undecided>| {
        let rules = rules(list);
        let asked = asked();
        let decided = rules.decide(&asked.subject()).map(|_| ());
        assert_eq!(decided.map(|()| pool(&rules, &asked)), expect);
    };
    check(&[by_path()], Err(Undecided::NoPath));
    check(&[by_method, by_path()], Ok(Some("m")));
    let mut of_get = by_path();
    of_get.when.method = strings(&["GET"]);
    check(&[of_get], Ok(None));
    let host = HeaderEdit::Set("host".to_owned(), "c.example".parse().unwrap());
    let sets = rules(&[model::Rule { request_headers: vec![host], ..model::Rule::default() }]);
    assert_eq!(sets.changes(&[0], &asked().subject()).err(), Some(Unfit), "its Host is its target");
}

#[test]
fn names_that_rules_set_or_delete_have_no_doubles() {
    let value = || HeaderValue::from_static("ours");
    let name = |name: &'static str| HeaderName::from_static(name);
    let edits = [
        Filled::Set(name("x-remote-user"), value()),
        Filled::Set(name("x_other"), value()),
        Filled::Delete(name("x-gone")),
        Filled::Delete(name("content_length")),
        Filled::Add(name("x-more"), value()),
    ];
    let mut headers = HeaderMap::new();
    for line in [
        "x-remote-user",
        "x_remote_user",
        "x.remote-user",
        "x-remote-user-2",
        "x-other",
        "x_gone",
        "x-gone",
        "content-length",
        "x_more",
    ] {
        headers.append(name(line), HeaderValue::from_static("1"));
    }
    forget(&names_taken(&edits), &mut headers);
    let left: std::collections::BTreeSet<_> = headers.keys().map(HeaderName::as_str).collect();
    assert_eq!(left.into_iter().collect::<Vec<_>>(), ["content-length", "x-remote-user-2", "x_more"]);
}

#[test]
fn methods_headers_names_and_sources_fit() {
    let method = Conditions { method: strings(&["GET", "PURGE"]), ..Conditions::default() };
    check(method.clone(), &get("h", "/"), true);
    check(method, &Asked { method: Method::POST, ..get("h", "/") }, false);
    let header = |wanted: Wanted| Conditions {
        header: vec![HeaderCondition { name: "x-a".to_owned(), wanted }],
        ..Conditions::default()
    };
    check(header(Wanted::Presence(true)), &get("h", "/").with("X-A", ""), true);
    check(header(Wanted::Presence(true)), &get("h", "/"), false);
    check(header(Wanted::Presence(false)), &get("h", "/"), true);
    check(header(Wanted::Presence(false)), &get("h", "/").with("x-a", "1"), false);
    check(header(Wanted::Value("2".to_owned())), &get("h", "/").with("x-a", "1").with("x-a", "2"), true);
    check(header(Wanted::Value("2".to_owned())), &get("h", "/").with("x-a", "22"), false);
    let sni = Conditions { sni: vec![server_name("*.a.example")], ..Conditions::default() };
    check(sni.clone(), &Asked { sni: Some("x.a.example".to_owned()), ..get("h", "/") }, true);
    check(sni, &get("x.a.example", "/"), false);
    let networks = ["2001:db8::/64", "192.0.2.0/24"].map(|net| net.parse().unwrap());
    let source = Conditions { source: networks.to_vec(), ..Conditions::default() };
    let from = |client: &str| Asked { client: client.parse().ok(), ..get("h", "/") };
    check(source.clone(), &from("2001:db8::9"), true);
    check(source.clone(), &from("::ffff:192.0.2.9"), true);
    check(source.clone(), &from("2001:db8:0:1::9"), false);
    check(source, &from("none: a unix socket"), false);
}

#[test]
fn the_first_rule_that_fits_and_does_something_decides() {
    let host = |name: &str| Conditions { host: names(&[name]), ..Conditions::default() };
    let silent = model::Rule { when: Conditions::default(), ..model::Rule::default() };
    let rules =
        rules(&[to("a", host("a.example")), silent, to("b", host("*.example")), to("c", host("b.example"))]);
    let decide = |host: &str| {
        let asked = get(host, "/");
        let decision = rules.decide(&asked.subject()).unwrap();
        (decision.fitting, pool(&rules, &asked))
    };
    assert_eq!(decide("a.example"), (vec![0], Some("a")));
    assert_eq!(decide("b.example"), (vec![1, 2], Some("b")));
    assert_eq!(decide("c.test"), (vec![1], None));
}

#[test]
fn redirects_are_filled_with_what_was_asked_for() {
    let check = |to: &str, asked: &Asked, expect: &str| {
        let redirect = Redirect { status: StatusCode::FOUND, to: to.parse().unwrap() };
        assert_eq!(redirect.location(&asked.subject()), expect, "{to}");
    };
    check("https://{host}{uri}", &get("a.example:8080", "/b?c=d"), "https://a.example/b?c=d");
    check("https://{host}{uri}", &get("[2001:db8::80]:8080", "/"), "https://[2001:db8::80]/");
    check("https://{host}{uri}", &get("a.example", "*"), "https://a.example/");
    check("{scheme}://b.example:{port}{path}", &get("a.example", "/b?c"), "http://b.example:8080/b");
    check("/moved?was={path}&{query}", &get("a.example", "/b?c"), "/moved?was=/b&c");
    let secure =
        Asked { sni: Some("s.example".to_owned()), client: "2001:db8::9".parse().ok(), ..get("h", "/") };
    check("{scheme}://{sni}/{client}/{method}", &secure, "https://s.example/2001:db8::9/GET");
}

#[test]
fn a_redirect_to_a_path_stays_at_its_host() {
    let check = |to: &str, target: &str, expect: &str| {
        let redirect = Redirect { status: StatusCode::FOUND, to: to.parse().unwrap() };
        assert_eq!(redirect.location(&get("h", target).subject()), expect, "{to} {target}");
    };
    check("{uri}", "//evil.example/", "/evil.example/");
    check("{path}/", "/\\evil.example", "/evil.example/");
    check("/{path}", "/evil.example", "/evil.example");
    check("/new{uri}", "//evil.example/", "/new//evil.example/");
}

#[test]
fn answers_are_those_of_the_file() {
    let answer = FixedAnswer { status: 503, content_type: "text/html".to_owned(), body: "later".to_owned() };
    let rule = |action| model::Rule { action: Some(action), ..model::Rule::default() };
    let answers = rules(&[rule(RuleAction::Answer(answer))]);
    let asked = get("h", "/");
    let Some(Action::Answer(fixed)) = answers.decide(&asked.subject()).unwrap().action else { panic!() };
    assert_eq!(
        (fixed.status.as_u16(), &fixed.content_type, &fixed.body[..]),
        (503, &"text/html".parse().unwrap(), &b"later"[..])
    );
    let denies = rules(&[rule(RuleAction::Deny(429))]);
    let Some(Action::Deny(status)) = denies.decide(&asked.subject()).unwrap().action else { panic!() };
    assert_eq!(*status, 429);
}

#[test]
fn headers_are_edited_in_order_by_all_rules_that_fit() {
    let edit =
        |edits: &[HeaderEdit]| model::Rule { request_headers: edits.to_vec(), ..model::Rule::default() };
    let value = |text: &str| text.parse().unwrap();
    let rules = rules(&[
        edit(&[
            HeaderEdit::Delete("x-a".to_owned()),
            HeaderEdit::Set("x-b".to_owned(), value("{client}")),
            HeaderEdit::Add("x-b".to_owned(), value("was {path}")),
        ]),
        to("x", Conditions::default()),
        edit(&[HeaderEdit::Delete("x-b".to_owned())]),
    ]);
    let asked = get("h", "/p").with("x-a", "1").with("x-a", "2").with("x-b", "3");
    let asked = Asked { client: "2001:db8::9".parse().ok(), ..asked };
    let decision = rules.decide(&asked.subject()).unwrap();
    let changes = rules.changes(&decision.fitting, &asked.subject()).unwrap();
    let mut headers = asked.headers.clone();
    apply(changes.request, &mut headers);
    let lines: Vec<_> = headers.get_all("x-b").iter().map(|line| line.to_str().unwrap()).collect();
    assert_eq!(lines, ["2001:db8::9", "was /p"]);
    assert!(!headers.contains_key("x-a") && headers.contains_key("host"));
    assert_eq!((changes.answer, changes.target), (Vec::new(), None));
}

#[test]
fn patterns_are_looked_for_in_paths_and_headers() {
    let pattern = |text: &str| model::Pattern::new(text).unwrap();
    let path = |list: &[&str]| Conditions {
        path_regex: list.iter().map(|text| pattern(text)).collect(),
        ..Conditions::default()
    };
    check(path(&["^/v[0-9]+/", r"\.php$"]), &get("h", "/v12/a"), true);
    check(path(&["^/v[0-9]+/", r"\.php$"]), &get("h", "/x/%76//a.php?b"), true);
    check(path(&["^/v[0-9]+/"]), &get("h", "/x/v1/"), false);
    check(path(&["^/v[0-9]+/"]), &get("h", "/x/../%76%31//"), true);
    let header = Conditions {
        header: vec![HeaderCondition {
            name: "x-a".to_owned(),
            wanted: Wanted::Pattern(pattern("(?i)^curl/")),
        }],
        ..Conditions::default()
    };
    check(header.clone(), &get("h", "/").with("x-a", "b").with("X-A", "Curl/8"), true);
    check(header, &get("h", "/").with("x-a", "libcurl/8"), false);
}

#[test]
fn lines_of_a_header_are_replaced_one_by_one() {
    let replace = |regex: &str, with: &str| {
        let pattern = model::Pattern::new(regex).unwrap();
        HeaderEdit::Replace("x-a".to_owned(), model::Substitution::new(pattern, with).unwrap())
    };
    let rules = rules(&[model::Rule {
        response_headers: vec![replace("b+", "<$0>"), replace(" *gone", "")],
        ..model::Rule::default()
    }]);
    let asked = get("h", "/");
    let changes = rules.changes(&[0], &asked.subject()).unwrap();
    let mut headers = get("h", "/").with("x-a", "abba b").with("x-a", "c gone").with("x-b", "b").headers;
    apply(changes.answer, &mut headers);
    let lines: Vec<_> = headers.get_all("x-a").iter().map(|line| line.to_str().unwrap()).collect();
    assert_eq!((lines, headers["x-b"].to_str().unwrap()), (vec!["a<bb>a b", "c"], "b"));
}

#[test]
fn a_host_is_set_if_it_is_one() {
    let check = |value: &str, expect: Option<&str>| {
        let edit = HeaderEdit::Set("host".to_owned(), value.parse().unwrap());
        let rules = rules(&[model::Rule { request_headers: vec![edit], ..model::Rule::default() }]);
        let asked = Asked { client: "2001:db8::9".parse().ok(), ..get("a.example:8080", "/p") };
        let changes = rules.changes(&[0], &asked.subject()).ok();
        let host = changes.map(|changes| {
            let mut headers = asked.headers.clone();
            apply(changes.request, &mut headers);
            headers["host"].to_str().unwrap().to_owned()
        });
        assert_eq!(host.as_deref(), expect, "{value}");
    };
    check("b.example:81", Some("b.example:81"));
    check("{host}.internal", Some("a.example.internal"));
    check("[{client}]:80", Some("[2001:db8::9]:80"));
    check("{sni}", None);
    check("{path}", None);
}

/// Edits of all kinds, by what a client controls.
fn any_edit() -> impl Strategy<Value = HeaderEdit> {
    let value = || "(\\{path\\}|\\{query\\}|[ -~&&[^{}]]){0,4}".prop_map(|text| text.parse().unwrap());
    let name = || "x-[ab]".prop_map(String::from);
    let replace = ("[a-b.]", "[ -~&&[^$]]{0,4}").prop_map(|(regex, with)| {
        model::Substitution::new(model::Pattern::new(&regex).unwrap(), &with).unwrap()
    });
    prop_oneof![
        (name(), value()).prop_map(|(name, value)| HeaderEdit::Set(name, value)),
        (name(), value()).prop_map(|(name, value)| HeaderEdit::Add(name, value)),
        name().prop_map(HeaderEdit::Delete),
        (name(), replace).prop_map(|(name, replace)| HeaderEdit::Replace(name, replace)),
    ]
}

proptest! {
    #[test]
    fn edits_of_two_rules_are_those_of_one_and_write_no_control_characters(
        one in proptest::collection::vec(any_edit(), 0..4),
        two in proptest::collection::vec(any_edit(), 0..4),
        target in "/[a-z/.%?=\u{e4}]{0,8}",
        value in proptest::collection::vec(any::<u8>().prop_filter("a value", |b| *b == 9 || *b > 31 && *b != 127), 0..9),
    ) {
        let edited = |parts: &[&[HeaderEdit]]| {
            let rule = |edits: &&[HeaderEdit]| model::Rule { request_headers: edits.to_vec(), ..model::Rule::default() };
            let rules = rules(&parts.iter().map(rule).collect::<Vec<_>>());
            let mut asked = get("h", &target);
            asked.headers.insert("x-a", HeaderValue::from_bytes(&value).unwrap());
            let fitting: Vec<_> = (0..parts.len()).collect();
            let changes = rules.changes(&fitting, &asked.subject()).unwrap();
            apply(changes.request, &mut asked.headers);
            asked.headers
        };
        let (apart, together) = (edited(&[&one, &two]), edited(&[&[one.clone(), two.clone()].concat()]));
        prop_assert_eq!(&apart, &together);
        let untouched = |line: &HeaderValue| line.as_bytes() == &*value;
        let plain = |line: &HeaderValue| line.as_bytes().iter().all(|octet| !octet.is_ascii_control());
        prop_assert!(apart.values().all(|line| untouched(line) || plain(line)), "{:?}", apart);
    }

    #[test]
    fn values_of_ours_never_hold_control_characters(octets in proptest::collection::vec(any::<u8>(), 0..64)) {
        let value = template::header_value(&octets);
        prop_assert!(value.as_bytes().iter().all(|octet| !octet.is_ascii_control()));
    }

    #[test]
    fn a_rule_ahead_of_another_takes_what_both_fit(host in "[ab]\\.example", path in "(/[ab]){1,3}") {
        let by_host = Conditions { host: names(&["a.example"]), ..Conditions::default() };
        let by_path = Conditions { path_prefix: strings(&["/a"]), ..Conditions::default() };
        let both = rules(&[to("host", by_host), to("path", by_path)]);
        let expect = if host == "a.example" { Some("host") } else { path.starts_with("/a").then_some("path") };
        prop_assert_eq!(pool(&both, &get(&host, &path)), expect);
    }
}
