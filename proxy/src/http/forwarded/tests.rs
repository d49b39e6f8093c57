use super::*;
use ForwardedField::{EmbeddedV4, Forwarded, Host, Port, Proto, RealIp};
use ForwardedFor::{Append, Off, Replace};
use config::model::Mode;

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers
            .append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// The list alone, as [`Forwarding::new`] has it but for the field beside it.
fn plain(mode: ForwardedFor) -> Forwarding {
    Forwarding { forwarded_for: mode, fields: Vec::new(), ..Forwarding::new(Mode::Http) }
}

fn trusting(model: Forwarding) -> Forwarding {
    let networks = ["2001:db8::1/128", "192.0.2.128/25"];
    Forwarding { trusted_proxies: networks.map(|net| net.parse().unwrap()).into(), ..model }
}

fn translated(prefixes: &[&str]) -> Translated {
    Translated::new(prefixes.iter().map(|prefix| prefix.parse().unwrap()))
}

const CLIENT: &str = "[2001:db8::1]:54321";

fn told_of(model: &Forwarding, client: &str, encrypted: bool, fields: &[(&str, &str)]) -> Vec<String> {
    let ends = Ends::new(client.parse().unwrap(), "[2001:db8::80]:8080".parse().unwrap());
    let known = Known { ends: Some(ends), written: &OnceCell::new(), encrypted };
    let mut headers = headers(fields);
    Teller::new(model, &translated(&["2001:db8:64::/96"])).tell(&mut headers, known);
    let mut left: Vec<_> =
        headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    left.sort_unstable();
    left.iter().map(|(name, value)| format!("{name}: {value}")).collect()
}

fn check(model: &Forwarding, fields: &[(&str, &str)], expect: &[&str]) {
    assert_eq!(told_of(model, CLIENT, false, fields), expect, "{model:?}, {fields:?}");
}

const SPOOFED: [(&str, &str); 8] = [
    ("accept", "a"),
    ("X-Forwarded-For", "192.0.2.66"),
    ("X-Forwarded-Proto", "https"),
    ("X_Forwarded_For", "192.0.2.67"),
    ("X.Forwarded.For", "192.0.2.67"),
    ("X-Forwarded_Host", "b.example"),
    ("Forwarded", "for=192.0.2.68"),
    ("X-Real-IP", "192.0.2.69"),
];

#[test]
fn a_client_that_says_nothing_is_told_by_its_address() {
    for mode in [Append, Replace] {
        for model in [plain(mode), trusting(plain(mode))] {
            check(&model, &[], &["x-forwarded-for: 2001:db8::1"]);
        }
    }
    check(&plain(Off), &[], &[]);
}

#[test]
fn what_an_untrusted_client_says_of_itself_is_removed() {
    for mode in [Append, Replace] {
        check(&plain(mode), &SPOOFED, &["accept: a", "x-forwarded-for: 2001:db8::1"]);
    }
}

#[test]
fn the_list_of_a_trusted_proxy_goes_on() {
    check(
        &trusting(plain(Append)),
        &SPOOFED,
        &[
            "accept: a",
            "forwarded: for=192.0.2.68",
            "x-forwarded-for: 192.0.2.66, 2001:db8::1",
            "x-forwarded-proto: https",
            "x-real-ip: 192.0.2.69",
        ],
    );
}

#[test]
fn lines_of_a_list_become_one_line() {
    check(
        &trusting(plain(Append)),
        &[
            ("x-forwarded-for", "192.0.2.1, 192.0.2.2"),
            ("x-forwarded-for", ""),
            ("x-forwarded-for", "192.0.2.3"),
        ],
        &["x-forwarded-for: 192.0.2.1, 192.0.2.2, 192.0.2.3, 2001:db8::1"],
    );
}

