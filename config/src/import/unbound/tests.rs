use super::import;
use crate::import::Imported;
use crate::import::draft::changed;

fn read(text: &str) -> Result<Imported, Vec<String>> {
    import(text, "unbound.conf", &mut |_| Err("no such file".to_owned()))
}

/// The lines of gateway.toml that are not defaults, and the notes.
fn shown(text: &str) -> (Vec<String>, Vec<String>) {
    let imported = read(text).unwrap_or_else(|errors| panic!("{errors:#?}\n{text}"));
    (changed(&imported.model), imported.notes.iter().map(ToString::to_string).collect())
}

const MODULES: &str = "server:\n module-config: \"dns64 validator iterator\"\n";
const FORWARD: &str = "forward-zone:\n name: \".\"\n forward-addr: 192.0.2.1\n";

#[test]
fn a_forwarder_with_the_dns64_module_is_a_short_file() {
    let (lines, notes) = shown(&format!("{MODULES} dns64-prefix: 2001:db8:64::/96\n{FORWARD}"));
    assert_eq!(lines[..2], ["pref64 = \"2001:db8:64::/96\"", "upstream = [\"192.0.2.1:53\"]"], "{lines:#?}");
    assert_eq!(notes, [""; 0]);
}

#[test]
fn upstreams_over_tls_have_names_and_their_port() {
    let zone = "forward-zone:\n name: .\n forward-tls-upstream: yes\n forward-addr: 192.0.2.1@8853#a.example\n forward-addr: 2001:db8::1#b.example\n";
    let (lines, _) = shown(&format!("{MODULES}{zone}"));
    let expect = "upstream = [\"tls://192.0.2.1:8853#a.example\", \"tls://[2001:db8::1]:853#b.example\"]";
    assert!(lines.iter().any(|line| line == expect), "{lines:#?}");
    let nameless = zone.replace("#a.example", "");
    let errors = read(&format!("{MODULES}{nameless}")).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].starts_with("unbound.conf:6: 192.0.2.1 is asked over TLS"), "{errors:?}");
}

#[test]
fn zones_below_the_root_are_upstreams_of_their_own() {
    let zones = "stub-zone:\n name: corp.example\n stub-addr: 10.0.0.53@5300\nforward-zone:\n name: Corp.example.\n forward-addr: 10.0.0.54\n";
    let (lines, notes) = shown(&format!("{MODULES}{FORWARD}{zones}"));
    assert!(lines.contains(&"domains = [\"corp.example\"]".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"upstream = [\"10.0.0.53:5300\"]".to_owned()), "{lines:#?}");
    assert_eq!(notes.len(), 2, "{notes:#?}");
    assert!(notes[0].starts_with("unbound.conf:7: stub-zone: is asked as a forward-zone is"), "{notes:#?}");
    assert_eq!(notes[1], "unbound.conf:10: name: duplicate forward zone corp.example ignored");
}

#[test]
fn listeners_are_told_apart_by_their_ports() {
    let (lines, notes) = shown(&format!(
        "{MODULES} interface: 127.0.0.1\n interface: ::1@5300\n interface: 127.0.0.1@853\n interface: ::1@443\n interface: eth0\n\
         tls-service-key: \"/etc/unbound/dns.key\"\n tls-service-pem: \"/etc/unbound/dns.pem\"\n{FORWARD}"
    ));
    for expect in [
        "listen = [\"127.0.0.1:53\", \"[::1]:5300\"]",
        "listen_tls = [\"127.0.0.1:853\"]",
        "listen_https = [\"[::1]:443\"]",
        "certificates = [\"/etc/unbound/dns.bundle.pem\"]",
    ] {
        assert!(lines.iter().any(|line| line == expect), "{expect} in {lines:#?}");
    }
    assert_eq!(notes.len(), 2, "{notes:#?}");
    assert!(notes[0].starts_with("unbound.conf:7: interface: eth0 is not honoured"));
    assert!(
        notes[1].contains("`cat /etc/unbound/dns.pem /etc/unbound/dns.key > /etc/unbound/dns.bundle.pem`")
    );
}

