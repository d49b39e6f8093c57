//! What holds requests up: names with passwords, and rates.

use crate::backend::field;
use crate::client::Response;
use crate::foreign::find;
use crate::gateway::{Config, Gateway, free_port, v4, v6, wait_for};
use crate::versions::{Asked, Speaker, Way};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// Of `htpasswd -nbB -C 4`, "sesame".
const CHEAP: &str = "$2y$04$AqQXoO8IEA2usK7My2Mj/eGN7m90Qe5EP90IOxhW/z7Z0UrdH1WEi";

/// A file of users with these lines.
fn users(lines: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users");
    fs::write(&file, lines).unwrap();
    (folder, file)
}

fn authorization(user: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{user}:{password}")))
}

fn ask(client: &mut Speaker, target: &str, lines: &str) -> Response {
    client.ask(&Asked::get(target, lines))
}

fn failures(reason: &str) -> String {
    format!("failures_total{{listener=\"web\",reason=\"{reason}\"}}")
}

#[test]
fn clients_log_in_and_members_learn_the_name() {
    Way::each(|way| {
        let member = way.member("inside");
        let (_folder, file) = users(&format!("ala:{CHEAP}\n"));
        let rules = format!(
            "[[proxy.listener.rule]]\npath_prefix = [\"/staff/\"]\nauth = {{ realm = \"Staff only\", users = {file:?} }}\n\
         request_headers = [{{ set = \"X-Remote-User\", value = \"{{user}}\" }}]\n"
        );
        let (gateway, port) = way.start(&rules, &member);
        let mut client = way.client(port);
        let asked = ask(&mut client, "/staff/", "");
        assert_eq!(
            (asked.status, asked.field("www-authenticate")),
            (401, Some("Basic realm=\"Staff only\", charset=\"UTF-8\""))
        );
        // All on one connection.
        for (user, password) in [("ala", "sesam"), ("bo", "sesame"), ("ala", ""), ("", "sesame")] {
            let refused = ask(&mut client, "/%73taff//a", &authorization(user, password));
            assert_eq!(refused.status, 401, "{user} {password}");
        }
        assert!(member.heads().is_empty());
        let lines = authorization("ala", "sesame") + "X-Remote-User: root\r\n";
        assert_eq!(ask(&mut client, "/staff/a", &lines).text(), "inside");
        assert_eq!(ask(&mut client, "/open", &lines).text(), "inside");
        let heads = member.heads();
        assert_eq!(
            (field(&heads[0], "x-remote-user"), field(&heads[0], "authorization")),
            (Some("ala"), None)
        );
        assert!(
            field(&heads[1], "authorization").is_some(),
            "where nobody has to log in, it is the member's"
        );
        gateway.counts(&failures("bad_credentials"), 4);
    });
}

#[test]
fn users_are_read_again_on_reload() {
    Way::each(|way| {
        let member = way.member("inside");
        let (_folder, file) = users(&format!("ala:{CHEAP}\n"));
        let rules = format!("[[proxy.listener.rule]]\nauth = {{ users = {file:?}, forward = true }}\n");
        let port = free_port();
        let config = way.config(port, &rules, &member);
        let gateway = Gateway::start(&config);
        let mut client = way.client(port);
        let (ala, bo) = (authorization("ala", "sesame"), authorization("bo", "sesame"));
        assert_eq!((ask(&mut client, "/", &ala).status, ask(&mut client, "/", &bo).status), (200, 401));
        assert!(field(&member.heads()[0], "authorization").is_some());
        fs::write(&file, format!("bo:{CHEAP}\n")).unwrap();
        gateway.change(&config);
        assert_eq!((ask(&mut client, "/", &ala).status, ask(&mut client, "/", &bo).status), (401, 200));
        fs::write(&file, format!("bo:{CHEAP}\nala:{{SHA}}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n")).unwrap();
        let (status, problem) = gateway.reload(&config);
        assert!(
            status >= 400 && problem.contains("line 2: the password of \\\"ala\\\" is a hash of SHA-1"),
            "{problem}"
        );
        assert!(problem.contains("htpasswd -B"), "{problem}");
        assert_eq!(ask(&mut client, "/", &bo).status, 200);
    });
}

