use super::*;
use std::net::Ipv4Addr;

/// A file that is good, but for what `more` adds.
const GOOD: &str = "tun-device nat64\nipv4-addr 192.0.2.1\nprefix 2001:db8:64::/96\n";

#[track_caller]
fn read(text: &str) -> Conf {
    match parse(text.as_bytes(), "tayga.conf", None) {
        Ok(parsed) => parsed.value,
        Err(errors) => panic!("{text}: {errors:?}"),
    }
}

#[track_caller]
fn refused(text: &str, expect: &[&str]) {
    match parse(text.as_bytes(), "tayga.conf", None) {
        Ok(parsed) => panic!("{text}: {parsed:?}"),
        Err(errors) => assert_eq!(errors, expect, "{text}"),
    }
}

const WRONG_LINES: &[(&str, &str)] = &[
    ("foo bar", "Unknown directive \"foo\" on line 1 of tayga.conf"),
    ("tun-device a b", "Incorrect number of arguments on line 1"),
    ("map 192.0.2.1", "Incorrect number of arguments on line 1"),
    ("strict-frag-hdr", "Incorrect number of arguments on line 1"),
    ("tun-device abcdefghijklmnop", "Device name \"abcdefghijklmnop\" is invalid on line 1"),
    ("tun-device a\ntun-device b", "Error: duplicate tun-device directive on line 2"),
    ("ipv4-addr x", "Expected an IPv4 address but found \"x\" on line 1"),
    ("ipv4-addr 127.0.0.1", "Cannot use reserved address 127.0.0.1 in ipv4-addr directive, aborting..."),
    ("ipv4-addr 192.0.2.1\nipv4-addr x", "Error: duplicate ipv4-addr directive on line 2"),
    ("ipv6-addr 192.0.2.1", "Expected an IPv6 address but found \"192.0.2.1\" on line 1"),
    ("ipv6-addr fe80::1", "Cannot use reserved address fe80::1 in ipv6-addr directive, aborting..."),
    ("ipv6-addr 2001:db8::1\nipv6-addr 2001:db8::1", "Error: duplicate ipv6-addr directive on line 2"),
    ("prefix 2001:db8::", "Expected an IPv6 prefix but found \"2001:db8::\" on line 1"),
    ("prefix 2001:db8::1/96", "Expected an IPv6 prefix but found \"2001:db8::1/96\" on line 1"),
    ("prefix ff00::/95", "Cannot use reserved address ff00::/95 in prefix directive, aborting..."),
    ("prefix 2001:db8::/95", "NAT prefix length must be 32, 40, 48, 56, 64 or 96 only, aborting..."),
    ("prefix 2001:db8::/96\nprefix 2001:db8:1::/96", "Error: duplicate prefix directive on line 2"),
    (
        "prefix 2001:db8:0:0:ff00::/96",
        "Error: bits 64 to 71 of the prefix on line 1 must be zero (RFC 6052 section 2.2)",
    ),
    (
        "map 192.0.2.1 2001:db8:64::1\nprefix 2001:db8:64::/96",
        "Error: NAT64 prefix on line 2 overlaps with earlier definition of 2001:db8:64::1/128 from line 1",
    ),
    ("wkpf-strict maybe", "Error: invalid value for wkpf-strict on line 1"),
    ("udp-cksum-mode d", "Error: invalid value for udp-cksum-mode on line 1"),
    (
        "map 192.0.2.0/24 2001:db8::/121",
        "IPv4 and IPv6 subnet must be of the same size, but found 192.0.2.0 and 2001:db8:: on line 1",
    ),
    ("map x 2001:db8::/129", "Expected an IPv4 subnet but found \"x\" on line 1"),
    ("map 192.0.2.1#x 2001:db8::", "Expected an IPv4 subnet but found \"192.0.2.1#x\" on line 1"),
    ("map 192.0.2.1 x", "Expected an IPv6 subnet but found \"x\" on line 1"),
    ("map 192.0.2.0/33 2001:db8::/129", "Error: prefix length in map directive on line 1 is out of range"),
    ("map 127.0.0.1 2001:db8::1", "Cannot use reserved address 127.0.0.1 in map directive, aborting..."),
    ("map 192.0.2.1 fe80::1", "Cannot use reserved address fe80::1 in map directive, aborting..."),
    (
        "map 192.0.2.1 2001:db8::1\nmap 192.0.2.1 2001:db8::2",
        "Error: IPv4 address in map directive on line 2 conflicts with earlier definition of 192.0.2.1/32 \
             from line 1",
    ),
    (
        "map 192.0.2.1 2001:db8::1\nmap 192.0.2.4/30 2001:db8::/126",
        "Error: IPv6 address in map directive on line 2 overlaps with earlier definition of 2001:db8::1/128 \
             from line 1",
    ),
    ("dynamic-pool 192.0.2.1/24", "Expected an IPv4 prefix but found \"192.0.2.1/24\" on line 1"),
    ("dynamic-pool 192.0.2.0/24x", "Expected an IPv4 prefix but found \"192.0.2.0/24x\" on line 1"),
    (
        "dynamic-pool 127.0.0.0/32",
        "Cannot use reserved address 127.0.0.0/32 in dynamic-pool directive, aborting...",
    ),
    (
        "dynamic-pool 192.0.2.1/32",
        "Cannot use a prefix longer than /31 in dynamic-pool directive, aborting...",
    ),
    (
        "dynamic-pool 192.0.2.0/24\ndynamic-pool 192.0.2.0/25",
        "Error: duplicate dynamic-pool directive on line 2",
    ),
    (
        "map 192.0.2.0/24 2001:db8::/120\ndynamic-pool 192.0.2.0/24",
        "Error: IPv4 prefix in dynamic-pool directive on line 2 conflicts with earlier definition of \
             192.0.2.0/24 from line 1",
    ),
    (
        "dynamic-pool 192.0.2.0/24\nmap 192.0.2.0/24 2001:db8::/120",
        "Error: IPv4 address in map directive on line 2 conflicts with earlier definition of 192.0.2.0/24",
    ),
    ("data-dir state", "Error: data-dir must be an absolute path"),
    ("data-dir /a\ndata-dir /b", "Error: duplicate data-dir directive on line 2"),
    ("map-file a\nmap-file b", "Error: duplicate map-file directive on line 2"),
    ("log drop everything", "Error: invalid value for log on line 1"),
    ("log\nlog", "Error: duplicate log directive on line 2"),
    ("offlink-mtu x", "Error: unable to parse offlink-mtu on line 1"),
    ("offlink-mtu 1279", "Error: offlink-mtu must be between 1280 and 65535 on line 1"),
    ("offlink-mtu 1280\nofflink-mtu 1280", "Error: duplicate offlink-mtu directive on line 2"),
    ("workers x", "Error: unable to parse workers on line 1"),
    ("workers 65", "Error: workers must be between 0 and 64 on line 1"),
    ("workers 1\nworkers 1", "Error: duplicate workers directive on line 2"),
    ("tun-up perhaps", "Error: invalid value for tun-up on line 1"),
    ("tun-ip 192.0.2.1/33", "Error: invalid value for tun-ip on line 1"),
    ("tun-route x", "Error: invalid value for tun-route on line 1"),
    ("1 2 3 4 5 6 7 8 9 10 11", "Line 1 of tayga.conf has too many tokens, aborting"),
];