#[test]
fn replace_keeps_no_list_even_of_a_trusted_proxy() {
    let model = Forwarding { fields: vec![Proto, RealIp, Forwarded], ..trusting(plain(Replace)) };
    check(
        &model,
        &[
            ("x-forwarded-for", "192.0.2.1"),
            ("forwarded", "for=192.0.2.1"),
            ("x-real-ip", "192.0.2.1"),
            ("x-forwarded-proto", "https"),
        ],
        &[
            "forwarded: for=\"[2001:db8::1]:54321\";proto=http",
            "x-forwarded-for: 2001:db8::1",
            "x-forwarded-proto: https",
            "x-real-ip: 2001:db8::1",
        ],
    );
}

#[test]
fn off_leaves_everything_as_it_came_but_what_is_asked_for() {
    let lines = |doomed: &[&str]| {
        let mut lines: Vec<_> = SPOOFED
            .iter()
            .filter(|(name, _)| !doomed.contains(name))
            .map(|(name, value)| format!("{}: {value}", name.to_ascii_lowercase()))
            .collect();
        lines.sort();
        lines
    };
    assert_eq!(told_of(&plain(Off), CLIENT, false, &SPOOFED), lines(&[]));
    let model = Forwarding { fields: vec![RealIp], ..plain(Off) };
    let mut expect = lines(&["X-Real-IP"]);
    expect.push("x-real-ip: 2001:db8::1".to_owned());
    expect.sort();
    let fields = [SPOOFED.as_slice(), &[("X_Real_IP", "192.0.2.70")]].concat();
    assert_eq!(told_of(&model, CLIENT, false, &fields), expect);
}

#[test]
fn addresses_are_written_in_their_canonical_form() {
    let check = |client: &str, expect: &str| {
        let told = told_of(&plain(Append), client, false, &[]);
        assert_eq!(told, [format!("x-forwarded-for: {expect}")], "{client}");
    };
    check("[2001:DB8:0:0:1:0:0:1]:1", "2001:db8::1:0:0:1");
    check("[2001:db8:0:1:1:1:1:1]:1", "2001:db8:0:1:1:1:1:1");
    check("[::ffff:192.0.2.1]:1", "192.0.2.1");
    check("192.0.2.1:1", "192.0.2.1");
    check("[::1]:1", "::1");
    check("[fe80::1%7]:1", "fe80::1");
    check("[64:ff9b::c000:201]:1", "64:ff9b::c000:201");
}

#[test]
fn the_list_may_stand_in_another_header() {
    let model = Forwarding { header: "X-Client".to_owned(), ..plain(Append) };
    let fields = [("x-client", "192.0.2.1"), ("X_Client", "192.0.2.2"), ("x-forwarded-for", "192.0.2.3")];
    check(&model, &fields, &["x-client: 2001:db8::1"]);
    check(&trusting(model), &fields, &["x-client: 192.0.2.1, 2001:db8::1", "x-forwarded-for: 192.0.2.3"]);
}

#[test]
fn excepted_clients_are_not_added() {
    let except = |model| Forwarding { except: vec!["2001:db8::/32".parse().unwrap()], ..model };
    let fields = [("x-forwarded-for", "192.0.2.1")];
    check(&except(plain(Append)), &fields, &[]);
    for mode in [Append, Replace] {
        check(&except(trusting(plain(mode))), &fields, &["x-forwarded-for: 192.0.2.1"]);
        check(&except(trusting(plain(mode))), &[], &[]);
    }
    let other = told_of(&except(plain(Append)), "192.0.2.7:1", false, &fields);
    assert_eq!(other, ["x-forwarded-for: 192.0.2.7"]);
}

#[test]
fn a_list_that_is_believed_may_be_left_alone() {
    let if_none = |model| Forwarding { if_none: true, ..model };
    let fields = [("x-forwarded-for", "192.0.2.1")];
    for mode in [Append, Replace] {
        check(&if_none(trusting(plain(mode))), &fields, &["x-forwarded-for: 192.0.2.1"]);
        check(&if_none(trusting(plain(mode))), &[], &["x-forwarded-for: 2001:db8::1"]);
        check(&if_none(plain(mode)), &fields, &["x-forwarded-for: 2001:db8::1"]);
    }
}

const ALL: [ForwardedField; 6] = [Proto, Port, Host, RealIp, Forwarded, EmbeddedV4];