#[test]
fn local_data_with_addresses_are_hosts() {
    let (lines, notes) = shown(&format!(
        "{MODULES} local-data: \"vm1.lan. 60 IN A 192.0.2.10\"\n local-data: 'VM1.lan AAAA 2001:db8::10'\n\
         local-data: \"lan TXT x\"\n{FORWARD}"
    ));
    assert!(lines.contains(&"name = \"vm1.lan\"".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"addresses = [\"192.0.2.10\", \"2001:db8::10\"]".to_owned()), "{lines:#?}");
    assert_eq!(notes, ["unbound.conf:5: local-data: lan TXT x: only A and AAAA records are served"]);
    for (data, expect) in [
        ("a b c d", "error parsing local-data 'a b c d': Syntax error, could not parse the RR's type"),
        ("a A x", "error parsing local-data 'a A x': 'x' is no address of type A"),
        ("a..b A 192.0.2.1", "error parsing local-data 'a..b A 192.0.2.1': a..b: a label is empty"),
    ] {
        let errors = read(&format!("{MODULES} local-data: \"{data}\"\n{FORWARD}")).unwrap_err();
        assert_eq!(errors, [format!("unbound.conf:3: {expect}")]);
    }
}

#[test]
fn errors_are_those_of_unbound() {
    let check = |attribute: &str, expect: &str| {
        let text = format!("{MODULES} {attribute}\n{FORWARD}");
        assert_eq!(read(&text).unwrap_err(), [format!("unbound.conf:3: {expect}")], "{attribute}");
    };
    check("dns64-prefix: foo", "cannot parse dns64-prefix netblock: foo");
    check("dns64-prefix: 192.0.2.0/24", "dns64_prefix is not IPv6: 192.0.2.0/24");
    check(
        "dns64-prefix: 2001:db8::/95",
        "dns64-prefix length is not 32, 40, 48, 56, 64 or 96: 2001:db8::/95",
    );
    check(
        "dns64-prefix: 2001:db8::",
        "dns64-prefix length is not 32, 40, 48, 56, 64 or 96: 2001:db8:: has none",
    );
    check(
        "dns64-prefix: 2001:db8:0:0:ff00::/96",
        "dns64-prefix: bits 64 to 71 of 2001:db8:0:0:ff00::/96 must be zero (RFC 6052 section 2.2)",
    );
    check("prefetch: maybe", "expected yes or no.");
    check("msg-cache-size: 4x", "memory size expected, found '4x'");
    check("num-threads: x", "number expected");
    check("port: 70000", "port number expected");
    check("private-address: foo", "cannot parse ip address: 'foo'");
    check("private-domain: a..b", "cannot parse private-domain name 'a..b': a label is empty");
    check("dns64-ignore-aaaa: a..b", "cannot parse dns64-ignore-aaaa name 'a..b': a label is empty");
    check(
        "module-config: \"bogus iterator\"",
        "module_conf lists module 'bogus' but that module is not available.",
    );
    check("prefech: yes", "unknown keyword 'prefech'; did you mean 'prefetch'?");
    check(
        "access-control: 10.0.0.0/8 bogus",
        "expected deny, refuse, deny_non_local, refuse_non_local, allow, allow_setrd, allow_snoop or allow_cookie as access control action, found 'bogus'",
    );
}

#[test]
fn a_file_that_does_not_forward_or_has_no_dns64_says_what_is_missing() {
    let errors = read("server:\n prefetch: yes\n").unwrap_err();
    assert!(errors[0].starts_with("unbound.conf: the dns64 module does not run here"), "{errors:?}");
    assert!(errors[1].starts_with("unbound.conf: there is no forward-zone for \".\""), "{errors:?}");
}

#[test]
fn zones_need_names_and_addresses() {
    let errors = read(&format!("{MODULES}forward-zone:\n forward-addr: 192.0.2.1@x\n")).unwrap_err();
    let expect = [
        "unbound.conf:4: cannot parse forward . ip address: '192.0.2.1@x'",
        "unbound.conf:4: forward-zone without name",
    ];
    assert_eq!(errors, expect);
}

#[test]
fn names_whose_aaaa_records_are_ignored_are_forced() {
    let (lines, _) =
        shown(&format!("{MODULES} dns64-ignore-aaaa: a.example\n dns64-ignore-aaaa: B.example.\n{FORWARD}"));
    assert!(lines.contains(&"force = [\"a.example\", \"b.example\"]".to_owned()), "{lines:#?}");
    let (lines, _) = shown(&format!("{MODULES} dns64-synthall: yes\n{FORWARD}"));
    assert!(lines.contains(&"force = [\".\"]".to_owned()), "{lines:#?}");
}

