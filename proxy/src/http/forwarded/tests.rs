use super::*;

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers
            .append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn check(mode: ForwardedFor, trusted: bool, fields: &[(&str, &str)], expect: &[(&str, &str)]) {
    let mut headers = headers(fields);
    apply(&mut headers, mode, Some("2001:db8::1".parse().unwrap()), trusted);
    let mut left: Vec<_> =
        headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    left.sort_unstable();
    assert_eq!(left, expect, "{mode:?}, trusted: {trusted}, {fields:?}");
}

use ForwardedFor::{Append, Off, Replace};

const SPOOFED: [(&str, &str); 7] = [
    ("accept", "a"),
    ("X-Forwarded-For", "192.0.2.66"),
    ("X-Forwarded-Proto", "https"),
    ("X_Forwarded_For", "192.0.2.67"),
    ("X-Forwarded_Host", "b.example"),
    ("Forwarded", "for=192.0.2.68"),
    ("X-Real-IP", "192.0.2.69"),
];

#[test]
fn a_client_that_says_nothing_is_told_by_its_address() {
    for mode in [Append, Replace] {
        for trusted in [false, true] {
            check(mode, trusted, &[], &[("x-forwarded-for", "2001:db8::1")]);
        }
    }
    check(Off, false, &[], &[]);
}

#[test]
fn what_an_untrusted_client_says_of_itself_is_removed() {
    for mode in [Append, Replace] {
        check(mode, false, &SPOOFED, &[("accept", "a"), ("x-forwarded-for", "2001:db8::1")]);
    }
}

#[test]
fn the_list_of_a_trusted_proxy_goes_on() {
    check(
        Append,
        true,
        &SPOOFED,
        &[
            ("accept", "a"),
            ("forwarded", "for=192.0.2.68"),
            ("x-forwarded-for", "192.0.2.66, 2001:db8::1"),
            ("x-forwarded-proto", "https"),
            ("x-real-ip", "192.0.2.69"),
        ],
    );
}

#[test]
fn lines_of_a_list_become_one_line() {
    check(
        Append,
        true,
        &[
            ("x-forwarded-for", "192.0.2.1, 192.0.2.2"),
            ("x-forwarded-for", ""),
            ("x-forwarded-for", "192.0.2.3"),
        ],
        &[("x-forwarded-for", "192.0.2.1, 192.0.2.2, 192.0.2.3, 2001:db8::1")],
    );
}

#[test]
fn replace_keeps_no_list_even_of_a_trusted_proxy() {
    check(
        Replace,
        true,
        &[("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", "https")],
        &[("x-forwarded-for", "2001:db8::1"), ("x-forwarded-proto", "https")],
    );
}

#[test]
fn off_leaves_everything_as_it_came() {
    let mut expect: Vec<_> =
        SPOOFED.iter().map(|(name, value)| (name.to_ascii_lowercase(), *value)).collect();
    expect.sort();
    let expect: Vec<_> = expect.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    check(Off, false, &SPOOFED, &expect);
}

#[test]
fn addresses_are_written_in_their_canonical_form() {
    let check = |client: &str, expect: &str| {
        let mut headers = HeaderMap::new();
        apply(&mut headers, Append, Some(client.parse().unwrap()), false);
        assert_eq!(headers[X_FORWARDED_FOR], expect, "{client}");
    };
    check("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1");
    check("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1");
    check("::ffff:192.0.2.1", "192.0.2.1");
    check("192.0.2.1", "192.0.2.1");
    check("::1", "::1");
    check("64:ff9b::c000:201", "64:ff9b::c000:201");
}

#[test]
fn only_forwarding_names_are_meant() {
    for name in
        ["x-forwarded-for", "x-forwarded-", "x-forwarded-anything", "forwarded", "x-real-ip", "x_real_ip"]
    {
        assert!(tells_of_the_client(name), "{name}");
    }
    for name in ["x-forward", "x-forwarded", "forwarded-by", "x-real-ip-2", "x-real", "via", "x", ""] {
        assert!(!tells_of_the_client(name), "{name}");
    }
}

#[test]
fn nothing_is_invented_for_a_client_without_an_address() {
    let check = |mode: ForwardedFor, expect: &[(&str, &str)]| {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static("192.0.2.66"));
        headers.insert("x-real-ip", HeaderValue::from_static("192.0.2.66"));
        apply(&mut headers, mode, None, false);
        let left: Vec<_> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(left, expect, "{mode:?}");
    };
    check(Append, &[]);
    check(Replace, &[]);
    check(Off, &[("x-forwarded-for", "192.0.2.66"), ("x-real-ip", "192.0.2.66")]);
}
