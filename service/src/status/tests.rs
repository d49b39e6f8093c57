use super::*;
use crate::admin::routes::ReloadStatus;

fn answer() -> Answer {
    Answer {
        status: Status {
            name: "causeway-x".to_owned(),
            version: "1.2.3".to_owned(),
            pid: 42,
            ready: true,
            waiting: Vec::new(),
            draining: false,
            generation: 3,
            uptime_seconds: 93_784,
            config_loaded_unix_seconds: 880,
            last_reload: None,
            tables: Vec::new(),
        },
        totals: vec![
            Total { name: "packets".to_owned(), value: 12_345.0 },
            Total { name: "seconds".to_owned(), value: 0.25 },
        ],
        asked: UNIX_EPOCH + Duration::from_secs(1000),
    }
}

#[test]
fn table_lines_up() {
    let expect = "\
program        causeway-x 1.2.3, process 42
ready          yes
up             1 d 2 h
configuration  generation 3, loaded 2 min ago

packets        12345
seconds        0.250
";
    assert_eq!(answer().text(), expect);
}

#[test]
fn table_names_what_is_waited_for_and_why_the_reload_was_refused() {
    let mut answer = answer();
    answer.status.ready = false;
    answer.status.waiting = vec!["tun".to_owned(), "udp".to_owned()];
    answer.status.last_reload =
        Some(ReloadStatus { ok: false, unix_seconds: 940, error: Some("line one\nline two\n".to_owned()) });
    answer.totals.clear();
    let expect = "\
program        causeway-x 1.2.3, process 42
ready          no: waiting for tun, udp
up             1 d 2 h
configuration  generation 3, loaded 2 min ago
last reload    refused 1 min ago, the configuration before it runs on
               line one
               line two
";
    assert_eq!(answer.text(), expect);
}

#[test]
fn draining_is_said_first() {
    let mut answer = answer();
    answer.status.ready = false;
    answer.status.draining = true;
    assert!(answer.text().contains("ready          no: draining\n"));
    assert!(!answer.is_ready());
}

#[test]
fn tables_of_the_daemon_stand_in_place_of_the_totals() {
    let mut answer = answer();
    answer.status.tables = vec![
        Table::new("leases", &["leases", "addresses"]).row([3.into(), 254.into()]),
        Table::new("drops", &["reason", "packets"]).row(["hop_limit".into(), 0.into()]),
    ];
    let text = answer.text();
    assert!(text.ends_with("\n\nleases\n  leases  addresses\n       3        254\n"), "{text}");
    assert!(!text.contains("packets"), "{text}");
    let object: Value = serde_json::from_str(&answer.json()).unwrap();
    assert_eq!(object["tables"][1]["rows"][0], json!(["hop_limit", 0]));
    assert_eq!(object["metrics"]["packets"], 12_345.0);
}

#[test]
fn json_holds_the_status_and_the_totals() {
    let object: Value = serde_json::from_str(&answer().json()).unwrap();
    assert_eq!(object["ready"], true);
    assert_eq!(object["generation"], 3);
    assert_eq!(object["metrics"]["packets"], 12_345.0);
}

#[test]
fn spans_keep_two_units() {
    for (seconds, expect) in
        [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3_661, "1 h 1 min"), (86_400, "1 d"), (90_061, "1 d 1 h")]
    {
        assert_eq!(span(Duration::from_secs(seconds)), expect);
    }
}