#[test]
fn every_error_of_a_line_has_taygas_words() {
    for (text, error) in WRONG_LINES {
        refused(text, &[error]);
    }
    let long = format!("#{}\n", "x".repeat(600));
    refused(
        &long,
        &[
            "Line 1 of tayga.conf is too long",
            &format!("Unknown directive \"{}\" on line 2 of tayga.conf", "x".repeat(90)),
        ],
    );
}

const WRONG_TOGETHER: &[(&str, &str)] = &[
    ("", "Error: no translation maps or NAT64 prefix configured"),
    ("tun-device nat64\nipv4-addr 192.0.2.1", "Error: no translation maps or NAT64 prefix configured"),
    ("prefix 2001:db8:64::/96", "Error: no ipv4-addr directive found"),
    ("prefix 2001:db8:64::/96\nipv4-addr 192.0.2.1", "Error: no tun-device directive found"),
    (
        "tun-device x\nmap 192.0.2.9 2001:db8::9\nipv4-addr 192.0.2.1",
        "Error: ipv6-addr directive must be specified if no NAT64 prefix is configured",
    ),
    (
        "tun-device x\nprefix 64:ff9b::/96\nipv4-addr 192.168.255.1",
        "Error: ipv6-addr directive must be specified if prefix is 64:ff9b::/96 and ipv4-addr is a non-global \
             (RFC 1918) address",
    ),
    (
        "tun-device x\nprefix 2001:db8:64::/96\nipv4-addr 192.0.2.1\nipv6-addr 64:ff9b::1",
        "Error: ipv6-addr directive cannot contain an address in the Well-Known Prefix (64:ff9b::/96)",
    ),
    (
        "tun-device x\nprefix 2001:db8:64::/96\nipv4-addr 192.0.2.1\nipv6-addr 2001:db8:64::1",
        "Error: ipv6-addr cannot reside within configured prefix 2001:db8:64::/96",
    ),
    (
        "tun-device x\nprefix 2001:db8:64::/96\nipv4-addr 192.0.2.1\nmap 192.0.2.1 2001:db8::1",
        "Error: ipv4-addr conflicts with earlier definition of 192.0.2.1/32 from line 4",
    ),
    (
        "tun-device x\nipv6-addr 2001:db8::1\nipv4-addr 192.0.2.1\nmap 192.0.2.2 2001:db8::1",
        "Error: ipv6-addr overlaps with earlier definition of 2001:db8::1/128 from line 4",
    ),
];

