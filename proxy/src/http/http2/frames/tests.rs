use super::*;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Behind the preface and the head of a first request.
fn follower() -> (Frames, Instant) {
    let now = Instant::now();
    let mut frames = Frames::new(now);
    frames.received(PREFACE, now);
    frames.received(&frame(HEADERS, END_HEADERS, 1, &[0x82]), now);
    (frames, now)
}

fn flood(frames: &Frames) -> Option<Flood> {
    match frames.offence()? {
        Offence::Flood(flood) => Some(flood),
        Offence::Breach(breach) => panic!("{breach:?}"),
    }
}

/// The flood that so many of a frame make, in one second.
fn flood_of(count: usize, frame: &[u8]) -> Option<Flood> {
    let (mut frames, now) = follower();
    frames.received(&frame.repeat(count), now);
    flood(&frames)
}

#[test]
fn each_kind_has_its_limit_within_a_second() {
    let check = |frame: &[u8], limit: usize, flood: Flood| {
        assert_eq!(flood_of(limit, frame), None, "{flood:?}");
        assert_eq!(flood_of(limit + 1, frame), Some(flood));
    };
    check(&frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]), 100, Flood::Resets);
    check(&frame(PING, 0, 0, &[0; 8]), 100, Flood::Pings);
    check(&frame(SETTINGS, 0, 0, &[]), 50, Flood::Settings);
    check(&frame(SETTINGS, 0, 0, &[0; 6]), 50, Flood::Settings);
    check(&frame(DATA, 0, 1, &[]), 100, Flood::EmptyData);
    check(&frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]), 100, Flood::WindowUpdates);
}

#[test]
fn what_a_client_must_send_is_no_flood() {
    for frame in [
        frame(DATA, 0, 1, &[1]),
        frame(SETTINGS, ACK, 0, &[]),
        frame(PING, ACK, 0, &[0; 8]),
        frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]),
        frame(HEADERS, END_HEADERS, 1, &[0x8f]),
    ] {
        assert_eq!(flood_of(1000, &frame), None, "{frame:?}");
    }
    let (mut frames, now) = follower();
    for stream in (3..2000).step_by(2) {
        frames.received(&frame(HEADERS, END_HEADERS, stream, &[0x82]), now);
        frames.received(&frame(DATA, END_STREAM, stream, &[]), now);
    }
    assert_eq!(flood(&frames), None);
}

#[test]
fn another_second_counts_anew() {
    let (mut frames, start) = follower();
    for second in 0..10 {
        let now = start + Duration::from_secs(second);
        frames.received(&frame(PING, 0, 0, &[0; 8]).repeat(100), now);
    }
    assert_eq!(flood(&frames), None);
}

#[test]
fn one_header_block_has_its_limit_whatever_time_it_takes() {
    let (mut frames, start) = follower();
    frames.received(&frame(HEADERS, 0, 3, &[0x82]), start);
    for place in 0..20 {
        frames.received(&frame(CONTINUATION, 0, 3, &[0x84]), start + Duration::from_secs(place * 2));
    }
    assert_eq!((flood(&frames), frames.in_head()), (None, true));
    frames.received(&frame(CONTINUATION, END_HEADERS, 3, &[]), start);
    assert_eq!(flood(&frames), Some(Flood::Continuations));

    let (mut frames, now) = follower();
    for stream in (3..100).step_by(2) {
        frames.received(&frame(HEADERS, 0, stream, &[0x82]), now);
        frames.received(&frame(CONTINUATION, END_HEADERS, stream, &[0x84]), now);
    }
    assert_eq!((flood(&frames), frames.in_head()), (None, false));
}

#[test]
fn a_client_that_takes_much_may_open_its_window_as_often() {
    let (mut frames, now) = follower();
    frames.sent(&frame(DATA, 0, 1, &[0; 16 << 10]).repeat(64), now);
    frames.received(&frame(WINDOW_UPDATE, 0, 0, &[0, 0, 4, 0]).repeat(64 + 1024 + 100), now);
    assert_eq!(flood(&frames), None);
    frames.received(&frame(WINDOW_UPDATE, 0, 0, &[0, 0, 4, 0]), now);
    assert_eq!(flood(&frames), Some(Flood::WindowUpdates));
}

