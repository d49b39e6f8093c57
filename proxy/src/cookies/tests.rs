use super::crumbs::{crumbs, without};
use super::reply::{Reply, keeps_private};
use super::state::{Answered, Asked, State};
use super::told::{Named, Told};
use super::*;
use config::model::CookieMode::{Insert, Passive, Prefix, Rewrite};
use config::model::{AppCookie, AppCookieMode, Cookie, CookieMode, SameSite};
use proptest::prelude::*;
use std::time::Duration;

/// A moment, in seconds since 1970, that is a step of dates.
const NOW: u64 = 1_700_000_000;

fn cookie(mode: CookieMode) -> Cookie {
    Cookie::new("SRV", mode)
}

fn indirect(mode: CookieMode) -> Cookie {
    Cookie { indirect: true, ..cookie(mode) }
}

const HOUR: Option<Duration> = Some(Duration::from_secs(3600));

/// `s1` and `s2` take their own, `down` takes nobody.
fn named(value: &[u8]) -> Named {
    match value {
        b"s1" => Named::Member(0),
        b"s2" => Named::Member(1),
        b"down" => Named::Down,
        _ => Named::Nobody,
    }
}

/// How a field comes out; `None`: not at all.
fn after(change: Change, field: &str) -> Option<String> {
    match change {
        Change::Keep => Some(field.to_owned()),
        Change::Replace(field) => Some(String::from_utf8(field).unwrap()),
        Change::Remove => None,
    }
}

fn hear(cookie: &Cookie, field: &str) -> (Told, Option<String>) {
    let mut told = Told::default();
    let change = told.hear(cookie, field.as_bytes(), NOW, named);
    (told, after(change, field))
}

