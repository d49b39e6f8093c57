use super::*;
use translator::Direction;

const DROP: Verdict = Verdict::Drop(DropReason::NoLease);

fn packet(id: u8) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 203, 0, 113, 9, 192, 0, 2, id];
    packet.extend_from_slice(&[0, 7, 0, 53, 0, 8, 0, 0]);
    packet
}

fn dropped(watch: &mut Watch, ids: std::ops::Range<u8>) {
    for id in ids {
        watch.note(&packet(id));
        watch.judge(DROP, "v4_to_v6");
    }
}

fn shown(printer: &Printer) -> Vec<(u8, u64)> {
    let last = |sample: &Sample| match sample.packet.dst {
        Some(std::net::IpAddr::V4(dst)) => dst.octets()[3],
        other => panic!("{other:?}"),
    };
    printer.waiting().map(|sample| (last(&sample), sample.not_shown)).collect()
}

/// Lets the next second begin.
fn turn(log: &DropLog) {
    log.quota.store(0, Ordering::Relaxed);
}

#[test]
fn a_second_has_so_many_lines_and_the_next_one_says_what_was_left_out() {
    let (log, printer) = DropLog::new(3);
    let mut watch = Watch::new(Arc::clone(&log));
    watch.wanted = true;
    watch.open = Some(1);
    dropped(&mut watch, 0..10);
    assert_eq!(shown(&printer), [(0, 0), (1, 0), (2, 0)]);
    turn(&log);
    watch.open = Some(2);
    dropped(&mut watch, 10..12);
    assert_eq!(shown(&printer), [(10, 7), (11, 0)]);
}

#[test]
fn workers_share_the_lines_and_the_count_of_what_was_left_out() {
    let (log, printer) = DropLog::new(2);
    let mut watches = [Watch::new(Arc::clone(&log)), Watch::new(Arc::clone(&log))];
    for watch in &mut watches {
        watch.wanted = true;
        watch.open = Some(1);
        dropped(watch, 0..2);
    }
    assert_eq!(shown(&printer).len(), 2);
    turn(&log);
    let [first, second] = &mut watches;
    second.begin();
    assert_eq!(log.not_shown.load(Ordering::Relaxed), 2);
    first.open = Some(2);
    dropped(first, 5..6);
    assert_eq!(shown(&printer), [(5, 2)]);
}

#[test]
fn a_full_queue_loses_lines_and_not_their_number() {
    let (log, printer) = DropLog::new(1000);
    let mut watch = Watch::new(log);
    watch.wanted = true;
    watch.open = Some(1);
    dropped(&mut watch, 0..200);
    dropped(&mut watch, 0..100);
    assert_eq!(shown(&printer).len(), WAITING);
    dropped(&mut watch, 7..8);
    assert_eq!(shown(&printer), [(7, 300 - WAITING as u64)]);
}

#[test]
fn nothing_is_sampled_unless_it_is_wanted_or_of_what_crosses() {
    let (log, printer) = DropLog::new(0);
    let mut watch = Watch::new(Arc::clone(&log));
    watch.begin();
    dropped(&mut watch, 0..3);
    log.set(9);
    watch.begin();
    for verdict in
        [Verdict::Forward(Direction::V4ToV6), Verdict::Split(Direction::V4ToV6), Verdict::Reply(Reply::Echo)]
    {
        watch.note(&packet(1));
        watch.judge(verdict, "v4_to_v6");
    }
    assert_eq!(shown(&printer), []);
    watch.note(&packet(4));
    watch.judge(Verdict::Reply(Reply::Error(DropReason::HopLimit)), "v4_to_v6");
    let sample = printer.waiting().next().unwrap();
    assert_eq!((sample.reason, sample.answered, sample.len), (DropReason::HopLimit, true, 28));
    assert_eq!(sample.packet.endpoints, Some(Endpoints::Ports(7, 53)));
    assert_eq!(sample.not_shown, 0, "what was not wanted is not left out");
}

#[test]
fn a_sample_tells_of_the_packet_as_it_came() {
    let (log, printer) = DropLog::new(1);
    let mut watch = Watch::new(log);
    watch.begin();
    watch.note(&[packet(1), vec![9; 3000]].concat());
    watch.judge(DROP, "v4_to_v6");
    let sample = printer.waiting().next().unwrap();
    assert_eq!((sample.len, sample.packet), (3028, Outline::of(&packet(1))));
}