#[test]
fn a_flood_of_wrong_passwords_does_not_hold_up_who_is_in() {
    Way::each_front(|way| {
        let member = way.member("inside");
        let costly = bcrypt::hash_with_salt("sesame", 9, [3; 16]).unwrap();
        let (_folder, file) = users(&format!("ala:{CHEAP}\nbo:{costly}\n"));
        let rules = format!("[[proxy.listener.rule]]\npath = [\"/staff\"]\nauth = {{ users = {file:?} }}\n");
        let port = free_port();
        let gateway = Gateway::start(&way.config(port, &rules, &member).timeouts("queue = \"10m\""));
        let mut known = way.client(port);
        assert_eq!(ask(&mut known, "/staff", &authorization("ala", "sesame")).status, 200);
        // Each waits for its answer, so all that may wait are waiting once one is refused.
        let mut flood = Vec::new();
        wait_for("a refusal", || {
            for _ in 0..16 {
                let mut client = Speaker::connect(way.front, v4(port));
                let lines = authorization("bo", &flood.len().to_string());
                client.send(&Asked::get("/staff", &lines));
                flood.push(client);
            }
            (gateway.metric(&failures("logins_full")) > 0).then_some(())
        });
        for _ in 0..50 {
            assert_eq!(ask(&mut known, "/staff", &authorization("ala", "sesame")).status, 200);
            assert_eq!(ask(&mut known, "/", "").status, 200);
        }
        let answers: Vec<_> = flood.iter_mut().map(Speaker::receive).collect();
        assert!(answers.iter().all(|answer| [401, 429].contains(&answer.status)));
        let refused = answers.iter().filter(|answer| answer.status == 429).count();
        assert!(refused > 0 && refused < flood.len(), "{refused}");
        assert!(answers.iter().all(|answer| (answer.status == 429) == answer.field("retry-after").is_some()));
        gateway.counts(&failures("logins_full"), refused as u64);
    });
}

#[test]
fn a_password_is_not_waited_for_longer_than_a_member() {
    Way::each_front(|way| {
        let member = way.member("inside");
        let costly = bcrypt::hash_with_salt("sesame", 11, [3; 16]).unwrap();
        let (_folder, file) = users(&format!("bo:{costly}\n"));
        let rules = format!("[[proxy.listener.rule]]\nauth = {{ users = {file:?} }}\n");
        let port = free_port();
        let gateway = Gateway::start(&way.config(port, &rules, &member).timeouts("queue = \"10ms\""));
        let mut client = way.client(port);
        let busy = ask(&mut client, "/", &authorization("bo", "sesame"));
        assert_eq!((busy.status, busy.field("retry-after")), (503, Some("1")));
        gateway.counts(&failures("logins_full"), 1);
        // It is checked all the same, for when they come again.
        wait_for("the check", || {
            (ask(&mut client, "/", &authorization("bo", "sesame")).status == 200).then_some(())
        });
    });
}

#[test]
fn names_that_rules_set_come_from_nowhere_else() {
    Way::each(|way| {
        let member = way.member("inside");
        let rules =
            "[[proxy.listener.rule]]\nrequest_headers = [{ set = \"X-Remote-User\", value = \"ala\" }]\n";
        let (_gateway, port) = way.start(rules, &member);
        let mut client = way.client(port);
        let lines = "X_Remote_User: root\r\nX-Remote-User: root\r\nX.Remote.User: root\r\nX-Other: kept\r\n";
        assert_eq!(ask(&mut client, "/", lines).text(), "inside");
        let head = member.heads().remove(0).to_ascii_lowercase();
        assert!(head.contains("x-remote-user: ala\r\n") && head.contains("x-other: kept\r\n"), "{head}");
        assert!(!head.contains("root"), "{head}");
    });
}

#[test]
fn no_tunnel_leads_around_a_path() {
    Way::each(|way| {
        let member = way.member("inside");
        let rules = "[[proxy.listener.rule]]\npath_prefix = [\"/\"]\ndeny = 403\n";
        let (_gateway, port) = way.start(rules, &member);
        let mut client = way.client(port);
        let tunnel = Asked { method: "CONNECT", host: "b.example:443", ..Asked::get("b.example:443", "") };
        assert_eq!(client.ask(&tunnel).status, 501);
        assert!(member.heads().is_empty());
    });
}

#[test]
fn no_spelling_of_a_path_leads_around_a_gate() {
    Way::each(|way| {
        let member = way.member("inside");
        let (_folder, file) = users(&format!("ala:{CHEAP}\n"));
        for (gate, expect) in [
            (format!("auth = {{ users = {file:?} }}"), 401),
            ("deny = 403".to_owned(), 403),
            ("rate = { requests = 1, per = \"1h\" }".to_owned(), 429),
        ] {
            let rules = format!("[[proxy.listener.rule]]\npath_prefix = [\"/staff/\"]\n{gate}\n");
            let (_gateway, port) = way.start(&rules, &member);
            let status = |target: &str| ask(&mut way.client(port), target, "").status;
            // The one request that the rate lets pass.
            let first = status("/staff/a");
            assert!(first == 200 || first == expect, "{gate}");
            let seen = member.heads().len();
            assert_eq!(status("/staff/a;x"), expect, "{gate}");
            for target in
                ["/staff;x/a", "/;/staff/a", "/staff%3bx/a", "/staff\\a", "/staff%5Ca", "/staff//../a"]
            {
                assert_eq!(status(target), 400, "{gate} {target}");
            }
            assert_eq!(member.heads().len(), seen, "{gate}");
            assert_eq!(status("/open;x/a"), 200, "{gate}");
        }
    });
}