#[test]
fn every_field_that_is_asked_for_tells_of_the_client() {
    let model = Forwarding { fields: ALL.to_vec(), ..plain(Append) };
    let fields = [("host", "web.example:81"), ("x-forwarded-for-v4", "192.0.2.1")];
    let check = |client: &str, encrypted: bool, expect: &[&str]| {
        assert_eq!(told_of(&model, client, encrypted, &fields), expect, "{client}");
    };
    check(
        CLIENT,
        true,
        &[
            "forwarded: for=\"[2001:db8::1]:54321\";host=\"web.example:81\";proto=https",
            "host: web.example:81",
            "x-forwarded-for: 2001:db8::1",
            "x-forwarded-host: web.example:81",
            "x-forwarded-port: 8080",
            "x-forwarded-proto: https",
            "x-real-ip: 2001:db8::1",
        ],
    );
    check(
        "[2001:db8:64::c633:6407]:7",
        false,
        &[
            "forwarded: for=\"[2001:db8:64::c633:6407]:7\";host=\"web.example:81\";proto=http",
            "host: web.example:81",
            "x-forwarded-for: 2001:db8:64::c633:6407",
            "x-forwarded-for-v4: 198.51.100.7",
            "x-forwarded-host: web.example:81",
            "x-forwarded-port: 8080",
            "x-forwarded-proto: http",
            "x-real-ip: 2001:db8:64::c633:6407",
        ],
    );
}

#[test]
fn the_embedded_address_is_told_of_translated_clients_alone() {
    let model = Forwarding { fields: vec![EmbeddedV4], ..plain(Append) };
    let check = |client: &str, expect: Option<&str>| {
        let told = told_of(&model, client, false, &[]);
        let found = told.iter().find_map(|line| line.strip_prefix("x-forwarded-for-v4: "));
        assert_eq!(found, expect, "{client}");
    };
    check("[64:ff9b::198.51.100.7]:1", Some("198.51.100.7"));
    check("[2001:db8:64::198.51.100.7]:1", Some("198.51.100.7"));
    check("[2001:db8:65::198.51.100.7]:1", None);
    check("[::ffff:198.51.100.7]:1", None);
    check("198.51.100.7:1", None);
}

