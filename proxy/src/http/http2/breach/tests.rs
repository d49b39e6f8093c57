use super::super::frames::{GOAWAY, PING};
use super::*;

const PRIORITY: u8 = 2;
const PUSH_PROMISE: u8 = 5;

fn frame(kind: u8, flags: u8, stream: u32, length: u32) -> Frame {
    let word = u32::from(kind == WINDOW_UPDATE);
    Frame { length, kind, flags, stream, word }
}

/// What becomes of the last of these frames; those before it are sound.
fn judged(frames: &[(u8, u8, u32, u32)]) -> Result<(), Breach> {
    let mut judge = Judge::new();
    let ((kind, flags, stream, length), before) = frames.split_last().unwrap();
    for (kind, flags, stream, length) in before {
        judge.frame(&frame(*kind, *flags, *stream, *length)).unwrap();
    }
    judge.frame(&frame(*kind, *flags, *stream, *length))
}

/// Of a request whose content is to follow, and of one without.
const OPEN: u8 = END_HEADERS;
const WHOLE: u8 = END_HEADERS | END_STREAM;

#[test]
fn the_table_is_in_order() {
    for (place, (breach, ..)) in Breach::ALL.iter().enumerate() {
        assert_eq!(*breach as usize, place);
    }
}

#[test]
fn each_type_has_its_place_and_length() {
    let open = (HEADERS, OPEN, 1, 9);
    for (kind, stream, sound, unsound) in [
        (PRIORITY, 9, &[5][..], &[0, 4, 6][..]),
        (RST_STREAM, 1, &[4], &[0, 3, 5]),
        (SETTINGS, 0, &[0, 6, 12], &[1, 7]),
        (PING, 0, &[8], &[0, 7, 9]),
        (GOAWAY, 0, &[8, 9, 100], &[0, 7]),
        (WINDOW_UPDATE, 0, &[4], &[0, 3, 5]),
        (WINDOW_UPDATE, 1, &[4], &[0, 3, 5]),
        (DATA, 1, &[0, 1, 16_384], &[16_385]),
        (200, 0, &[0, 1, 16_384], &[16_385]),
    ] {
        for length in sound {
            assert_eq!(judged(&[open, (kind, 0, stream, *length)]), Ok(()), "{kind} of {length}");
        }
        for length in unsound {
            let expect = Err(Breach::Length);
            assert_eq!(judged(&[open, (kind, 0, stream, *length)]), expect, "{kind} of {length}");
        }
    }
    for (kind, stream, length) in [
        (DATA, 0, 1),
        (HEADERS, 0, 1),
        (PRIORITY, 0, 5),
        (RST_STREAM, 0, 4),
        (SETTINGS, 1, 0),
        (PING, 1, 8),
        (GOAWAY, 1, 8),
    ] {
        assert_eq!(judged(&[open, (kind, 0, stream, length)]), Err(Breach::Place), "{kind}");
    }
    assert_eq!(judged(&[open, (PUSH_PROMISE, 0, 1, 4)]), Err(Breach::Push));
    assert_eq!(judged(&[(SETTINGS, ACK, 0, 6)]), Err(Breach::Length));
}

#[test]
fn a_header_block_is_not_interrupted() {
    let begun = (HEADERS, 0, 1, 9);
    assert_eq!(judged(&[begun, (CONTINUATION, 0, 1, 9), (CONTINUATION, END_HEADERS, 1, 0)]), Ok(()));
    for other in
        [(CONTINUATION, 0, 3, 9), (DATA, 0, 1, 1), (HEADERS, OPEN, 3, 9), (PING, 0, 0, 8), (200, 0, 1, 1)]
    {
        assert_eq!(judged(&[begun, other]), Err(Breach::Block), "{other:?}");
        assert_eq!(judged(&[begun, (CONTINUATION, 0, 1, 9), other]), Err(Breach::Block), "{other:?}");
    }
    for before in [(HEADERS, OPEN, 1, 9), (PING, 0, 0, 8)] {
        assert_eq!(judged(&[before, (CONTINUATION, END_HEADERS, 1, 9)]), Err(Breach::Block), "{before:?}");
    }
}

#[test]
fn streams_begin_in_order() {
    assert_eq!(judged(&[(HEADERS, OPEN, 1, 9), (HEADERS, OPEN, 3, 9), (HEADERS, OPEN, 9, 9)]), Ok(()));
    assert_eq!(judged(&[(HEADERS, OPEN, 2, 9)]), Err(Breach::Number));
    assert_eq!(judged(&[(HEADERS, OPEN, 5, 9), (HEADERS, OPEN, 3, 9)]), Err(Breach::Number));
    assert_eq!(judged(&[(HEADERS, OPEN, 5, 9), (HEADERS, OPEN, 4, 9)]), Err(Breach::Number));
}

#[test]
fn what_goes_on_with_no_stream_is_a_breach() {
    for idle in [1, 2, 7, 0x7fff_ffff] {
        for (kind, length) in [(DATA, 1), (RST_STREAM, 4), (WINDOW_UPDATE, 4)] {
            assert_eq!(judged(&[(kind, 0, idle, length)]), Err(Breach::Idle), "{kind} on {idle}");
        }
        assert_eq!(judged(&[(PRIORITY, 0, idle, 5)]), Ok(()), "{idle}");
    }
}