#[test]
fn private_addresses_are_protected_but_of_private_domains() {
    let (lines, notes) = shown(&format!(
        "{MODULES} private-address: 10.0.0.0/8\n private-address: 8.8.8.0/24\n private-domain: corp.example\n{FORWARD}"
    ));
    assert!(lines.contains(&"rebind_protection = true".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"private_domains = [\"corp.example\"]".to_owned()), "{lines:#?}");
    assert_eq!(notes.len(), 2, "{notes:#?}");
    assert!(
        notes[0].starts_with(
            "unbound.conf:3: private-address: rebind_protection takes out the addresses of every"
        )
    );
    assert!(notes[1].starts_with("unbound.conf:4: private-address: 8.8.8.0/24 is not honoured"));
}

#[test]
fn lifetimes_of_the_cache_are_carried_over() {
    let (lines, _) = shown(&format!(
        "{MODULES} cache-max-ttl: 14400\n cache-max-negative-ttl: 900\n serve-expired: yes\n serve-expired-ttl: 7200\n prefetch: yes\n\
         msg-cache-size: 4m\n rrset-cache-size: 8m\n{FORWARD}"
    ));
    for expect in [
        "cache_size = \"12MiB\"",
        "cache_max_ttl = \"4h\"",
        "cache_max_negative_ttl = \"15m\"",
        "serve_stale = \"2h\"",
    ] {
        assert!(lines.iter().any(|line| line == expect), "{expect} in {lines:#?}");
    }
    let (lines, _) = shown(&format!("{MODULES}{FORWARD}"));
    for expect in ["serve_stale = \"0s\"", "prefetch = false"] {
        assert!(lines.iter().any(|line| line == expect), "{expect} in {lines:#?}");
    }
}

#[test]
fn clients_that_unbound_answers_are_those_that_are_answered() {
    let (lines, _) = shown(&format!(
        "{MODULES} access-control: 10.0.0.0/8 allow\n access-control: 10.1.0.0/16 deny\n access-control: 2001:db8::/32 allow_snoop\n{FORWARD}"
    ));
    let allowed = lines.iter().find(|line| line.starts_with("allow_from")).unwrap();
    assert!(allowed.contains("\"127.0.0.0/8\"") && allowed.contains("\"2001:db8::/32\""), "{allowed}");
    assert!(allowed.contains("\"10.128.0.0/9\"") && !allowed.contains("\"10.0.0.0/8\""), "{allowed}");
    assert!(lines.contains(&"denied = \"drop\"".to_owned()), "{lines:#?}");
    let (lines, _) =
        shown(&format!("{MODULES} access-control: 0.0.0.0/0 allow\n access-control: ::/0 allow\n{FORWARD}"));
    assert!(!lines.iter().any(|line| line.starts_with("allow_from")), "{lines:#?}");
}

#[test]
fn zones_that_unbound_keeps_are_kept_and_others_are_asked() {
    let zone = |zone: &str| shown(&format!("{MODULES} local-zone: {zone}\n{FORWARD}"));
    for kind in ["static", "always_nxdomain"] {
        let (lines, notes) = zone(&format!("\"lan.\" {kind}"));
        assert!(lines.contains(&"local_domains = [\"lan\"]".to_owned()), "{lines:#?}");
        assert_eq!(notes, [""; 0]);
    }
    let (lines, notes) = zone("lan refuse");
    assert!(lines.contains(&"local_domains = [\"lan\"]".to_owned()), "{lines:#?}");
    assert!(
        notes[0].starts_with("unbound.conf:3: local-zone: lan refuse: names that are not served"),
        "{notes:#?}"
    );
    let (lines, notes) = zone("168.192.in-addr.arpa. nodefault");
    assert!(lines.contains(&"domains = [\"168.192.in-addr.arpa\"]".to_owned()), "{lines:#?}");
    assert_eq!(notes, [""; 0]);
    let (lines, notes) = zone("lan transparent");
    assert!(!lines.iter().any(|line| line.contains("lan")) && notes.is_empty(), "{lines:#?} {notes:#?}");
    let (_, notes) = zone(". static");
    assert_eq!(notes.len(), 1, "{notes:#?}");
    let errors = read(&format!("{MODULES} local-zone: lan bogus\n{FORWARD}")).unwrap_err();
    assert!(errors[0].starts_with("unbound.conf:3: local-zone type: expected static, "), "{errors:?}");
    let (lines, _) = shown(&format!("{MODULES} unblock-lan-zones: yes\n{FORWARD}"));
    assert!(lines.contains(&"private_zones = \"forward\"".to_owned()), "{lines:#?}");
}