#[test]
fn what_a_trusted_proxy_has_set_stands_and_the_rest_is_filled_in() {
    let model = Forwarding { fields: ALL.to_vec(), ..trusting(plain(Append)) };
    let fields = [
        ("host", "web.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "outer.example"),
        ("x-forwarded-for", "64:ff9b::c633:6407"),
        ("x-real-ip", "192.0.2.1"),
        ("forwarded", "for=\"[64:ff9b::c633:6407]\", for=192.0.2.130"),
        ("forwarded", "for=_b"),
    ];
    check(
        &model,
        &fields,
        &[
            "forwarded: for=\"[64:ff9b::c633:6407]\", for=192.0.2.130, for=_b, for=\"[2001:db8::1]:54321\";host=web.example;proto=http",
            "host: web.example",
            "x-forwarded-for: 64:ff9b::c633:6407, 2001:db8::1",
            "x-forwarded-for-v4: 198.51.100.7",
            "x-forwarded-host: outer.example",
            "x-forwarded-port: 8080",
            "x-forwarded-proto: https",
            "x-real-ip: 64:ff9b::c633:6407",
        ],
    );
    let only = Forwarding { fields: vec![RealIp], ..trusting(plain(Append)) };
    check(&only, &[("x-real-ip", "192.0.2.1")], &["x-forwarded-for: 2001:db8::1", "x-real-ip: 192.0.2.1"]);
}

#[test]
fn the_real_address_is_that_of_the_first_who_is_no_proxy() {
    let model = |hops| Forwarding { fields: vec![RealIp], trusted_hops: hops, ..trusting(plain(Append)) };
    let check = |hops: Option<u8>, list: &str, expect: &str| {
        let told = told_of(&model(hops), CLIENT, false, &[("x-forwarded-for", list)]);
        assert_eq!(told[1], format!("x-real-ip: {expect}"), "{list}, {hops:?}");
        let ends = Ends::new(CLIENT.parse().unwrap(), "[2001:db8::80]:8080".parse().unwrap());
        let client = Teller::new(&model(hops), &translated(&[]))
            .client(&headers(&[("x-forwarded-for", list)]), Some(ends));
        assert_eq!(client, Some(expect.parse().unwrap()), "{list}, {hops:?}");
    };
    check(None, "192.0.2.1, 192.0.2.2, 192.0.2.130", "192.0.2.2");
    check(None, "192.0.2.131, 192.0.2.130", "192.0.2.131");
    check(None, "192.0.2.1, unknown, 192.0.2.130", "192.0.2.130");
    check(None, "unknown", "2001:db8::1");
    check(None, "192.0.2.2:80", "192.0.2.2");
    check(None, "[2001:db8::2]:80", "2001:db8::2");
    check(None, "[2001:db8::2]", "2001:db8::2");
    check(None, "::ffff:192.0.2.2", "192.0.2.2");
    check(Some(1), "192.0.2.1, 192.0.2.130", "192.0.2.130");
    check(Some(2), "192.0.2.66, 192.0.2.1, 192.0.2.130", "192.0.2.1");
    check(Some(3), "192.0.2.1", "192.0.2.1");
}

#[test]
fn what_stands_before_the_trusted_hops_is_removed() {
    let model = |hops| Forwarding { trusted_hops: Some(hops), ..trusting(plain(Append)) };
    let fields = [
        ("x-forwarded-for", "192.0.2.66, 192.0.2.1"),
        ("x-forwarded-for", "192.0.2.130"),
        ("forwarded", "for=a, for=b;by=\"x,y\""),
    ];
    let check = |hops: u8, list: &str, elements: &str| {
        let expect = [format!("forwarded: {elements}"), format!("x-forwarded-for: {list}, 2001:db8::1")];
        assert_eq!(told_of(&model(hops), CLIENT, false, &fields), expect, "{hops}");
    };
    check(1, "192.0.2.130", "for=b;by=\"x,y\"");
    check(2, "192.0.2.1, 192.0.2.130", "for=a, for=b;by=\"x,y\"");
    check(3, "192.0.2.66, 192.0.2.1, 192.0.2.130", "for=a, for=b;by=\"x,y\"");
}

#[test]
fn only_forwarding_names_are_meant() {
    let teller = Teller::new(&plain(Append), &translated(&[]));
    for name in [
        "x-forwarded-for",
        "x-forwarded-",
        "x-forwarded-anything",
        "x~forwarded.for",
        "forwarded",
        "x-real-ip",
        "x_real_ip",
    ] {
        assert!(teller.is_told_in(name), "{name}");
    }
    for name in ["x-forward", "x-forwarded", "forwarded-by", "x-real-ip-2", "x-real", "via", "x", ""] {
        assert!(!teller.is_told_in(name), "{name}");
    }
}

#[test]
fn the_names_of_all_fields_are_tokens() {
    for field in ALL {
        assert!(HeaderName::from_bytes(field.name().as_bytes()).is_ok(), "{field:?}");
    }
}

#[test]
fn nothing_is_invented_for_a_client_without_an_address() {
    let check = |model: &Forwarding, expect: &[(&str, &str)]| {
        let mut headers = headers(&[("x-forwarded-for", "192.0.2.66"), ("x-real-ip", "192.0.2.66")]);
        let known = Known { ends: None, written: &OnceCell::new(), encrypted: false };
        Teller::new(model, &translated(&[])).tell(&mut headers, known);
        let left: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(left, expect, "{model:?}");
    };
    check(&plain(Append), &[]);
    check(&plain(Replace), &[]);
    check(&plain(Off), &[("x-forwarded-for", "192.0.2.66"), ("x-real-ip", "192.0.2.66")]);
    let all = Forwarding { fields: vec![Port, RealIp, EmbeddedV4, Forwarded], ..plain(Append) };
    check(&all, &[("forwarded", "for=unknown;proto=http")]);
}
