//! CNAME and DNAME records (RFC 6147 §5.1.5).

use super::*;

#[test]
fn a_chain_is_kept_from_the_a_answer_with_its_ttls() {
    let aliases = "www.example 30 CNAME a.example, a.example 20 CNAME b.example";
    let negative = aaaa(&format!("{aliases} | example 900 SOA 300"));
    assert_eq!(
        answers(negative, a(&format!("{aliases}, b.example 60 A 192.0.2.1"))),
        [
            "www.example. 30 CNAME a.example.",
            "a.example. 20 CNAME b.example.",
            "b.example. 60 AAAA 2001:db8:64::c000:201",
        ]
    );
}

#[test]
fn chains_that_differ_are_not_mixed() {
    let negative = aaaa("www.example 30 CNAME six.example | example 900 SOA 300");
    assert_eq!(
        answers(negative, a("www.example 30 CNAME four.example, four.example 60 A 192.0.2.1")),
        ["www.example. 30 CNAME four.example.", "four.example. 60 AAAA 2001:db8:64::c000:201"]
    );
}

#[test]
fn a_chain_that_ends_without_any_address_is_passed_with_its_proof() {
    let negative = aaaa("www.example 30 CNAME a.example | example 900 SOA 300");
    let Ok(expect) = negative.clone() else { unreachable!() };
    let no_a = a("www.example 30 CNAME a.example | example 900 SOA 300");
    assert_eq!(reply(negative, Some(no_a), &default()), Reply::forwarded(expect));
}

#[test]
fn real_aaaa_at_the_end_of_a_chain_is_returned_untouched() {
    let real = aaaa("www.example 30 CNAME a.example, a.example 60 AAAA 2001:db8::1");
    let Ok(expect) = real.clone() else { unreachable!() };
    assert_eq!(reply(real, None, &default()), Reply::forwarded(expect));
}

#[test]
fn a_dname_and_the_cname_made_of_it_are_both_kept() {
    let dname = "example 30 DNAME example.net, www.example 30 CNAME www.example.net, example 30 RRSIG DNAME";
    let synthesized = answers(aaaa(NO_DATA), a(&format!("{dname}, www.example.net 60 A 192.0.2.1")));
    assert_eq!(synthesized.len(), 4, "{synthesized:?}");
    assert!(synthesized[0].starts_with("example. 30 DNAME"));
    assert_eq!(synthesized[1], "www.example. 30 CNAME www.example.net.");
    assert_eq!(synthesized[3], "www.example.net. 60 AAAA 2001:db8:64::c000:201");
}

#[test]
fn signatures_of_aliases_stay_and_that_of_a_goes() {
    let signed = "www.example 30 CNAME a.example, www.example 30 RRSIG CNAME, a.example 60 A 192.0.2.1, \
        a.example 60 RRSIG A";
    let types: Vec<_> = built(reply(aaaa(NO_DATA), Some(a(signed)), &default()))
        .answers
        .iter()
        .map(Record::record_type)
        .collect();
    assert_eq!(types, [RecordType::CNAME, RecordType::RRSIG, RecordType::AAAA]);
}

#[test]
fn a_loop_ends_and_yields_nothing() {
    let circle = "www.example 30 CNAME a.example, a.example 30 CNAME www.example";
    let negative = aaaa(circle);
    let Ok(expect) = negative.clone() else { unreachable!() };
    assert_eq!(reply(negative, Some(a(circle)), &default()), Reply::forwarded(expect));
}

#[test]
fn a_long_legal_chain_is_followed() {
    let mut links = vec!["www.example 30 CNAME n0.example".to_owned()];
    links.extend((0..11).map(|i| format!("n{i}.example 30 CNAME n{}.example", i + 1)));
    links.push("n11.example 60 A 192.0.2.1".into());
    let synthesized = answers(aaaa(NO_DATA), a(&links.join(",")));
    assert_eq!(synthesized.len(), 13);
    assert_eq!(synthesized[12], "n11.example. 60 AAAA 2001:db8:64::c000:201");
}

#[test]
fn a_chain_without_an_end_is_a_failure_and_not_the_absence_of_addresses() {
    let links: Vec<_> = (0..17).map(|i| format!("n{i}.example 30 CNAME n{}.example", i + 1)).collect();
    let text = |end: &str| format!("www.example 30 CNAME n0.example,{},{end}", links.join(","));
    let real = aaaa(&text("n17.example 60 AAAA 2001:db8::1"));
    assert_eq!(reply(real, None, &default()), Reply::failed(Failure::Endless));
    let v4 = a(&text("n17.example 60 A 192.0.2.1"));
    assert_eq!(reply(aaaa(NO_DATA), Some(v4), &default()), Reply::failed(Failure::Endless));
}

#[test]
fn only_what_is_left_of_a_dname_chain_is_filtered() {
    let mixed = aaaa(
        "Example 30 DNAME example.net, Www.Example 30 CNAME Www.example.net, \
         www.Example.net 60 AAAA ::ffff:192.0.2.9, www.Example.net 60 AAAA 2001:db8::1",
    );
    let kept = shown(&built(reply(mixed, None, &default())).answers);
    assert!(kept[0].starts_with("Example. 30 DNAME"), "{kept:?}");
    assert_eq!(kept[1..], ["Www.Example. 30 CNAME www.example.net.", "www.Example.net. 60 AAAA 2001:db8::1"]);
}

#[test]
fn records_of_another_owner_do_not_count() {
    let unrelated = aaaa("other.example 60 AAAA 2001:db8::1 | example 900 SOA 300");
    assert_eq!(
        answers(unrelated, a("other.example 60 A 192.0.2.9, www.example 60 A 192.0.2.1")),
        ["www.example. 60 AAAA 2001:db8:64::c000:201"]
    );
}