#[test]
fn each_small_piece_of_content_may_go_with_a_ping_and_an_update() {
    let (mut frames, now) = follower();
    for _ in 0..500 {
        frames.sent(&frame(DATA, 0, 1, &[0; 50]), now);
        frames.received(&frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 50]), now);
        frames.received(&frame(PING, 0, 0, &[0; 8]), now);
    }
    // What the octets have earned, and what is free.
    frames.received(&frame(PING, 0, 0, &[0; 8]).repeat(500 * 50 / 1024 + 100), now);
    assert_eq!(flood(&frames), None);
    frames.received(&frame(PING, 0, 0, &[0; 8]), now);
    assert_eq!(flood(&frames), Some(Flood::Pings));
}

#[test]
fn header_blocks_are_counted_where_they_begin() {
    let (mut frames, now) = follower();
    let long = frame(HEADERS, END_HEADERS, 3, &[0x82; 20]);
    frames.received(&long[..15], now);
    assert_eq!((frames.blocks(), frames.in_head()), (2, true));
    let next = frame(HEADERS, 0, 5, &[0x82]);
    frames.received(&[&long[15..], &next[..]].concat(), now);
    assert_eq!((frames.blocks(), frames.in_head()), (3, true));
    frames.received(&frame(CONTINUATION, END_HEADERS, 5, &[0x84]), now);
    assert_eq!((frames.blocks(), frames.in_head()), (3, false));
}

#[test]
fn streams_that_a_client_has_reset_for_its_faults_are_counted() {
    let reset = |code: u8| frame(RST_STREAM, 0, 1, &[0, 0, 0, code]);
    for (code, expect) in
        [(1, Some(Flood::Faults)), (5, Some(Flood::Faults)), (0, None), (2, None), (7, None), (8, None)]
    {
        let (mut frames, now) = follower();
        frames.sent(&reset(code).repeat(101), now);
        assert_eq!(flood(&frames), expect, "{code}");
    }
}

#[test]
fn cuts_between_octets_change_nothing() {
    let sound = [
        PREFACE.to_vec(),
        frame(SETTINGS, 0, 0, &[[0, 3, 0, 0, 0, 9], [0, 4, 0, 0, 0, 9]].concat()),
        frame(HEADERS, 0, 5, &[0x82; 40]),
        frame(CONTINUATION, END_HEADERS, 5, &[0x84; 3]),
        frame(HEADERS, PADDED | PRIORITIZED, 7, &[3, 0, 0, 0, 1, 9, 0x82, 0x40, 0xff, 0xff, 0xff]),
        frame(CONTINUATION, 0, 7, &[]),
        frame(CONTINUATION, END_HEADERS, 7, &[1, b'a', 0]),
        frame(HEADERS, PADDED | END_HEADERS | END_STREAM, 7, &[1, 0xbe, 0xff]),
        frame(DATA, 0, 5, &[]),
        frame(DATA, PADDED, 5, &[[2; 3], [0; 3]].concat()),
        frame(WINDOW_UPDATE, 0, 5, &[0, 0, 0, 1]),
        frame(RST_STREAM, 0, 5, &[0, 0, 0, 8]),
        frame(200, 0xff, 9, &[0; 300]),
        frame(PING, 0, 0, &[0; 8]),
    ]
    .concat();
    let now = Instant::now();
    for (bad, breach, settings) in [
        (frame(PING, 0, 0, &[0; 7]), Breach::Length, 1),
        (frame(SETTINGS, 0, 0, &[0, 4, 0x80, 0, 0, 0]), Breach::Window, 2),
        (frame(WINDOW_UPDATE, 0, 0, &[0; 4]), Breach::Update, 1),
        (frame(SETTINGS, 0, 3, &[]), Breach::Place, 1),
        (frame(HEADERS, END_HEADERS, 5, &[]), Breach::Ended, 1),
    ] {
        let octets = [&sound[..], &bad].concat();
        let mut whole = Frames::new(now);
        let seen = whole.received(&octets, now);
        assert_eq!(whole.offence(), Some(Offence::Breach(breach)));
        assert!((sound.len()..octets.len()).contains(&seen), "{seen} of {}", octets.len());
        assert_eq!(whole.counts, [1, 0, 1, settings, 1, 0, 0]);
        for cut in 0..=seen {
            let mut parts = Frames::new(now);
            assert_eq!(parts.received(&octets[..cut], now), cut, "cut at {cut}");
            assert_eq!(parts.received(&octets[cut..], now), seen - cut, "cut at {cut}");
            assert_eq!((parts.counts, parts.judge.last()), (whole.counts, 7), "cut at {cut}");
        }
        let mut single = Frames::new(now);
        let passed = octets.iter().take_while(|octet| single.received(std::slice::from_ref(octet), now) == 1);
        assert_eq!(passed.count(), seen);
        assert_eq!((single.counts, single.offence()), (whole.counts, whole.offence()));
    }
}

