//! The commands that end by themselves.

use crate::process::{Home, Named, text};
use std::io::Write as _;
use std::process::Stdio;

pub(crate) const TRIALS: &[Named] = &[
    ("check_says_that_a_good_file_is_fine", check_says_that_a_good_file_is_fine),
    ("check_prints_every_error_at_once", check_prints_every_error_at_once),
    ("check_prints_what_the_daemon_refuses", check_prints_what_the_daemon_refuses),
    ("check_names_the_missing_section", check_names_the_missing_section),
    ("check_names_the_file_that_cannot_be_read", check_names_the_file_that_cannot_be_read),
    ("run_refuses_a_bad_file", run_refuses_a_bad_file),
    ("show_config_prints_defaults_and_can_be_read_again", show_config_prints_defaults_and_can_be_read_again),
    ("import_prints_a_file_and_what_it_leaves_out", import_prints_a_file_and_what_it_leaves_out),
    ("import_of_a_bad_file_is_status_2", import_of_a_bad_file_is_status_2),
    ("bad_usage_is_status_2", bad_usage_is_status_2),
    ("help_and_version_are_status_0", help_and_version_are_status_0),
    ("status_of_no_daemon_is_status_1", status_of_no_daemon_is_status_1),
    ("status_shows_a_running_daemon", status_shows_a_running_daemon),
    ("status_shows_the_tables_of_a_daemon", status_shows_the_tables_of_a_daemon),
    ("explain_asks_the_running_daemon", explain_asks_the_running_daemon),
    ("explain_reads_standard_input", explain_reads_standard_input),
    ("explain_of_what_cannot_be_read_is_status_2", explain_of_what_cannot_be_read_is_status_2),
    ("status_fails_while_the_daemon_is_not_ready", status_fails_while_the_daemon_is_not_ready),
];

/// Runs a command that must fail with a status, and returns what it said.
#[track_caller]
fn refused(home: &Home, arguments: &[&str], status: i32) -> String {
    let output = home.output(arguments);
    let said = text(&output.stderr).to_owned();
    assert_eq!(output.status.code(), Some(status), "{said}");
    assert_eq!(text(&output.stdout), "");
    said
}

fn check_says_that_a_good_file_is_fine() {
    let home = Home::new();
    let output = home.output(&["check"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), format!("{}: ok\n", home.file().display()));
    assert_eq!(text(&output.stderr), "");
}