#[test]
fn pointers_come_with_the_names_that_have_the_address() {
    let (_, notes) = shown(&format!(
        "{MODULES} local-data: \"vm1.lan A 192.0.2.10\"\n local-data-ptr: \"192.0.2.10 60 vm1.lan\"\n\
         local-data-ptr: \"192.0.2.11 vm1.lan\"\n{FORWARD}"
    ));
    assert_eq!(notes.len(), 1, "{notes:#?}");
    assert!(
        notes[0].starts_with("unbound.conf:5: local-data-ptr: 192.0.2.11 vm1.lan: not honoured"),
        "{notes:#?}"
    );
    let errors = read(&format!("{MODULES} local-data-ptr: \"x y\"\n{FORWARD}")).unwrap_err();
    assert_eq!(errors, ["unbound.conf:3: local-data-ptr could not be reversed"]);
}

#[test]
fn no_listener_is_lost_without_a_line() {
    let check = |attributes: &str, expect: &str, count: usize| {
        let (lines, notes) = shown(&format!("{MODULES} {attributes}\n{FORWARD}"));
        let own: Vec<_> = lines.iter().filter(|line| line.starts_with("listen")).cloned().collect();
        assert_eq!((own.join("; ").as_str(), notes.len()), (expect, count), "{attributes} {notes:#?}");
    };
    check("", "", 0);
    check("port: 5353", "listen = [\"[::1]:5353\", \"127.0.0.1:5353\"]", 0);
    check("interface: eth0", "", 2);
    check("interface-automatic: yes", "listen = [\"0.0.0.0:53\", \"[::]:53\"]", 0);
    let key = "tls-service-key: /x.pem\n tls-service-pem: /x.pem\n";
    check(&format!("{key} interface: ::1@853"), "listen_tls = [\"[::1]:853\"]", 1);
    check(
        &format!(
            "{key} tls-additional-port: 8853\n quic-port: 853\n interface: ::1\n interface: ::1@853\n interface: ::1@8853"
        ),
        "listen = [\"[::1]:53\"]; listen_tls = [\"[::1]:853\", \"[::1]:8853\"]; listen_quic = [\"[::1]:853\"]",
        0,
    );
    check("tls-service-pem: /x.pem", "", 1);
}

#[test]
fn every_known_attribute_is_honoured_or_has_its_line_in_every_clause() {
    use super::names::{ATTRIBUTES, CLAUSES_LOST};
    let noted = |clause: &str, name: &str| {
        let text = format!("{clause}:\n name: x\n {name}: xyz b c\n");
        let mut errors = Vec::new();
        let attributes = super::reader::read(&text, "unbound.conf", &mut |_| Err("none".into()), &mut errors);
        let conf = super::conf::read(&attributes[..2.min(attributes.len())], &mut Vec::new());
        conf.lost.iter().any(|note| note.directive == name)
    };
    // Some words begin clauses of their own.
    let begins = |name: &str| CLAUSES_LOST.iter().any(|(clause, _)| *clause == name);
    for name in ATTRIBUTES.iter().filter(|name| **name != "name" && !begins(name)) {
        for (clause, _) in CLAUSES_LOST {
            assert!(noted(clause, name), "{clause}: {name}");
        }
        let honoured = super::conf::is_honoured("server", name);
        assert!(noted("server", name) != honoured, "server: {name}");
        let honoured = super::conf::is_honoured("forward-zone", name);
        assert!(noted("forward-zone", name) != honoured, "forward-zone: {name}");
    }
}

#[test]
fn what_is_honoured_otherwise_has_its_line() {
    let check = |attribute: &str, part: &str| {
        let (_, notes) = shown(&format!("{MODULES} {attribute}\n{FORWARD}"));
        assert!(notes.len() == 1 && notes[0].contains(part), "{attribute}: {notes:#?}");
    };
    check("access-control: 10.0.0.0/8 allow_cookie", "clients without a cookie are answered as well");
    check("access-control: 10.0.0.0/8 refuse_non_local", "local data is not told either");
    check("deny-any: no", "ANY is always answered minimally");
    check("serve-expired: yes", "for 24 hours here");
    check("nsid: 6777", "dns64.nsid is text");
    let (lines, notes) = shown(&format!("{MODULES} nsid: ascii_gw1\n tcp-upstream: yes\n{FORWARD}"));
    assert!(lines.contains(&"nsid = \"gw1\"".to_owned()) && notes.is_empty(), "{lines:#?} {notes:#?}");
    assert!(lines.contains(&"upstream = [\"tcp://192.0.2.1:53\"]".to_owned()), "{lines:#?}");
}