#[test]
fn a_head_is_under_way_from_its_first_octet_to_its_last() {
    let now = Instant::now();
    let mut frames = Frames::new(now);
    assert!(!frames.in_head());
    frames.received(&PREFACE[..10], now);
    assert!(frames.in_head());
    frames.received(&PREFACE[10..], now);
    assert!(!frames.in_head());
    let fields = frame(HEADERS, END_HEADERS, 1, &[0x82; 10]);
    frames.received(&fields[..12], now);
    assert!(frames.in_head());
    frames.received(&fields[12..], now);
    assert!(!frames.in_head());
    frames.received(&frame(DATA, 0, 1, &[0; 50])[..20], now);
    assert!(!frames.in_head());
}

#[test]
fn nothing_is_put_into_a_frame_that_is_being_sent() {
    let (mut frames, now) = follower();
    assert_eq!(frames.farewell(), None);
    frames.received(&frame(HEADERS, END_HEADERS, 7, &[0x82]), now);
    frames.received(&frame(PING, 0, 0, &[0; 8]).repeat(101), now);
    let data = frame(DATA, 0, 7, &[0; 20]);
    frames.sent(&data[..15], now);
    assert_eq!(frames.farewell(), None);
    frames.sent(&data[15..], now);
    assert_eq!(frames.farewell().unwrap(), *frame(GOAWAY, 0, 0, &[0, 0, 0, 7, 0, 0, 0, 11]));
}

#[test]
fn a_breach_is_told_by_its_code_and_the_last_sound_stream() {
    let (mut frames, now) = follower();
    frames.received(&frame(HEADERS, END_HEADERS, 4, &[0x82]), now);
    assert_eq!(frames.farewell().unwrap(), *frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 1]));
    let (mut frames, now) = follower();
    frames.received(&frame(RST_STREAM, 0, 1, &[0, 0, 8]), now);
    assert_eq!(frames.farewell().unwrap(), *frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 6]));
}

#[test]
fn a_block_is_judged_where_it_ends() {
    for (block, breach) in [
        (frame(HEADERS, END_HEADERS, 3, &[0x82, 0x40]), Breach::Fields),
        (
            [frame(HEADERS, 0, 3, &[0x82, 0x40]), frame(CONTINUATION, END_HEADERS, 3, &[])].concat(),
            Breach::Fields,
        ),
        (frame(HEADERS, END_HEADERS | PADDED, 3, &[1, 0x82, 0x40, 1]), Breach::Fields),
        (frame(HEADERS, END_HEADERS, 1, &[0x83]), Breach::Trailers),
    ] {
        let (mut frames, now) = follower();
        let seen = frames.received(&block, now);
        assert_eq!(frames.offence(), Some(Offence::Breach(breach)), "{block:?}");
        assert!(seen < block.len());
    }
    let (mut frames, now) = follower();
    frames.received(&frame(HEADERS, END_HEADERS | PADDED, 3, &[1, 0x82, 0x40]), now);
    assert_eq!(flood(&frames), None);
}
