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

const FORWARDERS: &str = "forwarders { 192.0.2.1; }; allow-query { any; };";

#[test]
fn one_statement_for_everyone_needs_no_entries() {
    let text = format!("options {{ {FORWARDERS} dns64 2001:db8:64::/96 {{ }}; }};");
    let expect = [
        "pref64 = \"2001:db8:64::/96\"",
        "listen = [\"0.0.0.0:53\", \"[::]:53\"]",
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
        "acl inside { 10/8; 2001:db8::/32; }; options { allow-recursion { any; }; };\n\
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
    let with = |clauses: &str| {
        format!("options {{ forwarders {{ 192.0.2.1; }}; dns64 64:ff9b::/96 {{ }}; {clauses} }};")
    };
    let (lines, _) = shown(&with("allow-query { 10/8; ::1; }; allow-recursion { 10.1/16; ::/0; };"));
    assert!(lines.contains(&"allow_from = [\"10.1.0.0/16\", \"::1/128\"]".to_owned()), "{lines:#?}");
    let (lines, _) = shown(&with("allow-query { any; };"));
    assert!(!lines.iter().any(|line| line.starts_with("allow_from")), "{lines:#?}");
    let errors = read(&with("allow-query { none; };")).unwrap_err();
    assert_eq!(errors, ["named.conf:1: allow-query: nobody is left who would be answered"]);
}

/// The networks of `allow_from`, and what is noted about them.
fn let_in(text: &str) -> (Option<String>, Vec<String>) {
    let (lines, notes) = shown(text);
    let list = lines.iter().find_map(|line| line.strip_prefix("allow_from = "));
    (list.map(str::to_owned), notes)
}

#[test]
fn without_a_list_this_machine_alone_is_answered_and_the_networks_are_asked_for() {
    let (list, notes) = let_in("options {\nforwarders { 192.0.2.1; }; dns64 64:ff9b::/96 { }; };");
    assert_eq!(list.as_deref(), Some("[\"127.0.0.0/8\", \"::1/128\"]"));
    assert_eq!(notes.len(), 1, "{notes:#?}");
    assert!(
        notes[0].starts_with("named.conf:1: allow-recursion: without a list named answers this machine"),
        "{notes:#?}"
    );
    let (list, notes) = let_in(
        "options { forwarders { 192.0.2.1; }; dns64 64:ff9b::/96 { }; allow-recursion { localnets; 10/8; }; };",
    );
    assert_eq!(list.as_deref(), Some("[\"10.0.0.0/8\", \"127.0.0.0/8\", \"::1/128\"]"));
    assert_eq!(
        notes,
        [
            "named.conf:1: allow-recursion: localnets stands for 127.0.0.0/8 and ::1 here: write the other networks out"
        ]
    );
}

#[test]
fn a_view_lets_in_those_of_its_clients_that_its_lists_name() {
    let views = "options { forwarders { 192.0.2.1; }; dns64 64:ff9b::/96 { }; allow-query { 10/8; 2001:db8::/32; }; };\n\
        view inside { match-clients { 10.1/16; 192.168/16; }; };\n\
        view own { match-clients { 10/8; }; allow-query { 10.1/16; 10.2/16; }; };\n\
        view none { match-clients { 10.3/16; 2001:db8::/48; }; recursion no; };\n\
        view cache { match-clients { any; }; allow-query-cache { 2001:db8::/47; }; };";
    let (list, notes) = let_in(views);
    // 10.1/16 is the first view's, 10.2/16 the second's, and of the last the third has the half.
    assert_eq!(list.as_deref(), Some("[\"10.1.0.0/16\", \"10.2.0.0/16\", \"2001:db8:1::/48\"]"));
    assert_eq!(notes, [""; 0]);
    let (list, _) = let_in(&views.replace("recursion no;", ""));
    assert!(list.is_some_and(|list| list.contains("2001:db8::/47")), "the third view's are answered");
}

#[test]
fn clients_of_no_view_are_not_answered() {
    let (list, notes) = let_in(&format!(
        "options {{ {FORWARDERS} dns64 64:ff9b::/96 {{ }}; }}; view a {{ match-clients {{ 10/8; }}; }};"
    ));
    assert_eq!((list.as_deref(), notes), (Some("[\"10.0.0.0/8\"]"), vec![]));
    let errors =
        read(&format!("options {{ {FORWARDERS} dns64 64:ff9b::/96 {{ }}; recursion no; }};")).unwrap_err();
    assert_eq!(errors, ["named.conf:1: recursion: nobody is left who would be answered"]);
}

#[test]
fn whom_named_never_hears_gets_no_answer() {
    let with = |clauses: &str| {
        format!("options {{ forwarders {{ 192.0.2.1; }}; dns64 64:ff9b::/96 {{ }}; {clauses} }};")
    };
    let (lines, notes) = shown(&with("allow-query { any; }; blackhole { 0/1; ::/1; };"));
    assert!(lines.contains(&"allow_from = [\"128.0.0.0/1\", \"8000::/1\"]".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"denied = \"drop\"".to_owned()) && notes.is_empty(), "{notes:#?}");
    let (lines, notes) = shown(&with("allow-query { 10/8; }; blackhole { 10/9; };"));
    assert!(lines.contains(&"allow_from = [\"10.128.0.0/9\"]".to_owned()), "{lines:#?}");
    assert_eq!(notes, ["named.conf:1: blackhole: is refused here, as all clients are that may not ask"]);
}

#[test]
fn a_family_without_a_list_is_listened_to_at_every_address() {
    let check = |clauses: &str, expect: &str, count: usize| {
        let (lines, notes) =
            shown(&format!("options {{ {FORWARDERS} dns64 64:ff9b::/96 {{ }}; {clauses} }};"));
        let list = lines.iter().find_map(|line| line.strip_prefix("listen = ")).unwrap_or("default");
        assert_eq!((list, notes.len()), (expect, count), "{clauses} {notes:#?}");
    };
    check("", "[\"0.0.0.0:53\", \"[::]:53\"]", 0);
    check("listen-on-v6 { any; };", "[\"0.0.0.0:53\", \"[::]:53\"]", 0);
    check("listen-on { 192.0.2.9; };", "[\"192.0.2.9:53\", \"[::]:53\"]", 0);
    check("listen-on { none; }; listen-on-v6 { 2001:db8::1; };", "[\"[2001:db8::1]:53\"]", 0);
    check("listen-on { none; }; listen-on-v6 { none; };", "default", 1);
    check("listen-on { localhost; }; listen-on-v6 { localhost; };", "[\"127.0.0.1:53\", \"[::1]:53\"]", 2);
    check("listen-on { 192.0.2.0/24; };", "[\"[::]:53\"]", 1);
    check(
        "listen-on port 853 tls own { any; }; listen-on { any; any; };",
        "[\"0.0.0.0:53\", \"[::]:53\"]",
        1,
    );
}

#[test]
fn the_port_is_that_of_listeners_and_forwarders_wherever_it_stands() {
    let (lines, notes) = shown(
        "zone corp.example { type forward; forwarders { 10.0.0.53; }; };\n\
         options { forwarders { 192.0.2.1; 192.0.2.2 port 53; }; dns64 64:ff9b::/96 { }; allow-query { any; };\n\
         listen-on { 127.0.0.1; }; listen-on-v6 port 5300 { ::1; }; port 5353; };",
    );
    for expect in [
        "listen = [\"127.0.0.1:5353\", \"[::1]:5300\"]",
        "upstream = [\"192.0.2.1:5353\", \"192.0.2.2:53\"]",
        "upstream = [\"10.0.0.53:5353\"]",
    ] {
        assert!(lines.iter().any(|line| line == expect), "{expect} in {lines:#?}");
    }
    assert_eq!(notes, [""; 0]);
    let errors = read("options { port 70000; };").unwrap_err();
    assert_eq!(errors[0], "named.conf:1: port '70000' out of range");
}

#[test]
fn what_views_agree_on_holds_and_what_they_do_not_is_noted() {
    let clauses = "max-cache-size 8m; max-cache-ttl 1h; max-ncache-ttl 60; rate-limit { responses-per-second 5; };\n\
        prefetch 0; stale-answer-enable yes; max-stale-ttl 2h; empty-zones-enable no;";
    let one = format!("options {{ {FORWARDERS} dns64 64:ff9b::/96 {{ }}; }};\nview a {{\n{clauses} }};\n");
    let (lines, notes) = shown(&one);
    for expect in [
        "cache_size = \"8MiB\"",
        "cache_max_ttl = \"1h\"",
        "cache_max_negative_ttl = \"1m\"",
        "response_rate = 5",
        "prefetch = false",
        "serve_stale = \"2h\"",
        "private_zones = \"forward\"",
    ] {
        assert!(lines.iter().any(|line| line == expect), "{expect} in {lines:#?}");
    }
    assert_eq!(notes, [""; 0]);
    let (lines, notes) = shown(&format!("{one}view b {{ match-clients {{ any; }}; }};"));
    assert!(!lines.iter().any(|line| line.starts_with("cache_size")), "{lines:#?}");
    assert_eq!(notes.len(), 8, "{notes:#?}");
    for name in [
        "max-cache-size",
        "max-cache-ttl",
        "max-ncache-ttl",
        "rate-limit",
        "prefetch",
        "stale-answer-enable",
        "max-stale-ttl",
        "empty-zones-enable",
    ] {
        let start = format!(": {name}: view a: not honoured");
        assert_eq!(notes.iter().filter(|note| note.contains(&start)).count(), 1, "{name}: {notes:#?}");
    }
}

#[test]
fn clauses_of_options_alone_are_refused_in_views() {
    for clause in ["listen-on { any; }", "port 53", "blackhole { any; }", "answer-cookie no", "server-id x"] {
        let name = clause.split(' ').next().unwrap();
        let errors = read(&format!("view a {{ {clause}; }};")).unwrap_err();
        assert!(errors[0].starts_with(&format!("named.conf:1: unknown option '{name}'")), "{errors:?}");
    }
    let errors = read("options { match-destinations { any; }; };").unwrap_err();
    assert!(errors[0].starts_with("named.conf:1: unknown option 'match-destinations'"), "{errors:?}");
}

#[test]
fn every_known_clause_is_honoured_or_has_its_line_at_every_scope() {
    use super::names;
    let noted = |text: String, name: &str| {
        let statements =
            super::statement::statements(&text, "named.conf", &mut |_| Err("none".into())).unwrap();
        let conf = super::conf::read(&statements).unwrap_or_else(|errors| panic!("{errors:#?}\n{text}"));
        assert_eq!(conf.lost.iter().filter(|note| note.directive == name).count(), 1, "{text}");
    };
    for name in names::TOP {
        noted(format!("{name} x {{ }};"), name);
    }
    for name in names::OPTIONS {
        noted(format!("options {{ {name} x; }};"), name);
    }
    for name in names::OPTIONS.iter().chain(names::VIEW) {
        noted(format!("view a {{ {name} x; }};"), name);
    }
    for name in names::ZONE {
        for order in ["type forward; CLAUSE", "CLAUSE type forward;"] {
            let clauses = order.replace("CLAUSE", &format!("{name} x;"));
            noted(format!("zone a {{ forwarders {{ 192.0.2.1; }}; {clauses} }};"), name);
        }
    }
}

#[test]
fn lists_within_dns64_say_what_they_lose() {
    let (_, notes) = shown(&format!(
        "options {{ {FORWARDERS} dns64 64:ff9b::/96 {{\nclients {{ localnets; key a; any; }};\nmapped {{ !localhost; any; }};\nexclude {{ geoip country XX; }}; }}; }};"
    ));
    let about: Vec<_> =
        notes.iter().map(|note| note.split(": ").take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        about,
        ["named.conf:2 clients", "named.conf:2 clients", "named.conf:3 mapped", "named.conf:4 exclude"]
    );
}

#[test]
fn zones_of_one_view_are_noted_since_they_hold_for_all() {
    let zone = "zone x.example { type forward; forwarders { 192.0.2.2; }; };";
    let views = |a: &str, b: &str| {
        format!(
            "options {{ {FORWARDERS} dns64 64:ff9b::/96 {{ }}; }};\nview a {{ match-clients {{ 10/8; }}; {a} }};\nview b {{ {b} }};"
        )
    };
    assert_eq!(shown(&views(zone, zone)).1, [""; 0]);
    let notes = shown(&views(zone, "")).1;
    assert_eq!(notes, ["named.conf:2: zone: x.example of view a is forwarded like this for every client"]);
    let notes = shown(&views(zone, &zone.replace("192.0.2.2", "192.0.2.3"))).1;
    assert!(notes[0].starts_with("named.conf:3: zone: x.example stands more than once"), "{notes:#?}");
    let notes = shown(&views(zone, "zone x.example { in-view a; };")).1;
    assert_eq!(notes.len(), 2, "{notes:#?}");
}
