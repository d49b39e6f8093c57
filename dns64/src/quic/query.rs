//! A message on a QUIC stream (RFC 9250 §4.2): its length, then the message with the number 0, then the end. Pure.

use crate::question::Question;
use crate::wire;

/// Octets of the length.
const PREFIX: usize = 2;

/// Octets of a stream; no honest query comes near it.
pub(crate) const MOST: usize = 4096 + PREFIX;

/// The client broke the protocol.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault;

/// The one query that a whole stream holds.
///
/// Its number must be 0 (RFC 9250 §4.2.1), it must not ask for edns-tcp-keepalive (§5.5.2), and a message that cannot
/// be a query at all breaks the protocol as well (§4.3.3).
pub(crate) fn message(stream: &[u8]) -> Result<&[u8], Fault> {
    let length = wire::u16_at(stream, 0).ok_or(Fault)?;
    let message = &stream[PREFIX..];
    if message.len() != usize::from(length) || wire::u16_at(message, 0) != Some(0) {
        return Err(Fault);
    }
    match Question::parse(message) {
        Ok(question) if question.edns.is_some_and(|edns| edns.asks.keepalive) => Err(Fault),
        Err(crate::question::Refusal::Drop(_)) => Err(Fault),
        Ok(_) | Err(crate::question::Refusal::Reject(_)) => Ok(message),
    }
}

/// `reply` behind its length; `None` for one that no length can say.
pub(crate) fn framed(reply: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(reply.len()).ok()?;
    Some([&length.to_be_bytes(), reply].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::tests::query;
    use crate::query::Edns;
    use hickory_proto::rr::RecordType;

    fn stream(id: u16, options: &[u8]) -> Vec<u8> {
        let query = query("v4.example", RecordType::A);
        let mut message = Vec::new();
        query.encode(id, &query.name, Edns::Plain, &mut message);
        // The OPT record stands last, and its length at its end.
        let length = message.len();
        message[length - 1] = u8::try_from(options.len()).unwrap();
        message.extend_from_slice(options);
        framed(&message).unwrap()
    }

    #[test]
    fn a_stream_holds_one_whole_query() {
        let whole = stream(0, b"");
        assert_eq!(message(&whole), Ok(&whole[2..]));
        for cut in 0..whole.len() {
            assert_eq!(message(&whole[..cut]), Err(Fault), "{cut}");
        }
        assert_eq!(message(&[whole.clone(), vec![0]].concat()), Err(Fault), "octets behind it");
        assert_eq!(message(&[whole.clone(), whole].concat()), Err(Fault), "two");
    }

    #[test]
    fn numbers_keepalive_and_responses_break_the_protocol() {
        assert_eq!(message(&stream(1, b"")), Err(Fault));
        assert_eq!(message(&stream(0, b"\x00\x0b\x00\x00")), Err(Fault));
        assert!(message(&stream(0, b"\x00\x0c\x00\x01\x00")).is_ok(), "padding is welcome");
        let mut response = stream(0, b"");
        response[4] |= 0x80;
        assert_eq!(message(&response), Err(Fault));
        let mut notify = stream(0, b"");
        notify[4] |= 0x20;
        assert!(message(&notify).is_ok(), "answered with an error");
    }

    #[test]
    fn replies_are_framed_as_far_as_lengths_go() {
        assert_eq!(framed(b"abc").unwrap(), b"\x00\x03abc");
        assert_eq!(framed(&vec![0; 65_536]), None);
    }
}
