use super::*;
use crate::record::Event;
use crate::record::Fault;
use crate::record::tests::record;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;

const LIMIT: Duration = Duration::from_secs(30);

fn setting(format: ConnectionLog, to: LogTarget) -> ProxyLog {
    ProxyLog { format, to, tag: "gw1".to_owned(), ..ProxyLog::default() }
}

fn start(setting: &ProxyLog, counts: &Arc<LogCounts>, workers: usize) -> Arc<Log> {
    Log::of(setting, None, counts, workers).unwrap().expect("it is on")
}

fn tell(log: &Log, worker: usize) {
    log.tell(worker, &record(Event::Refused(Fault::LateHeader)));
}

#[test]
fn a_setting_that_stays_keeps_its_log() {
    let counts = Arc::default();
    let tcplog = setting(ConnectionLog::Tcplog, LogTarget::Stdout);
    let one = start(&tcplog, &counts, 1);
    let again = Log::of(&tcplog, Some(&one), &counts, 1).unwrap().unwrap();
    assert!(Arc::ptr_eq(&one, &again));
    let other = setting(ConnectionLog::Json, LogTarget::Stdout);
    let changed = Log::of(&other, Some(&one), &counts, 1).unwrap().unwrap();
    assert!(!Arc::ptr_eq(&one, &changed));
    assert!(Log::of(&ProxyLog::default(), Some(&one), &counts, 1).unwrap().is_none());
}

#[test]
fn lines_of_all_workers_are_written_before_the_end() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(LIMIT)).unwrap();
    let counts = Arc::default();
    let log =
        start(&setting(ConnectionLog::Tcplog, LogTarget::Udp(receiver.local_addr().unwrap())), &counts, 3);
    for worker in [0, 1, 2, 1] {
        tell(&log, worker);
    }
    log.end(LIMIT);
    assert_eq!((counts.written(), counts.lost()), (4, 0));
    let mut buffer = [0; 500];
    for _ in 0..4 {
        let length = receiver.recv(&mut buffer).unwrap();
        let line = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let pid = std::process::id();
        assert!(
            line.starts_with("<134>") && line.contains(&format!(" gw1[{pid}]: 2001:db8::1:33313 [")),
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_log_that_is_dropped_writes_what_waits() {
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(LIMIT)).unwrap();
    let log = start(
        &setting(ConnectionLog::Json, LogTarget::Udp(receiver.local_addr().unwrap())),
        &Arc::default(),
        1,
    );
    tell(&log, 0);
    drop(log);
    let mut buffer = [0; 500];
    let length = receiver.recv(&mut buffer).unwrap();
    let line = String::from_utf8_lossy(&buffer[..length]).into_owned();
    let (_, object) = line.split_once("]: ").unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(object).unwrap()["error"].is_string(), "{line}");
}

#[test]
fn a_receiver_that_is_stuck_costs_lines_and_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let _receiver = UnixDatagram::bind(&path).unwrap();
    let counts = Arc::default();
    let log = start(&setting(ConnectionLog::Tcplog, LogTarget::Unix(path)), &counts, 1);
    let many = 3 * MOST / 100;
    for _ in 0..many {
        tell(&log, 0);
    }
    log.end(LIMIT);
    assert!(counts.lost() > 0 && counts.written() > 0, "{counts:?}");
    assert_eq!(counts.lost() + counts.written(), many as u64);
}