#[test]
fn every_error_between_lines_has_taygas_words() {
    for (text, error) in WRONG_TOGETHER {
        refused(text, &[error]);
    }
}

#[test]
fn errors_of_all_lines_are_told_at_once() {
    refused(
        "foo\nipv4-addr x\ntun-device a b\n",
        &[
            "Unknown directive \"foo\" on line 1 of tayga.conf",
            "Expected an IPv4 address but found \"x\" on line 2",
            "Incorrect number of arguments on line 3",
        ],
    );
}

#[test]
fn what_tayga_allows_is_allowed() {
    for more in [
        "map 192.0.2.0/24 2001:db8::/120\nmap 192.0.2.7 2001:db8:1::7",
        "dynamic-pool 192.0.2.0/24\nmap 192.0.2.7 2001:db8:1::7",
        "map 240.0.0.1 100::1",
        "map 192.168.0.0/16 2001:db8:1::/112\ndynamic-pool 192.168.255.0/24",
        "dynamic-pool 169.254.0.0/24",
        "WKPF-Strict OFF\nwkpf-strict yes",
        "udp-cksum-mode drop\nudp-cksum-mode Calculate\nudp-cksum-mode FORWARD\nudp-cksum-mode fwd",
        "log",
        "log drop reject icmp self dyn",
        "tun-up 1\ntun-ip 192.0.2.9\ntun-ip 2001:db8::9/64\ntun-route 2001:db8:64::/96",
        "workers 0",
        "workers 64",
        "map 192.0.2.9/24 2001:db8::9/120",
    ] {
        let conf = read(&format!("{GOOD}{more}"));
        let imported = gateway(&conf, &[], "tayga.conf");
        assert!(imported.is_ok(), "{more}: {imported:?}");
    }
}

#[test]
fn a_second_address_in_the_well_known_range_replaces_the_first() {
    let conf = read(&format!("{GOOD}ipv6-addr 64:ff9b:1::1\nipv6-addr 2001:db8::1"));
    assert_eq!(conf.ipv6_addr.1.to_string(), "2001:db8::1");
}

#[test]
fn the_own_ipv6_address_is_derived() {
    let conf = read(GOOD);
    assert_eq!(conf.ipv6_addr.1.to_string(), "2001:db8:64::c000:201");
    let conf = read("tun-device x\nipv4-addr 192.168.0.1\nprefix 64:ff9b::/96\nwkpf-strict no\n");
    assert_eq!(conf.ipv6_addr.1.to_string(), "64:ff9b::c0a8:1");
}

#[test]
fn the_service_manager_names_the_directory_where_the_file_does_not() {
    let dir = |text: &str, variable: Option<&str>| {
        parse(text.as_bytes(), "tayga.conf", variable).expect("a good file").value.data_dir
    };
    assert_eq!(dir(GOOD, Some("/var/lib/a:/var/lib/b")), Some("/var/lib/a".into()));
    assert_eq!(dir(GOOD, Some("state")), None);
    assert_eq!(dir(&format!("{GOOD}data-dir /a"), Some("/b")), Some("/a".into()));
}

#[test]
fn remarks_are_not_errors() {
    let text = format!("{GOOD}strict-frag-hdr perhaps\ndynamic-pool 169.254.0.0/16\n");
    let parsed = parse(text.as_bytes(), "tayga.conf", None).expect("a good file");
    assert_eq!(
        parsed.warnings,
        [
            "Warning: strict-frag-hdr deprecated on line 4",
            "Warning: 169.254.0.0/16 in dynamic-pool directive on line 5 is a link-local address",
        ]
    );
}

