use super::import;
use crate::import::Imported;
use crate::import::draft::changed;

fn read(text: &str) -> Result<Imported, Vec<String>> {
    import(text, "named.conf", &mut |path| match path.to_str() {
        Some("clients") => Ok("acl guests { 2001:db8:6::/64; };".to_owned()),
        _ => Err("no such file".to_owned()),
    })
}

/// The lines of gateway.toml that are not defaults, and the notes.
fn shown(text: &str) -> (Vec<String>, Vec<String>) {
    let imported = read(text).unwrap_or_else(|errors| panic!("{errors:#?}\n{text}"));
    (changed(&imported.model), imported.notes.iter().map(ToString::to_string).collect())
}

const FORWARDERS: &str = "forwarders { 192.0.2.1; };";

#[test]
fn one_statement_for_everyone_needs_no_entries() {
    let text = format!("options {{ {FORWARDERS} dns64 2001:db8:64::/96 {{ }}; }};");
    let expect = [
        "pref64 = \"2001:db8:64::/96\"",
        "upstream = [\"192.0.2.1:53\"]",
        "serve_stale = \"0s\"",
        "signed = \"pass\"",
    ];
    assert_eq!(shown(&text), (expect.map(str::to_owned).to_vec(), vec![]));
}

#[test]
fn an_explicit_exclude_replaces_the_default() {
    let dns64 = |exclude: &str| format!("options {{ {FORWARDERS} dns64 64:ff9b::/96 {{ {exclude} }}; }};");
    let (lines, _) = shown(&dns64("exclude { 2001:db8:bad::/48; };"));
    assert!(
        lines.contains(&"exclude_aaaa = [\"2001:db8:bad::/48\", \"!::ffff:0.0.0.0/96\"]".to_owned()),
        "{lines:?}"
    );
    let (lines, _) = shown(&dns64("exclude { any; };"));
    assert!(lines.contains(&"exclude_aaaa = [\"::/0\"]".to_owned()), "{lines:?}");
    let (lines, _) = shown(&dns64("exclude { !2001:db8::/33; 2001:db8::/32; };"));
    assert!(
        lines.contains(&"exclude_aaaa = [\"2001:db8:8000::/33\", \"!::ffff:0.0.0.0/96\"]".to_owned()),
        "{lines:?}"
    );
    let (lines, _) = shown(&dns64("exclude { none; };"));
    assert!(lines.contains(&"exclude_aaaa = [\"!::ffff:0.0.0.0/96\"]".to_owned()), "{lines:?}");
}

#[test]
fn clients_that_overlap_meet_the_longest_network_first() {
    let (lines, notes) = shown(&format!(
        "include \"clients\";\noptions {{ {FORWARDERS}\n\
         dns64 2001:db8:a::/96 {{ clients {{ !2001:db8:6:0:1::/80; guests; }}; }};\n\
         dns64 2001:db8:b::/96 {{ clients {{ 2001:db8::/32; }}; mapped {{ !10/8; any; }}; }}; }};"
    ));
    let from: Vec<_> = lines.iter().filter(|line| line.starts_with("from")).collect();
    // A part of the guests' network gets what is around it, and the guests both.
    let expect =
        ["from = [\"2001:db8:6:0:1::/80\"]", "from = [\"2001:db8:6::/64\"]", "from = [\"2001:db8::/32\"]"];
    assert_eq!(from, expect, "{lines:#?}");
    let both = lines.iter().filter(|line| line.contains("2001:db8:a::") && line.contains("2001:db8:b::"));
    assert_eq!(both.count(), 1, "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("\"!10.0.0.0/8\", \"0.0.0.0/0\"")), "{lines:#?}");
    assert_eq!(notes, [""; 0]);
}

#[test]
fn views_are_told_apart_by_their_clients_and_the_first_one_counts() {
    let (lines, notes) = shown(
        "acl inside { 10/8; 2001:db8::/32; };\n\
         view a { match-clients { inside; }; dns64 2001:db8:a::/96 { }; forwarders { 192.0.2.1; }; };\n\
         view b { dns64 2001:db8:b::/96 { clients { 10.1/16; 2001::/16; }; };\n forwarders { 192.0.2.2; }; };",
    );
    let from: Vec<_> = lines.iter().filter(|line| line.starts_with("from")).collect();
    assert_eq!(
        from,
        ["from = [\"2001:db8::/32\", \"10.0.0.0/8\"]", "from = [\"2001::/16\"]"],
        "10.1/16 is view a's"
    );
    assert_eq!(
        notes,
        ["named.conf:4: forwarders: view b: not honoured: all clients have the same upstreams"]
    );
}

