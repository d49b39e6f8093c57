//! Frames of a client of HTTP/2 by hand, for what no library would send (RFC 9113 §6, RFC 7541 §6).

use crate::http2::bare;
use std::io::{Read, Write};
use std::net::TcpStream;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// `ENHANCE_YOUR_CALM`.
pub(crate) const CALM: u32 = 11;
/// `COMPRESSION_ERROR`.
pub(crate) const COMPRESSION: u32 = 9;
/// `FRAME_SIZE_ERROR`.
pub(crate) const FRAME_SIZE: u32 = 6;

pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PRIORITY: u8 = 32;

/// A frame as it goes over the wire.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A number with this many bits in an octet that begins with these others (RFC 7541 §5.1).
pub(crate) fn number(first: u8, bits: u32, value: u64) -> Vec<u8> {
    let most = (1 << bits) - 1;
    if value < most {
        return vec![first | u8::try_from(value).unwrap()];
    }
    let (mut all, mut left) = (vec![first | u8::try_from(most).unwrap()], value - most);
    while left >= 128 {
        all.push(u8::try_from(left % 128).unwrap() | 128);
        left /= 128;
    }
    all.push(u8::try_from(left).unwrap());
    all
}

/// A string as it is.
pub(crate) fn string(text: &[u8]) -> Vec<u8> {
    [&number(0, 7, text.len() as u64), text].concat()
}

/// A field by its own name, without the table (RFC 7541 §6.2.2).
pub(crate) fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    [&[0][..], &string(name), &string(value)].concat()
}

/// The same, which goes into the table.
pub(crate) fn entering(name: &[u8], value: &[u8]) -> Vec<u8> {
    [&[0x40][..], &string(name), &string(value)].concat()
}

/// A field of the table.
pub(crate) fn indexed(index: u64) -> Vec<u8> {
    number(0x80, 7, index)
}

/// The fields of `GET http://a.example/never`, without a table.
pub(crate) fn fields(path: &str) -> Vec<u8> {
    let literal = |index: u8, value: &str| [&[index][..], &string(value.as_bytes())].concat();
    [&[0x82, 0x86][..], &literal(0x04, path), &literal(0x01, "a.example")].concat()
}

pub(crate) fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &fields(path))
}

/// A connection that has said nothing but that it speaks HTTP/2.
pub(crate) fn open(port: u16) -> TcpStream {
    let mut stream = bare(port);
    stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).unwrap();
    stream
}

/// A frame as it came: its kind, its stream and what it holds.
pub(crate) type Came = (u8, u32, Vec<u8>);

/// The next frame; `None` at the end of the connection, however that comes.
pub(crate) fn next(stream: &mut TcpStream) -> Option<Came> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).ok()?;
    let [a, b, c, kind, _, of @ ..] = head;
    let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
    stream.read_exact(&mut payload).ok()?;
    Some((kind, u32::from_be_bytes(of), payload))
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// A response with this status; 0: one that the static table does not have.
    Answered(u16),
    Reset,
    /// The connection has ended, with this code if there was one.
    Ended(Option<u32>),
}

/// Reads until it is known what becomes of the request on this stream.
pub(crate) fn fate(stream: &mut TcpStream, of: u32) -> Fate {
    /// Of the static table, from its eighth entry on (RFC 7541, Appendix A).
    const STATUSES: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    loop {
        match next(stream) {
            Some((HEADERS, stream, block)) if stream == of => {
                let place = block.first().and_then(|first| first.checked_sub(0x88));
                let status = place.and_then(|place| STATUSES.get(usize::from(place)));
                return Fate::Answered(status.copied().unwrap_or_default());
            }
            Some((RST_STREAM, stream, _)) if stream == of => return Fate::Reset,
            Some((GOAWAY, _, payload)) => return Fate::Ended(code(&payload)),
            Some(_) => {}
            None => return Fate::Ended(None),
        }
    }
}

fn code(goaway: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(goaway.get(4..8)?.try_into().ok()?))
}

/// Reads frames to the end: the code of the last `GOAWAY`, if one comes.
pub(crate) fn farewell(mut stream: TcpStream) -> Option<u32> {
    let mut last = None;
    while let Some((kind, _, payload)) = next(&mut stream) {
        if kind == GOAWAY {
            last = code(&payload);
        }
    }
    last
}