#[test]
fn curl_logs_in_by_a_file_of_htpasswd() {
    Way::each(|way| {
        let (Some(curl), Some(htpasswd)) = (find("curl"), find("htpasswd")) else { return };
        let member = way.member("inside");
        let (_folder, file) = users("");
        let made = Command::new(htpasswd)
            .args(["-bB", "-C", "5"])
            .arg(&file)
            .args(["ala", "s\u{e9}same:1"])
            .output();
        assert!(made.is_ok_and(|made| made.status.success()));
        let rules = format!("[[proxy.listener.rule]]\nauth = {{ users = {file:?} }}\n");
        let (_gateway, port) = way.start(&rules, &member);
        let ask = |user: &str| {
            let url = format!("http://[::1]:{port}/");
            let output = Command::new(&curl)
                .args(["-sS", "-g", "-o", "-", "-w", " %{http_code}", "-u", user, way.front.of_curl(), &url])
                .output();
            String::from_utf8_lossy(&output.expect("curl runs").stdout).into_owned()
        };
        assert_eq!(ask("ala:s\u{e9}same:1"), "inside 200");
        assert!(ask("ala:sesame").ends_with(" 401"));
    });
}

#[test]
fn requests_beyond_the_rate_are_refused() {
    Way::each(|way| {
        let member = way.member("inside");
        let rules = |requests: u32| {
            format!(
                "[[proxy.listener.rule]]\nname = \"slow\"\npath_prefix = [\"/a\"]\nrate = {{ requests = {requests}, per = \"1h\" }}\n"
            )
        };
        let (gateway, port) = way.start(&rules(2), &member);
        let mut client = way.client(port);
        let statuses = |client: &mut Speaker| [(); 3].map(|()| ask(client, "/a", "").status);
        assert_eq!(statuses(&mut client), [200, 200, 429]);
        let refused = ask(&mut client, "/a", "");
        let after: u64 = refused.field("retry-after").unwrap().parse().unwrap();
        assert!((1..=1800).contains(&after), "{after}");
        assert_eq!(ask(&mut client, "/b", "").status, 200);
        // Another source.
        assert_eq!(statuses(&mut Speaker::connect(way.front, v4(port))), [200, 200, 429]);
        gateway.counts(&failures("rate_limited"), 3);
        // Accounts survive a change of something else.
        gateway.change(&way.config(
            port,
            &(rules(2) + "[[proxy.listener.rule]]\npath = [\"/c\"]\ndeny = 403\n"),
            &member,
        ));
        assert_eq!(ask(&mut client, "/a", "").status, 429);
        gateway.change(&way.config(port, &rules(3), &member));
        assert_eq!([ask(&mut client, "/a", "").status, ask(&mut client, "/a", "").status], [200, 200]);
    });
}

#[test]
fn a_rate_may_be_that_of_a_header_and_comes_ahead_of_passwords() {
    Way::each(|way| {
        let member = way.member("inside");
        let (_folder, file) = users(&format!("ala:{CHEAP}\n"));
        let rules = format!(
            "[[proxy.listener.rule]]\nrate = {{ requests = 1, per = \"1h\", by = \"header:X-Key\", status = 503 }}\n\
         auth = {{ users = {file:?} }}\n"
        );
        let (_gateway, port) = way.start(&rules, &member);
        let mut client = way.client(port);
        let mut check =
            |lines: &str, expect: u16| assert_eq!(ask(&mut client, "/", lines).status, expect, "{lines}");
        check("X-Key: 1\r\n", 401);
        check(&format!("X-Key: 1\r\n{}", authorization("ala", "sesame")), 503);
        check(&format!("X-Key: 2\r\n{}", authorization("ala", "sesame")), 200);
        check(&authorization("ala", "sesame"), 200);
        check(&authorization("ala", "sesame"), 503);
    });
}

#[test]
fn clients_of_a_translator_are_clients_of_their_own() {
    Way::each(|way| {
        let members = ["one", "two"].map(|name| way.member(name));
        let rules = "proxy_protocol_from = [\"::1\"]\n[[proxy.listener.rule]]\nrate = { requests = 2, per = \"1h\" }\n";
        let port = free_port();
        let sticky = format!("{}\nstick = {{}}", way.pool());
        let config = Config::new("workers = 1").listener("web", "http", port, "usual", rules).pool(
            "usual",
            &sticky,
            &members.each_ref().map(|member| member.address),
        );
        let _gateway = Gateway::start(&config);
        let ask_from = |from: &str| {
            let header = format!("PROXY TCP6 {from} 2001:db8::80 51413 80\r\n");
            let mut client = Speaker::announced(way.front, v6(port), &header);
            let response = ask(&mut client, "/", "");
            (response.status, response.text())
        };
        let (first, second) = ("64:ff9b::192.0.2.1", "64:ff9b::192.0.2.2");
        let served = [first, second, first, second].map(ask_from);
        assert!(served.iter().all(|(status, _)| *status == 200), "{served:?}");
        assert_ne!(served[0], served[1], "each has a member of its own");
        assert_eq!(served[..2], served[2..], "and stays there");
        assert_eq!(ask_from(first).0, 429);
        assert_eq!(ask_from("64:ff9b::192.0.2.3").0, 200);
    });
}