#[test]
fn zones_that_forward_are_upstreams_of_their_own() {
    let zone = "zone \"Corp.example\" { type forward; forward only; forwarders { 10.0.0.53 port 5300; }; };";
    let (lines, notes) = shown(&format!("options {{ {FORWARDERS} dns64 64:ff9b::/96 {{ }}; }}; {zone}"));
    assert!(lines.contains(&"domains = [\"corp.example\"]".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"upstream = [\"10.0.0.53:5300\"]".to_owned()), "{lines:#?}");
    assert_eq!(notes, [""; 0]);
    let empty = zone.replace("10.0.0.53 port 5300;", "");
    let (_, notes) = shown(&format!("options {{ {FORWARDERS} dns64 64:ff9b::/96 {{ }}; }};\n{empty}"));
    assert!(notes[0].starts_with("named.conf:2: zone: Corp.example has no forwarders"), "{notes:?}");
}

#[test]
fn what_is_lost_is_noted_with_its_line() {
    let (lines, notes) = shown(&format!(
        "logging {{ channel x {{ null; }}; }};\noptions {{ directory \"/var/cache/bind\";\n{FORWARDERS}\n\
         forward first; dnssec-validation auto;\ndns64 64:ff9b::/96 {{ recursive-only yes; }};\n\
         listen-on {{ 127.0.0.1; 192.0.2.0/24; }};\nlisten-on-v6 port 5300 {{ any; }}; }};\n\
         zone \".\" {{ type hint; file \"/usr/share/dns/root.hints\"; }};\n\
         zone \"lan\" {{ type master; file \"/etc/bind/db.lan\"; }};"
    ));
    let about: Vec<_> =
        notes.iter().map(|note| note.splitn(4, ':').take(3).collect::<Vec<_>>().join(":")).collect();
    let expect = [
        "named.conf:1: logging",
        "named.conf:2: directory",
        "named.conf:4: forward",
        "named.conf:4: dnssec-validation",
        "named.conf:5: recursive-only",
        "named.conf:6: listen-on",
        "named.conf:8: zone",
        "named.conf:9: zone",
    ];
    assert_eq!(about, expect, "{notes:#?}");
    assert!(lines.contains(&"listen = [\"127.0.0.1:53\", \"[::]:5300\"]".to_owned()), "{lines:?}");
}

#[test]
fn errors_of_dns64_are_those_of_named_checkconf() {
    let check = |dns64: &str, expect: &str| {
        let text = format!("options {{ {FORWARDERS} {dns64} }};");
        assert_eq!(read(&text).unwrap_err(), [format!("named.conf:1: {expect}")], "{dns64}");
    };
    check("dns64 1.2.3.0/24 { };", "dns64 prefix 1.2.3.0/24 must be IPv6");
    check(
        "dns64 2001:db8:0:0:100::/96 { };",
        "dns64 prefix 2001:db8:0:0:100::/96 bits [64..71] must be zero",
    );
    check("dns64 2001:db8::/72 { };", "dns64 prefix 2001:db8::/72 length is not 32/40/48/56/64/96");
    check("dns64 2001:db8:: { };", "dns64 prefix 2001:db8::/128 length is not 32/40/48/56/64/96");
    check("dns64 ::/0 { };", "dns64 prefix ::/0 length is not 32/40/48/56/64/96");
    check("dns64 2001:db8::/129 { };", "invalid prefix length '129'");
    check("dns64 2001:db8::1/96 { };", "'2001:db8::1/96': address/prefix length mismatch '96'");
    let with = |clause: &str| format!("dns64 2001:db8::/96 {{ {clause} }};");
    check(&with("suffix 1.2.3.4;"), "expected IPv6 address near '1.2.3.4'");
    check("dns64 2001:db8::/64 { suffix ::1:0:0:0; };", "bad suffix '::1:0:0:0' leading 13 octets not zeros");
    check(&with("clients { foo; };"), "undefined ACL 'foo'");
    check(&with("foo bar;"), "unknown option 'foo'");
    check(&with("break-dnssec maybe;"), "boolean expected near 'maybe'");
    check(&with("mapped { 10.0.0.1/8; };"), "'10.0.0.1/8': address/prefix length mismatch '8'");
}