#[test]
fn what_a_client_has_ended_it_cannot_go_on_with() {
    let reset = (RST_STREAM, 0, 1, 4);
    for ended in [
        &[(HEADERS, WHOLE, 1, 9)][..],
        &[(HEADERS, END_STREAM, 1, 9), (CONTINUATION, END_HEADERS, 1, 9)],
        &[(HEADERS, OPEN, 1, 9), (DATA, END_STREAM, 1, 9)],
        &[(HEADERS, OPEN, 1, 9), (DATA, 0, 1, 9), (HEADERS, WHOLE, 1, 9)],
        &[(HEADERS, OPEN, 1, 9), reset],
        &[(HEADERS, OPEN, 1, 9), (HEADERS, OPEN, 3, 9), reset, (HEADERS, OPEN, 7, 9)],
    ] {
        for more in [(DATA, 0, 1, 1), (DATA, END_STREAM, 1, 0), (HEADERS, OPEN, 1, 9), (HEADERS, WHOLE, 1, 9)]
        {
            assert_eq!(judged(&[ended, &[more]].concat()), Err(Breach::Ended), "{ended:?} {more:?}");
        }
        // It may still say that it takes more, or wants no more.
        for more in [(WINDOW_UPDATE, 0, 1, 4), (PRIORITY, 0, 1, 5), reset] {
            assert_eq!(judged(&[ended, &[more]].concat()), Ok(()), "{ended:?} {more:?}");
        }
    }
}

#[test]
fn an_open_stream_goes_on_however_many_begin_behind_it() {
    let mut judge = Judge::new();
    judge.frame(&frame(HEADERS, OPEN, 1, 9)).unwrap();
    for stream in (3..2001).step_by(2) {
        judge.frame(&frame(HEADERS, WHOLE, stream, 9)).unwrap();
        judge.frame(&frame(DATA, 0, 1, 9)).unwrap();
    }
    assert_eq!(judge.last(), 1999);
    judge.frame(&frame(HEADERS, WHOLE, 1, 9)).unwrap();
    let of_last = 1999 - 2 * 127;
    assert_eq!(judge.frame(&frame(DATA, 0, of_last, 9)), Err(Breach::Ended));
    assert_eq!(judge.frame(&frame(DATA, 0, of_last - 2, 9)), Ok(()), "nobody remembers");
    judge.frame(&frame(HEADERS, OPEN, 0x7fff_ffff, 9)).unwrap();
    assert_eq!(judge.frame(&frame(HEADERS, OPEN, 0x7fff_fffd, 9)), Err(Breach::Number));
}

#[test]
fn padding_fits_into_its_frame() {
    let check = |kind: u8, flags: u8, length: u32, padding: u32, expect: Result<(), Breach>| {
        let mut judge = Judge::new();
        judge.frame(&frame(HEADERS, OPEN, 1, 9)).unwrap();
        let padded = Frame { word: padding << 24, ..frame(kind, flags | PADDED, 1, length) };
        assert_eq!(judge.frame(&padded), expect, "{padding} in {length} of {kind}");
    };
    check(DATA, 0, 1, 0, Ok(()));
    check(DATA, 0, 5, 4, Ok(()));
    check(DATA, 0, 5, 5, Err(Breach::Padding));
    check(DATA, 0, 0, 0, Err(Breach::Length));
    check(HEADERS, WHOLE, 5, 4, Ok(()));
    check(HEADERS, WHOLE, 5, 5, Err(Breach::Padding));
    check(HEADERS, WHOLE | PRIORITIZED, 10, 4, Ok(()));
    check(HEADERS, WHOLE | PRIORITIZED, 10, 5, Err(Breach::Padding));
    check(HEADERS, WHOLE | PRIORITIZED, 5, 0, Err(Breach::Length));
    assert_eq!(judged(&[(HEADERS, WHOLE | PRIORITIZED, 1, 4)]), Err(Breach::Length));
}

#[test]
fn windows_are_opened_by_something() {
    let update = |word| Judge::new().frame(&Frame { word, ..frame(WINDOW_UPDATE, 0, 0, 4) });
    assert_eq!((update(1), update(0x7fff_ffff)), (Ok(()), Ok(())));
    assert_eq!((update(0), update(1 << 31)), (Err(Breach::Update), Err(Breach::Update)));
}

#[test]
fn settings_have_their_ranges() {
    let check = |name: u16, value: u32, expect: Result<(), Breach>| {
        assert_eq!(setting(name, value), expect, "{name} = {value}");
    };
    for (name, value) in [
        (1, u32::MAX),
        (2, 1),
        (3, 0),
        (4, (1 << 31) - 1),
        (5, 1 << 14),
        (5, (1 << 24) - 1),
        (6, u32::MAX),
        (8, 1),
        (0xff, u32::MAX),
    ] {
        check(name, value, Ok(()));
    }
    for (name, value) in [(2, 2), (5, (1 << 14) - 1), (5, 1 << 24), (8, 2)] {
        check(name, value, Err(Breach::Setting));
    }
    check(4, 1 << 31, Err(Breach::Window));
}