#[test]
fn a_map_file_leaves_alone_what_the_configuration_has() {
    let conf = read(&format!(
        "{GOOD}ipv6-addr 2001:db8:2::1\nmap 192.0.2.9 2001:db8::9\ndynamic-pool 198.51.100.0/24\n"
    ));
    let text = "# maps\nmap 192.0.2.10 2001:db8::10\nmap 192.0.2.9 2001:db8::11\nmap 192.0.2.12 2001:db8::9\n\
                map 198.51.100.0/24 2001:db8:1::/120\nmap 192.0.2.1 2001:db8::12\nmap 192.0.2.13 2001:db8:64::1\n\
                map 192.0.2.14 2001:db8:2::1\nprefix 2001:db8::/96\nmap 198.51.100.7 2001:db8:3::7\n";
    let Parsed { value, warnings } = parse_map_file(text.as_bytes(), "maps", &conf);
    let lines: Vec<_> = value.iter().map(|map| map.line).collect();
    assert_eq!(lines, [2, 10]);
    let earlier = |line: usize, family: &str, verb: &str, what: &str| {
        format!(
            "Error: {family} address in map directive on line {line} {verb} with earlier definition of {what}"
        )
    };
    assert_eq!(
        warnings,
        [
            earlier(3, "IPv4", "conflicts", "192.0.2.9/32 from line 5"),
            earlier(4, "IPv6", "overlaps", "2001:db8::9/128 from line 5"),
            earlier(5, "IPv4", "conflicts", "198.51.100.0/24"),
            earlier(6, "IPv4", "conflicts", "192.0.2.1/32"),
            earlier(7, "IPv6", "overlaps", "2001:db8:64::/96 from line 3"),
            earlier(8, "IPv6", "overlaps", "2001:db8:2::1/128"),
            "Unknown directive \"prefix\" on line 9 of maps".to_owned(),
        ]
    );
}

#[test]
fn a_map_around_the_pool_leaves_the_pool_out() {
    let conf = read(&format!("{GOOD}map 198.51.100.0/24 2001:db8:1::/120\ndynamic-pool 198.51.100.128/26\n"));
    let imported = gateway(&conf, &[], "tayga.conf").expect("a valid model");
    let maps = imported.model.nat64.expect("the section").map;
    let maps: Vec<_> = maps.iter().map(ToString::to_string).collect();
    assert_eq!(maps, ["198.51.100.0/25 <-> 2001:db8:1::/121", "198.51.100.192/26 <-> 2001:db8:1::c0/122",]);
}

#[test]
fn what_cannot_be_served_is_refused_at_its_directive() {
    for (text, expect) in [
        ("tun-device a/b\nipv4-addr 192.0.2.1\nprefix 2001:db8:64::/96", "tayga.conf:1: tun-device: "),
        (
            "tun-device a\nipv4-addr 192.0.2.1\nprefix 2001:db8:64::/96\ndynamic-pool 128.0.0.0/1",
            "tayga.conf:4: dynamic-pool: ",
        ),
    ] {
        let errors = gateway(&read(text), &[], "tayga.conf").expect_err(text);
        assert!(errors.len() == 1 && errors[0].starts_with(expect), "{errors:?}");
    }
}

/// Each line is looked up among those before it: were it searched for, this would take minutes.
#[test]
fn map_file_with_a_line_for_each_address_of_a_network_is_read() {
    let conf = read(GOOD);
    let lines = (0..65_536_u32).map(|number| {
        let v4 = Ipv4Addr::from_bits(u32::from(Ipv4Addr::new(10, 7, 0, 0)) | number);
        format!("map {v4} 2001:db8:7::{number:x}\n")
    });
    let text: String = lines.chain(["map 10.7.255.255 2001:db8:8::1\n".to_owned()]).collect();
    let Parsed { value, warnings } = parse_map_file(text.as_bytes(), "maps", &conf);
    assert_eq!(
        warnings,
        ["Error: IPv4 address in map directive on line 65537 conflicts with earlier definition of \
          10.7.255.255/32 from line 65536"]
    );
    let imported = gateway(&conf, &value, "tayga.conf").expect("a valid model");
    assert_eq!(imported.model.nat64.expect("the section").map.len(), 65_536);
}