#[test]
fn every_error_is_told_at_once() {
    let text = "options {\n forwarders { foo; };\n bogus yes;\n listen-onn { any; };\n max-cache-size x; };\n\
        zone \"a..b\" { type forward; };\nzone \"c\" { type bogus; };\nzone \"d\" { };\nview v { };\nview v { };\noptions { };";
    let errors = read(text).unwrap_err();
    let expect = [
        "named.conf:2: expected IP address near 'foo'",
        "named.conf:3: unknown option 'bogus'",
        "named.conf:4: unknown option 'listen-onn'; did you mean 'listen-on'?",
        "named.conf:5: expected integer and optional unit or percent near 'x'",
        "named.conf:6: zone 'a..b': is not a valid name",
        "named.conf:7: 'bogus' unexpected",
        "named.conf:8: zone 'd': type not present",
        "named.conf:10: view 'v' stands twice",
        "named.conf:11: 'options' redefined near 'options'",
        "named.conf:6: when using 'view' statements, all zones must be in views",
    ];
    assert_eq!(errors, expect);
}

#[test]
fn a_file_that_does_not_forward_or_has_no_dns64_says_what_is_missing() {
    let errors = read("options { };").unwrap_err();
    assert!(errors[0].starts_with("named.conf: there are no forwarders"), "{errors:?}");
    assert!(errors[1].starts_with("named.conf: there is no dns64 statement"), "{errors:?}");
}

#[test]
fn signed_names_are_left_alone_unless_dnssec_may_be_broken() {
    let with = |clauses: &str| shown(&format!("options {{ {FORWARDERS}\n{clauses} }};"));
    let (lines, _) = with("dns64 64:ff9b::/96 { };");
    assert!(lines.contains(&"signed = \"pass\"".to_owned()), "{lines:#?}");
    let (lines, notes) = with("dns64 64:ff9b::/96 { break-dnssec yes; };");
    assert!(
        !lines.iter().any(|line| line.starts_with("signed")) && notes.is_empty(),
        "{lines:#?} {notes:#?}"
    );
    let (_, notes) = with("dns64 64:ff9b::/96 { break-dnssec yes; };\ndns64 2001:db8:64::/96 { };");
    assert_eq!(notes.len(), 1);
    assert!(notes[0].starts_with("named.conf:3: break-dnssec: no is not honoured for 2001:db8:64::/96"));
}

#[test]
fn lifetimes_of_the_cache_are_carried_over() {
    let (lines, _) = shown(&format!(
        "options {{ {FORWARDERS} dns64 64:ff9b::/96 {{ }}; max-cache-ttl 4h; max-ncache-ttl 900; stale-answer-enable yes; max-stale-ttl 2h; }};"
    ));
    for expect in ["cache_max_ttl = \"4h\"", "cache_max_negative_ttl = \"15m\"", "serve_stale = \"2h\""] {
        assert!(lines.iter().any(|line| line == expect), "{expect} in {lines:#?}");
    }
}

#[test]
fn clients_must_be_in_each_list_to_be_answered() {
    let with = |clauses: &str| format!("options {{ {FORWARDERS} dns64 64:ff9b::/96 {{ }}; {clauses} }};");
    let (lines, _) = shown(&with("allow-query { 10/8; ::1; }; allow-recursion { 10.1/16; ::/0; };"));
    assert!(lines.contains(&"allow_from = [\"10.1.0.0/16\", \"::1/128\"]".to_owned()), "{lines:#?}");
    let (lines, _) = shown(&with("allow-query { any; };"));
    assert!(!lines.iter().any(|line| line.starts_with("allow_from")), "{lines:#?}");
    let errors = read(&with("allow-query { none; };")).unwrap_err();
    assert_eq!(errors, ["named.conf:1: allow-query: nobody is left who would be answered"]);
}