fn check_prints_every_error_at_once() {
    let home = Home::new();
    home.write(&home.text(&[]).replace("bind", "bnid").replace("mode = \"tcp\"", "mode = \"tpc\""));
    let said = refused(&home, &["check"], 2);
    for part in ["bnid", "bind", "tpc"] {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
}

fn check_prints_what_the_daemon_refuses() {
    let home = Home::with_pools(&["second"]);
    let random = home.text(&["second"]).replace("[[proxy.pool]]\n", "[[proxy.pool]]\nbalance = \"random\"\n");
    home.write(&random);
    let said = refused(&home, &["check"], 2);
    for part in
        ["proxy.pool[0].balance", "proxy.pool[1].balance", "random is not served here", "use roundrobin"]
    {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
}

fn check_names_the_missing_section() {
    let home = Home::new();
    home.write("[log]\nlevel = \"info\"\n");
    let said = refused(&home, &["check"], 2);
    assert!(said.contains("the section [proxy] is missing"), "{said}");
    assert!(said.contains("causeway-fake"), "{said}");
}

fn check_names_the_file_that_cannot_be_read() {
    let home = Home::new();
    std::fs::remove_file(home.file()).unwrap();
    let said = refused(&home, &["check"], 2);
    assert!(said.contains("gateway.toml") && said.contains("No such file"), "{said}");
}

fn run_refuses_a_bad_file() {
    let home = Home::new();
    home.write("[prxoy]\n");
    let said = refused(&home, &[], 2);
    assert!(said.contains("prxoy"), "{said}");
    assert!(!home.socket().exists());
}

fn show_config_prints_defaults_and_can_be_read_again() {
    let home = Home::new();
    let output = home.output(&["show-config"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let shown = text(&output.stdout).to_owned();
    assert!(shown.contains("level = \"info\""), "{shown}");
    home.write(&shown);
    assert_eq!(text(&home.output(&["show-config"]).stdout), shown);
}

fn import_prints_a_file_and_what_it_leaves_out() {
    let home = Home::new();
    let file = home.path("tayga.conf");
    std::fs::write(&file, "tun-device a\nipv4-addr 192.0.2.1\nprefix 2001:db8:64::/96\nstrict-frag-hdr on\n")
        .unwrap();
    let output = home.output(&["import", "tayga", file.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    assert!(text(&output.stdout).contains("pref64 = \"2001:db8:64::/96\""), "{output:?}");
    let notes = text(&output.stderr);
    let note = format!("{}:4: strict-frag-hdr: ", file.display());
    assert!(notes.starts_with(&note) && notes.lines().count() == 1, "{notes}");
}

fn import_of_a_bad_file_is_status_2() {
    let home = Home::new();
    let file = home.path("tayga.conf");
    std::fs::write(&file, "tun-device a b\n").unwrap();
    let said = refused(&home, &["import", "tayga", file.to_str().unwrap()], 2);
    assert_eq!(said, "Incorrect number of arguments on line 1\n");
    let said = refused(&home, &["import", "tayga", "/nonexistent"], 2);
    assert!(said.starts_with("cannot read /nonexistent: "), "{said}");
    let said = refused(&home, &["import", "abacus", "/nonexistent"], 2);
    assert!(said.contains("tayga"), "{said}");
}

fn bad_usage_is_status_2() {
    let home = Home::new();
    for line in [&["fly"][..], &["check", "--fast"], &["check", "twice"]] {
        let said = refused(&home, line, 2);
        assert!(said.contains("Usage: causeway-fake"), "{said}");
    }
}

fn help_and_version_are_status_0() {
    let home = Home::new();
    let help = home.output(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    for part in ["Serves nothing, for tests.", "show-config", "/etc/causeway/gateway.toml"] {
        assert!(text(&help.stdout).contains(part), "{part} is not in\n{}", text(&help.stdout));
    }
    let version = home.output(&["--version"]);
    assert_eq!(version.status.code(), Some(0));
    assert!(text(&version.stdout).starts_with("causeway-fake "));
}

fn status_of_no_daemon_is_status_1() {
    let home = Home::new();
    let said = refused(&home, &["status"], 1);
    assert!(said.contains("the daemon is not running"), "{said}");
    assert!(said.contains("causeway-fake.sock"), "{said}");
}

fn status_shows_a_running_daemon() {
    let home = Home::new();
    let daemon = home.start();
    let table = home.output(&["status"]);
    assert_eq!(table.status.code(), Some(0), "{}", text(&table.stderr));
    for line in ["ready          yes", "pools          1"] {
        assert!(text(&table.stdout).lines().any(|shown| shown == line), "{}", text(&table.stdout));
    }
    assert!(
        text(&table.stdout).contains("\nconfiguration  generation 1, loaded "),
        "{}",
        text(&table.stdout)
    );
    let json = home.output(&["status", "--json"]);
    assert_eq!(json.status.code(), Some(0), "{}", text(&json.stderr));
    let object: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(object["name"], "causeway-fake");
    assert_eq!(object["pid"], daemon.id());
    assert_eq!(object["ready"], true);
    assert_eq!(object["metrics"]["pools"], 1.0);
}

fn status_shows_the_tables_of_a_daemon() {
    let home = Home::with_pools(&["tabled"]);
    let _daemon = home.start();
    let shown = home.output(&["status"]);
    assert!(
        text(&shown.stdout).ends_with("\nwheels\n  form   number\n  round       7\n"),
        "{}",
        text(&shown.stdout)
    );
    let json = home.output(&["status", "--json"]);
    let object: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(object["tables"][0]["rows"][0][1], 7);
}

fn explain_asks_the_running_daemon() {
    let home = Home::new();
    assert!(refused(&home, &["explain", "one"], 1).contains("the daemon is not running"));
    let _daemon = home.start();
    let answer = home.output(&["explain", "one", "two"]);
    assert_eq!(answer.status.code(), Some(0), "{}", text(&answer.stderr));
    assert_eq!(text(&answer.stdout), "one two is a word\n");
    let socket = home.socket();
    let directory = socket.parent().unwrap().to_str().unwrap();
    let json = home.output(&["explain", "--socket", directory, "one", "--json"]);
    assert_eq!(text(&json.stdout), "{\"word\":\"one\"}\n", "{}", text(&json.stderr));
    let loud = home.output(&["explain", "--voice", "high", "one"]);
    assert!(String::from_utf8_lossy(&loud.stdout).contains("one --voice high"), "{loud:?}");
    let help = home.output(&["explain", "--help"]);
    for part in ["Tell what a word is", "<WORD>...", "A word is anything but nonsense."] {
        assert!(text(&help.stdout).contains(part), "{part} is not in\n{}", text(&help.stdout));
    }
}

fn explain_reads_standard_input() {
    let home = Home::new();
    let _daemon = home.start();
    let mut command = home.command(&["explain", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"from afar").unwrap();
    assert_eq!(text(&child.wait_with_output().unwrap().stdout), "from afar is a word\n");
}

fn explain_of_what_cannot_be_read_is_status_2() {
    let home = Home::new();
    let _daemon = home.start();
    assert_eq!(refused(&home, &["explain", "nonsense"], 2), "this is nonsense\n");
    assert!(refused(&home, &["explain"], 2).contains("<WORD>"));
}

fn status_fails_while_the_daemon_is_not_ready() {
    let home = Home::with_pools(&["late"]);
    let mut daemon = home.spawn(home.command(&["run"]));
    daemon.wait_for("waiting");
    let output = home.output(&["status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("no: waiting for fake\n"), "{}", text(&output.stdout));
}
