use super::*;

fn refusals(listener: &str) -> Vec<(String, String)> {
    let text = format!(
        "[proxy]\n[[proxy.listener]]\nname = \"plain\"\nbind = [\"[::1]:80\"]\npool = \"web\"\n\
         [[proxy.listener]]\nname = \"web\"\nbind = [\"[::1]:443\"]\npool = \"web\"\n{listener}\n\
         [[proxy.pool]]\nname = \"web\"\n"
    );
    let loaded = config::parse(&text, "gateway.toml").expect("the file itself is valid");
    App::check(&loaded.model).into_iter().map(|refusal| (refusal.path, refusal.help)).collect()
}

#[test]
fn what_is_served_is_not_refused() {
    for mode in ["tcp", "http", "udp"] {
        assert_eq!(refusals(&format!("mode = \"{mode}\"")), []);
    }
    for mode in ["tcp", "http"] {
        let tls = "tls = { certificates = [\"/etc/causeway/web.pem\"], alpn = [\"h2\"] }";
        assert_eq!(refusals(&format!("mode = \"{mode}\"\n{tls}")), []);
    }
}

fn advice(text: &str) -> Vec<String> {
    App::advise(&config::parse(text, "gateway.toml").expect("the file is valid").model)
}

/// A listener of this mode in front of a pool with these lines.
fn served(mode: &str, pool: &str) -> String {
    format!(
        "[[proxy.listener]]\nname = \"{mode}\"\nbind = [\"[::1]:80\"]\npool = \"web\"\nmode = \"{mode}\"\n\
         [[proxy.pool]]\nname = \"web\"\n{pool}\n"
    )
}

/// A member with this line.
fn member(line: &str) -> String {
    format!("[[proxy.pool.member]]\nname = \"a\"\naddress = \"192.0.2.1:80\"\n{line}\n")
}

#[test]
fn a_pool_that_takes_nobody_is_named() {
    let check =
        |members: &str, expect: &[&str]| assert_eq!(advice(&served("tcp", members)), expect, "{members}");
    check("", &["pool \"web\" has no member: its listeners turn new clients away"]);
    let idle =
        "pool \"web\" has no member that is ready and has a weight: its listeners turn new clients away";
    for line in ["state = \"maintenance\"", "state = \"drain\"", "weight = 0"] {
        check(&member(line), &[idle]);
    }
    check(&member("backup = true"), &[]);
}

#[test]
fn checks_over_tcp_of_members_that_take_datagrams_are_named() {
    let many = |lines: &str| advice(&served("udp", &format!("{lines}\n{}", member("")))).len();
    assert_eq!(many(""), 1);
    assert_eq!(many("check = { kind = \"off\" }"), 0);
    assert_eq!(many("check = { port = 8080 }"), 0, "somebody has thought of it");
    let both = "[[proxy.listener]]\nname = \"dns\"\nbind = [\"[::1]:80\"]\npool = \"web\"\n";
    assert_eq!(advice(&(both.to_owned() + &served("udp", &member("")))), [""; 0], "a member of both");
}
