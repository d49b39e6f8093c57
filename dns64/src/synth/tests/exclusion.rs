//! AAAA records that count as absent (RFC 6147 §5.1.4).

use super::*;

#[test]
fn only_excluded_aaaa_counts_as_none() {
    let mapped = aaaa("www.example 50 AAAA ::ffff:192.0.2.9");
    assert_eq!(
        answers(mapped, a("www.example 60 A 192.0.2.1")),
        ["www.example. 50 AAAA 2001:db8:64::c000:201"],
        "the TTL is at most the excluded record's"
    );
}

#[test]
fn excluded_aaaa_beside_good_ones_is_left_out_with_the_signature() {
    let mixed = aaaa(
        "www.example 60 AAAA 2001:db8::1, www.example 60 AAAA ::ffff:192.0.2.9, www.example 60 RRSIG AAAA, \
         www.example 60 AAAA 2001:db8::2",
    );
    let reply = reply(mixed, None, &default());
    assert_eq!(reply.origin, Origin::Filtered);
    assert_eq!(
        shown(&built(reply).answers),
        ["www.example. 60 AAAA 2001:db8::1", "www.example. 60 AAAA 2001:db8::2"]
    );
}

#[test]
fn another_dns64s_records_can_be_excluded_and_made_anew() {
    let mut policy = default();
    policy.exclude.push("64:ff9b::/96".parse().unwrap());
    let chained = aaaa("www.example 60 AAAA 64:ff9b::192.0.2.1");
    let reply = reply(chained, Some(a("www.example 60 A 192.0.2.1")), &policy);
    assert_eq!(shown(&built(reply).answers), ["www.example. 60 AAAA 2001:db8:64::c000:201"]);
}

#[test]
fn excluded_aaaa_never_leaks_where_there_is_no_a() {
    let excluded = || aaaa("www.example 60 AAAA ::ffff:192.0.2.9");
    let no_a = reply(excluded(), Some(a("| example 900 SOA 300")), &default());
    let records = built(no_a);
    assert_eq!((records.rcode, records.answers.len()), (ResponseCode::NoError, 0));
    assert!(shown(&records.authorities)[0].starts_with("example. 900 SOA"), "the A answer's");

    let refused = reply(excluded(), Some(a("www.example 60 A 127.0.0.1")), &default());
    let records = built(refused);
    assert_eq!((records.rcode, records.answers.len()), (ResponseCode::NoError, 0));
    assert!(shown(&records.authorities)[0].starts_with("www.example. 60 SOA"), "made up");
}

#[test]
fn a_private_address_in_our_own_prefix_is_not_taken_from_upstream() {
    let sly = aaaa("www.example 60 AAAA 2001:db8:64::127.0.0.1");
    assert_eq!(answers(sly, a("www.example 60 A 192.0.2.1")), ["www.example. 60 AAAA 2001:db8:64::c000:201"]);
}