#[test]
fn cookies_are_found_as_widely_as_clients_write_them() {
    let check = |field: &str, expect: &[(&str, Option<&str>)]| {
        let found: Vec<_> = crumbs(field.as_bytes())
            .map(|crumb| (&field[crumb.name], crumb.value.map(|value| &field[value])))
            .collect();
        assert_eq!(found, expect, "{field}");
    };
    check("", &[]);
    check("a=1; b=2", &[("a", Some("1")), ("b", Some("2"))]);
    check("a=1;b=;c", &[("a", Some("1")), ("b", Some("")), ("c", None)]);
    check(" a = 1 2 ;\tb= 3\t", &[("a", Some("1 2")), ("b", Some("3"))]);
    check("$Version=1, a=1,b=2", &[("$Version", Some("1")), ("a", Some("1")), ("b", Some("2"))]);
    check(r#"a="1;2,3"; b=x"y;z"w"#, &[("a", Some(r#""1;2,3""#)), ("b", Some(r#"x"y;z"w"#))]);
    check(r#"a="\";"; b=1"#, &[("a", Some(r#""\";""#)), ("b", Some("1"))]);
    check(r#"a="1; b="2; c=3"#, &[("a", Some(r#""1; b="2"#)), ("c", Some("3"))]);
    check(r#"a="1; b=2; c="3""#, &[("a", Some(r#""1"#)), ("b", Some("2")), ("c", Some(r#""3""#))]);
    check(r#"a=1; b="2; c=3"#, &[("a", Some("1")), ("b", Some(r#""2"#)), ("c", Some("3"))]);
    check(";;a=1;", &[("", None), ("", None), ("a", Some("1")), ("", None)]);
    check("=1; a==2", &[("", Some("1")), ("a", Some("=2"))]);
}

#[test]
fn one_cookie_is_taken_out_and_the_others_stay_as_they_are() {
    let check = |field: &str, expect: Option<&str>| {
        assert_eq!(after(without(field.as_bytes(), "SRV"), field).as_deref(), expect, "{field}");
    };
    check("a=1; b=2", Some("a=1; b=2"));
    check("SRV=s1", None);
    check(" SRV = s1 ; ", None);
    check("SRV=s1; a=1", Some("a=1"));
    check("a=1; SRV=s1", Some("a=1"));
    check("a=1; SRV=s1; b = \"x;y\"", Some("a=1; b = \"x;y\""));
    check("a=1;SRV=s1;b=2", Some("a=1;b=2"));
    check("SRV=s1; SRV=s2; a=1; SRV=s1", Some("a=1"));
    check("a=1, SRV=s1, b=2", Some("a=1, b=2"));
    check("srv=s1; XSRV=s1; SRVX=s1; SRV", Some("srv=s1; XSRV=s1; SRVX=s1; SRV"));
    check("a=\"; SRV=s1; \"; b=2", Some("a=\"; SRV=s1; \"; b=2"));
    check("$Version=1; SRV=s1; $Path=/; a=1; $Path=/b", Some("$Version=1; a=1; $Path=/b"));
    check("$Version=1; SRV=s1; $Path=/", None);
    check("SRV=s1; b", Some("b"));
}

#[test]
fn a_request_belongs_to_the_member_that_its_cookie_names() {
    let check = |field: &str, asked: Asked, member: Option<usize>| {
        let (told, left) = hear(&cookie(Insert), field);
        assert_eq!((told.asked, told.member, left.as_deref()), (asked, member, Some(field)), "{field}");
        let (told, _) = hear(&cookie(Rewrite), field);
        assert_eq!((told.asked, told.member), (asked, member), "{field}");
    };
    check("a=s1", Asked::None, None);
    check("SRV=s1", Asked::Valid, Some(0));
    check("SRV=s2|", Asked::Valid, Some(1));
    check("SRV=", Asked::Invalid, None);
    check("SRV=s3", Asked::Invalid, None);
    check("SRV=S1", Asked::Invalid, None);
    check("SRV=\"s1\"", Asked::Invalid, None);
    check("SRV=down", Asked::Down, None);
    check("SRV=down; SRV=s1", Asked::Valid, Some(0));
    check("SRV=s2; SRV=s1; SRV=down", Asked::Valid, Some(1));
    check("SRV=down; SRV=s3", Asked::Down, None);
}

#[test]
fn an_indirect_cookie_does_not_reach_the_member() {
    let check = |field: &str, asked: Asked, left: Option<&str>| {
        let (told, after) = hear(&indirect(Insert), field);
        assert_eq!((told.asked, after.as_deref()), (asked, left), "{field}");
    };
    check("a=1; SRV=s1; b=2", Asked::Valid, Some("a=1; b=2"));
    check("SRV=s3", Asked::Invalid, None);
    check("a=1", Asked::None, Some("a=1"));
}

#[test]
fn a_prefix_names_the_member_and_is_taken_off() {
    let check = |field: &str, asked: Asked, left: &str| {
        for cookie in [cookie(Prefix), indirect(Prefix)] {
            let (told, after) = hear(&cookie, field);
            assert_eq!((told.asked, after.as_deref()), (asked, Some(left)), "{field}");
        }
    };
    check("a=s1~1; SRV=s1~x~y; b=2", Asked::Valid, "a=s1~1; SRV=x~y; b=2");
    check("SRV=\"s1~x\"", Asked::Invalid, "SRV=x\"");
    check("SRV=s3~x; SRV=s2~y", Asked::Valid, "SRV=x; SRV=y");
    check("SRV=down~", Asked::Down, "SRV=");
    check("SRV=~x", Asked::Invalid, "SRV=x");
    check("SRV=abc", Asked::Invalid, "SRV=abc");
    check("SRV=s1|AAAAA~x", Asked::Invalid, "SRV=x");
}

#[test]
fn a_passive_cookie_names_the_member_and_stays() {
    let check = |field: &str, asked: Asked, place: Option<usize>| {
        for cookie in [cookie(Passive), indirect(Passive)] {
            let (told, after) = hear(&cookie, field);
            assert_eq!((told.asked, told.member, after.as_deref()), (asked, place, Some(field)));
            assert_eq!(Reply::new(&cookie, &told, Some("s1")).own(false, NOW), None, "{field}");
        }
    };
    check("a=1", Asked::None, None);
    check("a=1; SRV=s2; b=2", Asked::Valid, Some(1));
    check("SRV=s2|ZVPxA", Asked::Valid, Some(1));
    check("SRV=s2~x", Asked::Invalid, None);
    check("SRV=down", Asked::Down, None);
}

#[test]
fn dates_are_those_of_haproxy() {
    let mut value = b"s1".to_vec();
    dated::write(&mut value, NOW);
    assert_eq!(value, b"s1|ZVPxA");
    dated::write(&mut value, NOW - 4);
    assert_eq!(dated::read(&value), dated::Dated { member: b"s1", last: Some(NOW), first: Some(NOW - 4) });
    let check = |value: &str, last: Option<u64>, first: Option<u64>| {
        let read = dated::read(value.as_bytes());
        assert_eq!((read.member, read.last, read.first), (&b"s1"[..], last, first), "{value}");
    };
    check("s1", None, None);
    check("s1|", None, None);
    check("s1|ZVPx", None, None);
    check("s1|AAAAA", None, None);
    check("s1|ZVPx*|ZVPxA", None, Some(NOW));
    check("s1|ZVPxAxyz|ZVPxA|ZVPxA", Some(NOW), Some(NOW));
    check("s1|/////", Some(0xffff_fffc), None);
    assert_eq!([NOW, NOW + 1, NOW + 4].map(dated::rounded), [NOW, NOW + 4, NOW + 4]);
}

fn dates(last: u64, first: Option<u64>) -> String {
    let mut value = b"SRV=s1".to_vec();
    dated::write(&mut value, last);
    if let Some(first) = first {
        dated::write(&mut value, first);
    }
    String::from_utf8(value).unwrap()
}

#[test]
fn a_cookie_counts_for_as_long_as_it_is_told() {
    let check = |idle: Option<Duration>, life: Option<Duration>, field: &str, asked: Asked| {
        let cookie = Cookie { max_idle: idle, max_life: life, ..cookie(Insert) };
        let (told, _) = hear(&cookie, field);
        assert_eq!(told.asked, asked, "{cookie:?} {field}");
        assert_eq!(told.member.is_some(), asked == Asked::Valid, "{cookie:?} {field}");
    };
    check(HOUR, None, "SRV=s1", Asked::Valid);
    check(HOUR, None, &dates(NOW - 3600, None), Asked::Valid);
    check(HOUR, None, &dates(NOW - 3604, None), Asked::Expired);
    check(HOUR, None, &dates(NOW + 86_400, None), Asked::Valid);
    check(HOUR, None, &dates(NOW + 86_404, None), Asked::Expired);
    check(HOUR, None, &dates(NOW, Some(NOW - 999_996)), Asked::Valid);
    check(None, HOUR, &dates(NOW - 999_996, Some(NOW - 3600)), Asked::Valid);
    check(None, HOUR, &dates(NOW, Some(NOW - 3604)), Asked::Old);
    check(None, HOUR, &dates(NOW, Some(NOW + 86_404)), Asked::Old);
    check(HOUR, HOUR, &dates(NOW - 3604, Some(NOW - 3604)), Asked::Old);
    check(None, None, &dates(NOW - 999_996, Some(4)), Asked::Valid);
    check(HOUR, None, &format!("{}; SRV=s2", dates(NOW - 3604, None)), Asked::Valid);
}

/// What an answer's fields become: those of the member, then ours.
fn reply(cookie: &Cookie, told: &Told, member: Option<&str>, fields: &[&str]) -> (Vec<String>, Answered) {
    let mut reply = Reply::new(cookie, told, member);
    let mut left: Vec<_> =
        fields.iter().filter_map(|field| after(reply.hear(field.as_bytes()), field)).collect();
    left.extend(reply.own(false, NOW + 1).map(|own| String::from_utf8(own).unwrap()));
    (left, reply.answered)
}

/// Heard of a client of `s1`.
fn direct(cookie: &Cookie) -> Told {
    hear(cookie, "SRV=s1").0
}

#[test]
fn a_client_that_belongs_to_nobody_is_told_its_member() {
    let check = |cookie: &Cookie, member: Option<&str>, expect: &str| {
        let (fields, answered) = reply(cookie, &Told::default(), member, &["a=1"]);
        assert_eq!((fields, answered), (vec!["a=1".to_owned(), expect.to_owned()], Answered::Inserted));
    };
    check(&cookie(Insert), Some("s1"), "SRV=s1; path=/");
    check(&indirect(Insert), Some("s1"), "SRV=s1; path=/");
    check(&cookie(Insert), None, "SRV=; Expires=Thu, 01-Jan-1970 00:00:01 GMT; path=/");
    let mut dressed = Cookie {
        domain: vec!["a.example".to_owned(), ".b.example".to_owned()],
        secure: true,
        httponly: true,
        same_site: Some(SameSite::Lax),
        ..cookie(Insert)
    };
    check(
        &dressed,
        Some("s1"),
        "SRV=s1; path=/; domain=a.example; domain=.b.example; HttpOnly; Secure; SameSite=Lax",
    );
    dressed = Cookie { same_site: Some(SameSite::Strict), domain: Vec::new(), httponly: false, ..dressed };
    check(&dressed, Some("s1"), "SRV=s1; path=/; Secure; SameSite=Strict");
    check(
        &Cookie { same_site: Some(SameSite::None), ..dressed },
        Some("s1"),
        "SRV=s1; path=/; Secure; SameSite=None",
    );
    check(&Cookie { max_idle: HOUR, ..cookie(Insert) }, Some("s1"), "SRV=s1|ZVPxB; path=/");
    check(&Cookie { max_life: HOUR, ..cookie(Insert) }, Some("s1"), "SRV=s1|ZVPxB|ZVPxB; path=/");
}

#[test]
fn a_client_that_belongs_to_its_member_is_told_nothing() {
    for cookie in [cookie(Insert), indirect(Insert)] {
        assert_eq!(reply(&cookie, &direct(&cookie), Some("s1"), &[]), (vec![], Answered::None));
    }
    let mut lost = direct(&cookie(Insert));
    lost.redispatched();
    let (fields, answered) = reply(&cookie(Insert), &lost, Some("s2"), &[]);
    assert_eq!((fields, answered), (vec!["SRV=s2; path=/".to_owned()], Answered::Inserted));
    assert_eq!(lost.asked, Asked::Down);
}

#[test]
fn the_dates_of_a_client_are_kept_up() {
    let check = |idle: Option<Duration>, life: Option<Duration>, field: &str, expect: Option<&str>| {
        let cookie = Cookie { max_idle: idle, max_life: life, ..cookie(Insert) };
        let (fields, answered) = reply(&cookie, &hear(&cookie, field).0, Some("s1"), &[]);
        assert_eq!(fields.first().map(String::as_str), expect, "{cookie:?} {field}");
        let updated = if expect.is_some() { Answered::Updated } else { Answered::None };
        assert_eq!(answered, updated, "{cookie:?} {field}");
    };
    check(HOUR, None, "SRV=s1", Some("SRV=s1|ZVPxB; path=/"));
    check(HOUR, None, &dates(NOW, None), Some("SRV=s1|ZVPxB; path=/"));
    check(HOUR, None, &dates(NOW + 4, None), None);
    check(HOUR, None, &dates(NOW + 4, Some(NOW)), Some("SRV=s1|ZVPxB; path=/"));
    check(None, HOUR, &dates(NOW + 4, None), Some("SRV=s1|ZVPxB|ZVPxB; path=/"));
    check(None, HOUR, &dates(NOW + 4, Some(NOW - 4)), None);
    check(HOUR, HOUR, &dates(NOW - 4, Some(NOW - 4)), Some("SRV=s1|ZVPxB|ZVPw/; path=/"));
    check(None, None, &dates(NOW, None), Some("SRV=s1; path=/"));
    check(None, None, &dates(NOW + 4, None), None);
}

#[test]
fn what_members_set_under_the_name_is_treated_by_the_mode() {
    let member = ["SRV=abc; Path=/", "a=1", "SRV = \"x;y\" ; Secure", "SRV"];
    let check = |cookie: &Cookie, told: &Told, name: Option<&str>, expect: &[&str], answered: Answered| {
        let (fields, state) = reply(cookie, told, name, &member);
        assert_eq!(
            (fields.iter().map(String::as_str).collect::<Vec<_>>(), state),
            (expect.to_vec(), answered)
        );
    };
    let fresh = Told::default();
    let preserve = |cookie| Cookie { preserve: true, ..cookie };
    let own = "SRV=s1; path=/";
    check(&cookie(Insert), &fresh, Some("s1"), &["a=1", "SRV", own], Answered::Inserted);
    let stays = direct(&cookie(Insert));
    check(&cookie(Insert), &stays, Some("s1"), &["a=1", "SRV"], Answered::Deleted);
    check(&preserve(cookie(Insert)), &fresh, Some("s1"), &member, Answered::Passed);
    let rewritten = ["SRV=s1; Path=/", "a=1", "SRV = s1 ; Secure", "SRV"];
    check(&cookie(Rewrite), &fresh, Some("s1"), &rewritten, Answered::Rewritten);
    check(&cookie(Rewrite), &stays, Some("s1"), &rewritten, Answered::Rewritten);
    check(&cookie(Rewrite), &fresh, None, &member, Answered::Passed);
    let prefixed = ["SRV=s1~abc; Path=/", "a=1", "SRV = s1~\"x;y\" ; Secure", "SRV"];
    check(&cookie(Prefix), &stays, Some("s1"), &prefixed, Answered::Rewritten);
    check(&indirect(Prefix), &fresh, Some("s1"), &prefixed, Answered::Rewritten);
    check(&indirect(Prefix), &stays, Some("s1"), &["a=1", "SRV"], Answered::Deleted);
    check(&preserve(indirect(Prefix)), &stays, Some("s1"), &member, Answered::Passed);
    check(&cookie(Prefix), &fresh, None, &member, Answered::Passed);
    for told in [&fresh, &stays] {
        check(&cookie(Passive), told, Some("s1"), &member, Answered::Passed);
    }
    check(&indirect(Passive), &fresh, Some("s1"), &member, Answered::Passed);
    check(&indirect(Passive), &stays, Some("s1"), &["a=1", "SRV"], Answered::Deleted);
    check(&preserve(indirect(Passive)), &stays, Some("s1"), &member, Answered::Passed);
}

#[test]
fn a_cookie_for_posts_is_set_on_their_answers() {
    let cookie = Cookie { postonly: true, ..cookie(Insert) };
    let told = Told::default();
    let own = |is_post| Reply::new(&cookie, &told, Some("s1")).own(is_post, NOW);
    assert_eq!((own(true), own(false)), (Some(b"SRV=s1; path=/".to_vec()), None));
}

#[test]
fn what_no_cache_shares_is_known() {
    let check = |field: &str, expect: bool| assert_eq!(keeps_private(field.as_bytes()), expect, "{field}");
    check("private", true);
    check("max-age=5, Private", true);
    check("no-store", true);
    check("private=\"set-cookie\"", false);
    check("public", false);
    check("", false);
}

#[test]
fn states_have_the_letters_of_haproxy() {
    let asked = [Asked::None, Asked::Invalid, Asked::Down, Asked::Valid, Asked::Expired, Asked::Old];
    let answered = [
        Answered::None,
        Answered::Passed,
        Answered::Deleted,
        Answered::Inserted,
        Answered::Rewritten,
        Answered::Updated,
    ];
    let letters =
        asked.into_iter().zip(answered).map(|(asked, answered)| State { asked, answered }.letters());
    assert_eq!(letters.flatten().collect::<String>(), "NNIPDDVIEROU");
}

fn app(mode: Option<AppCookieMode>) -> AppCookie {
    AppCookie {
        name: "SID".to_owned(),
        length: 4,
        expire: Duration::from_secs(1),
        size: 1,
        prefix: false,
        request_learn: false,
        mode,
    }
}

fn text(value: &[u8]) -> &str {
    str::from_utf8(value).unwrap()
}

#[test]
fn sessions_are_found_in_cookies() {
    let check = |field: &str, plain: &[&str], prefix: &[&str]| {
        let (exact, prefixed) = (app(None), AppCookie { prefix: true, ..app(None) });
        let found = |cookie| session::of_request(cookie, field.as_bytes()).map(text).collect::<Vec<_>>();
        assert_eq!((found(&exact), found(&prefixed)), (plain.to_vec(), prefix.to_vec()), "{field}");
        let of_answer = |cookie| session::of_answer(cookie, field.as_bytes()).map(text);
        let is_first =
            |found: &[&str], first: Option<&str>| first.is_none() || first == found.first().copied();
        assert!(is_first(plain, of_answer(&exact)) && is_first(prefix, of_answer(&prefixed)), "{field}");
    };
    check("SID=abc; a=1", &["abc"], &["=abc"]);
    check("a=1; SID=abcdef; SID=x", &["abcd", "x"], &["=abc", "=x"]);
    check("SIDQA=x; XSID=1; sid=2", &[], &["QA=x"]);
    check("SID=; SID; SIDQ=", &[], &[]);
    check("SID=\"a;b\"; Path=/", &["\"a;b"], &["=\"a;"]);
}

#[test]
fn sessions_are_found_in_targets_where_asked() {
    let check = |mode, path: &str, query: Option<&str>, plain: Option<&str>, prefix: Option<&str>| {
        let (exact, prefixed) = (app(mode), AppCookie { prefix: true, ..app(mode) });
        let found = |cookie: &AppCookie| session::of_target(cookie, path, query).map(|v| text(v).to_owned());
        assert_eq!(
            (found(&exact).as_deref(), found(&prefixed).as_deref()),
            (plain, prefix),
            "{path} {query:?}"
        );
    };
    let path = Some(AppCookieMode::PathParameters);
    check(path, "/a;sid=abc/b;x=1", None, Some("abc"), Some("=abc"));
    check(path, "/a/b;x=1;SID=abcdef", Some("sid=no"), Some("abcd"), Some("=abc"));
    check(path, "/sid=abc;sid;sid=", None, None, None);
    check(path, "/;sidqa=x", None, None, Some("qa=x"));
    check(path, "/;si=x", None, None, None);
    let query = Some(AppCookieMode::QueryString);
    check(query, "/a;sid=no", Some("x=1&Sid=abc&sid=z"), Some("abc"), Some("=abc"));
    check(query, "/", Some("sid&sid="), None, None);
    check(query, "/", None, None, None);
    check(None, "/;sid=abc", Some("sid=abc"), None, None);
}

/// Fields as clients write them, and worse.
fn field() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("SRV=s1".to_owned()),
        Just("SRV = s2|ZVPxA".to_owned()),
        Just("SRV=s1~x".to_owned()),
        "[a-zA-Z]{1,4}=[a-z0-9~|]{0,5}",
        "[$\"\\\\;, =a-zSRV]{0,8}",
    ];
    (proptest::collection::vec(part, 0..6), prop_oneof![Just("; "), Just(";"), Just(", "), Just(" ;")])
        .prop_map(|(parts, separator)| parts.join(separator))
}

fn others(field: &[u8]) -> Vec<Vec<u8>> {
    let is_other = |crumb: &crumbs::Crumb| crumb.value_of(field, "SRV").is_none() && !crumb.name.is_empty();
    let text = |crumb: crumbs::Crumb| {
        let end = crumb.value.map_or(crumb.name.end, |value| value.end);
        field[crumb.name.start..end].to_vec()
    };
    crumbs(field).filter(is_other).map(text).collect()
}

proptest! {
    #[test]
    fn crumbs_cover_the_field_without_gaps(field in field()) {
        let mut at = 0;
        for crumb in crumbs(field.as_bytes()) {
            prop_assert_eq!(crumb.whole.start, at);
            prop_assert!(crumb.name.start <= crumb.name.end && crumb.name.end <= crumb.whole.end);
            at = crumb.whole.end;
        }
        prop_assert_eq!(at, field.len());
    }

    #[test]
    fn all_other_cookies_come_through_octet_for_octet(field in field()) {
        let field = field.replace(['$', '"'], "q");
        let expect = others(field.as_bytes());
        match without(field.as_bytes(), "SRV") {
            Change::Keep => prop_assert!(crumbs(field.as_bytes()).all(|one| one.value_of(field.as_bytes(), "SRV").is_none())),
            Change::Remove => prop_assert!(expect.is_empty(), "{:?}", expect),
            Change::Replace(left) => {
                prop_assert_eq!(others(&left), expect);
                prop_assert_eq!(without(&left, "SRV"), Change::Keep);
            }
        }
        if let (_, Some(left)) = hear(&cookie(Prefix), &field) {
            prop_assert_eq!(others(left.as_bytes()), others(field.as_bytes()));
        }
    }

    #[test]
    fn a_client_that_keeps_our_cookie_comes_back(
        mode in proptest::sample::select(vec![Insert, Rewrite, Prefix]),
        flags in any::<[bool; 5]>(),
        session in "[a-z0-9~|]{1,8}",
        since in 0u64..3000,
        other in field(),
    ) {
        let other = other.replace('"', "q").replace("SRV", "other");
        let [hides, preserve, idle, life, dates] = flags;
        let limit = |asked: bool| HOUR.filter(|_| asked && mode == Insert);
        let cookie = Cookie {
            indirect: hides && mode == Insert,
            preserve: preserve && mode == Insert,
            max_idle: limit(idle),
            max_life: limit(life),
            ..cookie(mode)
        };
        // What the member sets, or nothing where the cookie is ours.
        let set = if mode == Insert { vec![] } else { vec![format!("SRV={session}; Path=/")] };
        let set: Vec<&str> = set.iter().map(String::as_str).collect();
        let (fields, _) = reply(&cookie, &Told::default(), Some("s2"), &set);
        let kept = fields[0].split("; ").next().unwrap();
        let request = format!("{other}; {kept}");
        let later = Cookie { max_idle: limit(idle || dates), max_life: limit(life || dates), ..cookie };
        let mut told = Told::default();
        let change = told.hear(&later, request.as_bytes(), NOW + since, named);
        prop_assert_eq!((told.asked, told.member), (Asked::Valid, Some(1)), "{}", request);
        if mode == Prefix {
            let left = after(change, &request);
            prop_assert_eq!(left, Some(format!("{other}; SRV={session}")));
        }
    }
}
