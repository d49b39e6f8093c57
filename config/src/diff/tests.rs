use super::*;
use crate::model::Member;
use crate::parse;

const OLD: &str = r#"
[prefix]
pref64 = "2001:db8:64::/96"
[nat64]
ipv4_addr = "192.168.255.1"
ipv6_addr = "2001:db8:ffff::64"
[[nat64.map]]
v4 = "192.0.2.10"
v6 = "2001:db8:1::10"
[[nat64.map]]
v4 = "192.0.2.11"
v6 = "2001:db8:1::11"
[dns64]
upstream = ["192.0.2.53"]
[proxy]
[[proxy.listener]]
name = "web"
bind = ["[2001:db8::80]:80"]
pool = "web"
[[proxy.pool]]
name = "web"
[[proxy.pool.member]]
name = "a"
address = "192.0.2.11:8080"
[[proxy.pool.member]]
name = "b"
address = "192.0.2.12:8080"
"#;

/// The difference that replacing each pair of texts in [`OLD`] makes.
fn after(edits: &[(&str, &str)]) -> Diff {
    let mut text = OLD.to_owned();
    for (from, to) in edits {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    let model = |text: &str| parse(text, "gateway.toml").unwrap_or_else(|error| panic!("{error}")).model;
    diff(&model(OLD), &model(&text))
}

fn lines(diff: &Diff) -> Vec<String> {
    diff.changes().iter().map(ToString::to_string).collect()
}

#[test]
fn a_changed_key_has_its_path_and_both_values() {
    let diff = after(&[("[dns64]", "[dns64]\ncache_size = \"64MiB\"")]);
    assert_eq!(lines(&diff), ["dns64.cache_size: \"32MiB\" -> \"64MiB\""]);
    let section = diff.dns64.changed().expect("dns64 changed");
    let sizes = section.cache.as_ref().map(|cache| (cache.old.size, cache.new.size));
    assert_eq!(sizes, Some((32 << 20, 64 << 20)));
    assert!(diff.nat64.is_same() && diff.proxy.is_same());
}

#[test]
fn a_key_that_comes_or_goes_is_added_or_removed() {
    let diff = after(&[("[nat64]", "[nat64]\ndynamic_pool = \"192.168.255.0/24\"")]);
    assert_eq!(lines(&diff), ["nat64.dynamic_pool: added \"192.168.255.0/24\""]);
    assert_eq!(diff.changes()[0].kind, ChangeKind::Added);
}

#[test]
fn maps_are_matched_by_their_ipv4_side() {
    let diff = after(&[("2001:db8:1::10", "2001:db8:1::99"), ("192.0.2.11\"", "192.0.2.12\"")]);
    assert_eq!(
        lines(&diff),
        [
            "nat64.map[192.0.2.11/32]: removed \"2001:db8:1::11/128\"",
            "nat64.map[192.0.2.10/32].v6: \"2001:db8:1::10/128\" -> \"2001:db8:1::99/128\"",
            "nat64.map[192.0.2.12/32]: added \"2001:db8:1::11/128\"",
        ]
    );
    let map = &diff.nat64.changed().expect("nat64 changed").map;
    assert_eq!((map.added.len(), map.removed.len(), map.changed.len()), (1, 1, 1));
}

#[test]
fn members_are_matched_by_name_inside_their_pool() {
    let diff =
        after(&[("name = \"b\"", "name = \"c\""), ("192.0.2.11:8080\"", "192.0.2.11:8080\"\nweight = 0")]);
    assert_eq!(
        lines(&diff),
        [
            "proxy.pool[web].member[b]: removed \"192.0.2.12:8080\"",
            "proxy.pool[web].member[a].weight: 100 -> 0",
            "proxy.pool[web].member[c]: added \"192.0.2.12:8080\"",
        ]
    );
    let proxy = diff.proxy.changed().expect("proxy changed");
    assert!(proxy.listener.is_empty());
    let [pool] = &proxy.pool.changed[..] else { panic!("one pool changed") };
    assert_eq!(pool.pool.new.name, "web");
    let names = |members: &[Member]| members.iter().map(|member| member.name.clone()).collect::<Vec<_>>();
    assert_eq!(
        (names(&pool.member.added), names(&pool.member.removed)),
        (vec!["c".into()], vec!["b".into()])
    );
    assert_eq!(pool.member.changed[0].new.weight, 0);
}

#[test]
fn a_timeout_of_the_section_changes_the_listeners_that_have_none_of_their_own() {
    let diff = after(&[("[proxy]", "[proxy.timeout]\nclient = \"10s\"")]);
    assert_eq!(
        lines(&diff),
        [
            "proxy.timeout.client: \"50s\" -> \"10s\"",
            "proxy.listener[web].timeout.client: \"50s\" -> \"10s\"",
        ]
    );
    let own = [("pool = \"web\"", "pool = \"web\"\ntimeout = { client = \"50s\" }")];
    let diff = after(&[own[0], ("[proxy]", "[proxy.timeout]\nclient = \"10s\"")]);
    assert_eq!(lines(&diff), ["proxy.timeout.client: \"50s\" -> \"10s\""]);
}

#[test]
fn a_table_that_comes_or_goes_is_named() {
    let diff = after(&[(
        "name = \"web\"\n[[proxy.pool.member]]",
        "name = \"web\"\nstick = {}\n[[proxy.pool.member]]",
    )]);
    assert_eq!(lines(&diff), ["proxy.pool[web].stick: added [proxy.pool.stick]"]);
}

#[test]
fn a_renamed_listener_is_another_listener() {
    let diff = after(&[("name = \"web\"", "name = \"shop\"")]);
    assert_eq!(
        lines(&diff),
        [
            "proxy.listener[web]: removed [\"[2001:db8::80]:80\"] to pool web",
            "proxy.listener[shop]: added [\"[2001:db8::80]:80\"] to pool web",
        ]
    );
}

/// Five rules, two of them without a name.
const RULES: [&str; 5] = [
    "name = \"staff\"\npath_prefix = [\"/staff/\"]\nauth = { users = \"/etc/causeway/users\" }",
    "path_prefix = [\"/old/\"]\ndeny = 403",
    "name = \"login\"\npath = [\"/login\"]\nrate = { requests = 5, per = \"1s\" }",
    "path_prefix = [\"/new/\"]\nredirect = { to = \"https://{host}{uri}\" }",
    "name = \"api\"\npath_prefix = [\"/api/\"]\npool = \"web\"",
];

/// What is said of these rules in place of [`RULES`].
fn rules(new: &[&str]) -> Vec<String> {
    let listener = "pool = \"web\"\n[[proxy.pool]]";
    let model = |rules: &[&str]| {
        let rules: Vec<_> = rules.iter().map(|rule| format!("[[proxy.listener.rule]]\n{rule}\n")).collect();
        let rules = rules.concat();
        let http = format!("mode = \"http\"\npool = \"web\"\n{rules}[[proxy.pool]]");
        let text = OLD.replacen(listener, &http, 1);
        parse(&text, "gateway.toml").unwrap_or_else(|error| panic!("{error}")).model
    };
    let said = lines(&diff(&model(&RULES), &model(new)));
    said.iter().map(|line| line.replacen("proxy.listener[web].", "", 1)).collect()
}

#[test]
fn a_rule_that_is_put_in_or_taken_out_changes_no_other() {
    let [staff, old, login, new, api] = RULES;
    assert_eq!(
        rules(&["deny = 418\npath = [\"/tea\"]", staff, old, login, new, api]),
        ["rule[0]: added deny with 418"]
    );
    assert_eq!(
        rules(&[staff, old, "name = \"tea\"\ndeny = 418", login, new, api]),
        ["rule[tea]: added deny with 418"]
    );
    assert_eq!(rules(&[staff, login, new, api]), ["rule[1]: removed deny with 403"]);
    assert_eq!(rules(&[old, login, new, api]), ["rule[staff]: removed have clients log in"]);
}

#[test]
fn a_rule_that_moves_is_said_to() {
    let [staff, old, login, new, api] = RULES;
    assert_eq!(rules(&[api, staff, old, login, new]), ["rule[api]: moved from 5th to 1st"]);
    assert_eq!(rules(&[staff, login, new, old, api]), ["rule[3]: moved from 2nd to 4th"]);
    let denies = old.replace("403", "404");
    assert_eq!(
        rules(&[staff, login, new, api, &denies]),
        ["rule[1]: removed deny with 403", "rule[4]: added deny with 404",]
    );
}

#[test]
fn a_rule_that_changes_is_called_by_its_name_or_its_place() {
    let [staff, old, login, new, api] = RULES;
    let (denies, logs_in) = (old.replace("403", "404"), login.replace('5', "9"));
    assert_eq!(
        rules(&[staff, &denies, new, api, &logs_in]),
        [
            "rule[1].deny: 403 -> 404",
            "rule[login]: moved from 3rd to 5th",
            "rule[login].rate.requests: 5 -> 9",
            "rule[login].rate.burst: 5 -> 9",
        ]
    );
    let named = format!("name = \"gone\"\n{old}");
    assert_eq!(rules(&[staff, &named, login, new, api]), ["rule[gone].name: added \"gone\""]);
    let renamed = staff.replace("\"staff\"", "\"people\"");
    assert_eq!(
        rules(&[&renamed, old, login, new, api]),
        ["rule[staff]: removed have clients log in", "rule[people]: added have clients log in",]
    );
}

#[test]
fn lists_whose_order_decides_nothing_have_nothing_that_moves() {
    let forward = |domain: &str, address: &str| {
        format!("[[dns64.forward]]\ndomains = [\"{domain}\"]\nupstream = [\"{address}\"]\n")
    };
    let lists = |list: &[String]| {
        let text = OLD.replacen("[proxy]", &format!("{}[proxy]", list.concat()), 1);
        parse(&text, "gateway.toml").unwrap_or_else(|error| panic!("{error}")).model
    };
    let [one, two] = [forward("a.example", "192.0.2.1"), forward("b.example", "192.0.2.2")];
    let (before, swapped) = (lists(&[one.clone(), two.clone()]), lists(&[two.clone(), one.clone()]));
    assert!(diff(&before, &swapped).is_empty());
    let three = forward("c.example", "192.0.2.3");
    assert_eq!(
        lines(&diff(&before, &lists(&[three, one, two.replace("2.2", "2.9")]))),
        [
            "dns64.forward[0]: added [\"c.example\"]",
            "dns64.forward[2].upstream: [\"192.0.2.2:53\"] -> [\"192.0.2.9:53\"]",
        ]
    );
}

#[test]
fn a_client_without_others_is_called_by_its_place() {
    let diff = after(&[(
        "upstream = [\"192.0.2.53\"]",
        "upstream = [\"192.0.2.53\"]\n[[dns64.client]]\nfrom = [\"2001:db8:6::/64\"]",
    )]);
    assert_eq!(lines(&diff), ["dns64.client[0]: added [\"2001:db8:6::/64\"]"]);
}

#[test]
fn each_daemon_is_told_its_own_changes_and_the_shared_ones() {
    let diff = after(&[
        ("2001:db8:64::/96", "2001:db8:65::/96"),
        ("[nat64]", "[log]\nlevel = \"debug\"\n[nat64]\nmtu = 1400"),
        ("192.0.2.53", "192.0.2.54"),
    ]);
    let told = |section| diff.for_section(section).map(|change| change.path.clone()).collect::<Vec<_>>();
    assert_eq!(told(Section::Nat64), ["prefix.pref64", "nat64.mtu", "log.level"]);
    assert_eq!(told(Section::Dns64), ["prefix.pref64", "dns64.upstream", "log.level"]);
    assert_eq!(told(Section::Proxy), ["prefix.pref64", "log.level"]);
}

#[test]
fn only_the_daemon_that_cannot_apply_a_change_needs_a_restart() {
    let diff = after(&[("[nat64]", "[admin]\nsocket = \"/run/other\"\n[nat64]\nworkers = 2\nmtu = 1400")]);
    let waits = |section| diff.needs_restart(section).iter().map(ToString::to_string).collect::<Vec<_>>();
    let admin = "admin.socket: \"/run/causeway\" -> \"/run/other\" (needs a restart)";
    assert_eq!(waits(Section::Nat64), ["nat64.workers: 0 -> 2 (needs a restart)", admin]);
    assert_eq!(waits(Section::Proxy), [admin]);
}

#[test]
fn a_section_that_goes_is_removed_as_a_whole() {
    let (rest, _) = OLD.split_once("[proxy]").expect("the file has a proxy");
    let model = |text: &str| parse(text, "gateway.toml").unwrap_or_else(|error| panic!("{error}")).model;
    let diff = diff(&model(OLD), &model(rest));
    assert_eq!(lines(&diff), ["proxy: removed [proxy] (needs a restart)"]);
    assert!(matches!(diff.proxy, Part::Removed(_)));
}
