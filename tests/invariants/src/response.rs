//! Responses of members: what the proxy reads does not depend on how octets are cut apart on their way, content is as long as
//! the head says, and a connection goes on only where all that has come was of the response.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use proxy::response::{Asked, Fault, Part, Response};

/// What a response was read as.
#[derive(Debug, PartialEq)]
struct Read {
    status: u16,
    fields: HeaderMap,
    content: Vec<u8>,
    trailers: Option<HeaderMap>,
    /// Whether the connection goes on.
    goes_on: bool,
    is_switched: bool,
    behind: usize,
}

/// Judges the octets of a member; the first one chooses what was asked for, and how they come.
///
/// # Panics
/// When an invariant is broken.
pub fn check(input: &[u8]) {
    let Some((choice, octets)) = input.split_first() else { return };
    let asked = [Asked::Other, Asked::Head, Asked::Connect][usize::from(choice % 3)];
    let whole = read(asked, octets, usize::MAX);
    if let Ok(read) = &whole {
        judge(asked, read, octets.len());
    }
    for step in [1, usize::from(choice / 3) + 1] {
        match (&whole, read(asked, octets, step)) {
            (Ok(whole), Ok(cut)) => assert_eq!(*whole, cut, "in steps of {step}"),
            (Err(whole), Err(cut)) => {
                assert_eq!(*whole == Fault::Cut, cut == Fault::Cut, "{whole} and {cut} in steps of {step}");
            }
            (whole, cut) => panic!("{whole:?} and {cut:?} in steps of {step}"),
        }
    }
}

fn judge(asked: Asked, read: &Read, came: usize) {
    assert!(read.content.len() + read.behind < came, "there is a head");
    assert!(!(read.goes_on && (read.behind > 0 || read.is_switched)));
    assert!(read.fields.len() <= 100 && read.status >= 101 && read.status != 103);
    if read.is_switched {
        assert!(read.status == 101 || (asked == Asked::Connect && (200..300).contains(&read.status)));
        return;
    }
    let lengths = read.fields.get_all(CONTENT_LENGTH).iter().count();
    let codings = read.fields.get_all(TRANSFER_ENCODING).iter().count();
    assert!(lengths + codings <= 1, "it could be read in two ways");
    let has_none = asked == Asked::Head || matches!(read.status, 204 | 304);
    let length = read.fields.get(CONTENT_LENGTH).map(|length| {
        let digits = str::from_utf8(length.as_bytes()).expect("digits");
        assert!(digits.bytes().all(|digit| digit.is_ascii_digit()));
        digits.parse::<u64>().expect("a number")
    });
    match length {
        _ if has_none => assert!(read.content.is_empty() && read.trailers.is_none()),
        Some(length) => assert_eq!(read.content.len() as u64, length),
        None => assert!(codings == 1 || !read.goes_on, "where it ends is not told"),
    }
    assert!(read.trailers.is_none() || codings == 1);
}

/// Reads octets that come in steps, and then the end of the connection.
fn read(asked: Asked, octets: &[u8], step: usize) -> Result<Read, Fault> {
    let mut response = Response::new(asked);
    let mut rest = octets;
    let head = loop {
        match response.head()? {
            Some(head) if !head.is_interim() => break head,
            Some(_) => {}
            None => rest = come(&mut response, rest, step),
        }
    };
    let (mut content, mut trailers) = (Vec::new(), None);
    while !response.is_ended() && !response.is_switched() {
        match response.content()? {
            Some(Part::Data(data)) => {
                assert!(!data.is_empty() && trailers.is_none());
                content.extend_from_slice(&data);
            }
            Some(Part::Trailers(fields)) => assert!(trailers.replace(fields).is_none()),
            None if response.is_ended() => {}
            None => rest = come(&mut response, rest, step),
        }
    }
    if !rest.is_empty() {
        response.push(Bytes::copy_from_slice(rest));
    }
    Ok(Read {
        status: head.status.as_u16(),
        fields: head.headers,
        content,
        trailers,
        goes_on: response.leaves_connection(),
        is_switched: response.is_switched(),
        behind: response.into_ahead().len(),
    })
}

fn come<'a>(response: &mut Response, rest: &'a [u8], step: usize) -> &'a [u8] {
    let (part, rest) = rest.split_at(step.min(rest.len()));
    if part.is_empty() {
        response.close();
    } else {
        response.push(Bytes::copy_from_slice(part));
    }
    rest
}
