use super::*;
use crate::next_hop::Mtu;
use crate::testing::{CLIENT, REMOTE, World, params};

fn sided(mtu_v4: u16, mtu_v6: u16) -> Params {
    Params { mtu_v4: Mtu::Fixed(mtu_v4), mtu_v6: Mtu::Fixed(mtu_v6), ..params() }
}

/// Gives `judge` the path between two hosts whose sides have these MTUs.
fn on<T>(mtu_v4: u16, mtu_v6: u16, judge: impl FnOnce(&Params, &mut Path<'_>) -> T) -> T {
    let params = sided(mtu_v4, mtu_v6);
    let mut world = World::new();
    let mut ctx = world.context();
    judge(&params, &mut Path::new(&params, &mut ctx, REMOTE, CLIENT))
}

/// RFC 7915 §4.2: max(1280, min(told + 20, IPv6 MTU, IPv4 MTU + 20)).
#[test]
fn packet_too_big_follows_the_formula() {
    let check = |told: u16, mtu_v4: u16, mtu_v6: u16, expect: u32| {
        let mtu = on(mtu_v4, mtu_v6, |_, path| packet_too_big(path, told, 1500));
        assert_eq!(mtu, expect, "{told} {mtu_v4} {mtu_v6}");
    };
    check(1400, 1500, 1500, 1420);
    check(1500, 1500, 1500, 1500);
    check(1500, 1300, 1500, 1320);
    check(1492, 9000, 1400, 1400);
    check(576, 1500, 1500, 1280);
    check(68, 1500, 1500, 1280);
}

/// RFC 7915 §4.2 with RFC 1191 §7.1: the greatest plateau below the quoted length.
#[test]
fn packet_too_big_guesses_a_plateau_where_none_was_told() {
    let check = |told: u16, quoted_len: u16, expect: u32| {
        let mtu = on(65_535, 65_535, |_, path| packet_too_big(path, told, quoted_len));
        assert_eq!(mtu, expect, "{told} {quoted_len}");
    };
    check(0, 1500, 1512);
    check(0, 1492, 1280);
    check(0, 0, 1280);
    check(0, 9000, 8186);
    check(0, 8166, 4372);
    check(67, 4352, 2022);
    check(0, 65_535, 32_020);
}

/// RFC 7915 §5.2: min(told - 20, IPv4 MTU, IPv6 MTU - 20), and 28 with a Fragment header.
#[test]
fn fragmentation_needed_follows_the_formula() {
    let check = |told: u32, fragment: bool, mtu_v4: u16, mtu_v6: u16, expect: u16| {
        let mtu = on(mtu_v4, mtu_v6, |_, path| fragmentation_needed(path, told, fragment));
        assert_eq!(mtu, expect, "{told} {fragment}");
    };
    check(1280, false, 1500, 1500, 1260);
    check(1280, true, 1500, 1500, 1252);
    check(1500, false, 1400, 1500, 1400);
    check(9000, false, 9000, 1500, 1480);
    check(u32::MAX, false, 1500, 9000, 1500);
    check(0, false, 1500, 1500, 68);
}

#[test]
fn plateaus_fall_and_stay_above_1280() {
    assert!(PLATEAUS.is_sorted_by(|a, b| a > b));
    assert!(PLATEAUS.iter().all(|plateau| *plateau >= MIN_IPV6_MTU));
}

fn segment(kind: SegmentKind, header_len: usize, size: u16) -> Segment {
    Segment { kind, header_len, size }
}

#[test]
fn super_packets_are_judged_by_their_segments() {
    let mut header = Ipv4::zeroed();
    header.set_fragment(0, crate::wire::ipv4::DF);
    let fit = |header: &Ipv4<[u8; 20]>, segment| {
        on(1500, 1500, |params, path| fit_v6(params, path, header, 60_000, Some(segment)))
    };
    assert_eq!(fit(&header, segment(SegmentKind::Tcp, 32, 1428)), Fit::Whole);
    assert_eq!(fit(&header, segment(SegmentKind::Tcp, 32, 1429)), Fit::TooBig(1480));
    assert_eq!(fit(&header, segment(SegmentKind::Udp, 8, 1452)), Fit::Whole);
    header.set_fragment(0, 0);
    assert_eq!(fit(&header, segment(SegmentKind::Tcp, 32, 1208)), Fit::Whole);
    assert_eq!(fit(&header, segment(SegmentKind::Tcp, 32, 1428)), Fit::Segments(1208));
    assert_eq!(fit(&header, segment(SegmentKind::Udp, 8, 1452)), Fit::Fragments(1280));
}

#[test]
fn super_packets_fit_ipv4_by_their_segments() {
    let fit =
        |mtu_v4, segment| on(mtu_v4, 1500, |_, path| fit_v4(path, false, 60_072, 60_032, Some(segment)));
    assert_eq!(fit(1500, segment(SegmentKind::Tcp, 32, 1428)), Fit::Whole);
    assert_eq!(fit(1400, segment(SegmentKind::Tcp, 32, 1428)), Fit::TooBig(1420));
    assert_eq!(fit(600, segment(SegmentKind::Tcp, 32, 1208)), Fit::Segments(548));
    assert_eq!(fit(600, segment(SegmentKind::Udp, 8, 1200)), Fit::Fragments(600));
    assert_eq!(fit(68, segment(SegmentKind::Tcp, 60, 1000)), Fit::Segments(64));
}

#[test]
fn sizes_at_the_edge_of_the_ipv4_side() {
    let fit =
        |fragment, arrived, payload| on(1000, 1500, |_, path| fit_v4(path, fragment, arrived, payload, None));
    assert_eq!(fit(false, 1020, 980), Fit::Whole);
    assert_eq!(fit(false, 1021, 981), Fit::Fragments(1000));
    assert_eq!(fit(false, 1280, 1240), Fit::Fragments(1000));
    assert_eq!(fit(false, 1281, 1241), Fit::TooBig(1280));
    let wide = |fragment| on(1400, 1500, |_, path| fit_v4(path, fragment, 1500, 1452, None));
    assert_eq!(wide(true), Fit::TooBig(1428));
    let narrow_v6 = on(1490, 1500, |_, path| fit_v4(path, false, 1511, 1471, None));
    assert_eq!(narrow_v6, Fit::TooBig(1500), "never more than the IPv6 side carries");
}

#[test]
fn lowest_ipv6_mtu_never_exceeds_the_mtu() {
    let fit = on(1500, 1400, |params, path| {
        let params = Params { ipv6_min_mtu: 1500, ..params.clone() };
        fit_v6(&params, path, &Ipv4::zeroed(), 1361, None)
    });
    assert_eq!(fit, Fit::Fragments(1400));
}
