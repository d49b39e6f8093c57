//! What a connection of the proxy begins with: PROXY headers and the hello of TLS.

use proxy::client_hello;
use proxy::proxy_protocol::{self, Header, LONGEST, Origin, Transport};
use std::fmt::Debug;

/// Judges a stream that begins with a PROXY header: the verdict does not depend on where segments end, and what was
/// read is the same after it was written.
///
/// # Panics
/// When an invariant is broken.
pub fn check_proxy_protocol(input: &[u8]) {
    let whole = proxy_protocol::parse(input);
    let needed = match whole {
        Ok(Some((header, length))) => {
            assert!(length <= input.len() && length <= LONGEST, "{length} octets");
            same_when_written(&header);
            length
        }
        Ok(None) => {
            assert!(input.len() < LONGEST, "more than {LONGEST} octets of header are awaited");
            input.len()
        }
        Err(malformed) => {
            assert!(malformed.at <= input.len(), "a place beyond the end: {malformed}");
            input.len()
        }
    };
    for end in ends(needed) {
        same_or_more(&proxy_protocol::parse(&input[..end]), &whole, &Ok(None));
    }
}

fn same_when_written(header: &Header<'_>) {
    let bytes = header.to_v2().expect("what was read in one header fits into one");
    assert_eq!(proxy_protocol::parse(&bytes), Ok(Some((*header, bytes.len()))));
    let line = header.origin.to_v1();
    let Ok(Some((read, length))) = proxy_protocol::parse(&line) else {
        panic!("{} is no header", line.escape_ascii());
    };
    assert_eq!(length, line.len());
    if let Origin::Inet { transport: Transport::Stream, .. } = header.origin {
        assert_eq!(read.origin, header.origin);
    } else {
        assert_eq!(read.origin, Origin::Unknown);
    }
}

/// Judges a stream that may begin with a `ClientHello`: the verdict does not depend on where segments end, and a name is
/// one that may be compared with configured ones.
///
/// # Panics
/// When an invariant is broken.
pub fn check_client_hello(input: &[u8]) {
    let whole = client_hello::parse(input);
    match &whole {
        Ok(client_hello::Progress::Hello(hello)) => {
            if let Some(name) = &hello.server_name {
                let plain = |octet: u8| {
                    octet.is_ascii_lowercase() || octet.is_ascii_digit() || b"-_.".contains(&octet)
                };
                assert!((1..=253).contains(&name.len()) && name.bytes().all(plain), "{name}");
                assert!(!name.starts_with('.') && !name.ends_with('.') && !name.contains(".."), "{name}");
            }
            assert!(hello.alpn.iter().all(|protocol| (1..=255).contains(&protocol.len())));
        }
        Ok(client_hello::Progress::More) => assert!(input.len() < client_hello::LONGEST),
        Ok(client_hello::Progress::NotTls) | Err(_) => {}
    }
    for end in ends(input.len()) {
        same_or_more(&client_hello::parse(&input[..end]), &whole, &Ok(client_hello::Progress::More));
    }
}

/// Places where a segment may end: all of the first ones, and some further on.
fn ends(length: usize) -> impl Iterator<Item = usize> {
    (0..length).filter(|end| *end < 300 || end % 61 == 0)
}

fn same_or_more<T: PartialEq + Debug>(part: &T, whole: &T, more: &T) {
    assert!(part == more || part == whole, "{part:?} of a part, {whole:?} of the whole");
}
