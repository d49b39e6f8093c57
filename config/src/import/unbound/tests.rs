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
    assert_eq!(notes, ["unbound.conf:10: name: duplicate forward zone corp.example ignored"]);
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
    assert_eq!(notes.len(), 1, "{notes:#?}");
    assert!(notes[0].starts_with("unbound.conf:4: private-address: 8.8.8.0/24 is not honoured"));
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
