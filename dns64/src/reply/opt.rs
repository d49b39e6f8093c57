//! The OPT record of a reply (RFC 6891 §6.1.2), written option by option without allocation.
//!
//! Knows the options that replies carry: extended errors (RFC 8914 §2), COOKIE (RFC 7873 §4), NSID (RFC 5001 §2.3),
//! edns-tcp-keepalive (RFC 7828 §3.1) and Padding (RFC 7830 §3), which comes last since it fills up what the others
//! leave. Does not decide which of them a client gets: whoever answers does, by [`Extras`].

use super::MAX_UDP;
use crate::answer::ExtendedError;
use crate::question::{CLIENT_COOKIE, SERVER_COOKIE};
use crate::wire::{self, OPTION_HEAD, flag};
use hickory_proto::op::ResponseCode;

/// Octets of an OPT record without options, and where in them the length of the options stands.
const FIXED: usize = 11;
const LENGTH_AT: usize = 9;

/// What the OPT record of a reply carries beside the reply's extended errors. A client without EDNS gets none of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extras<'a> {
    /// The client's cookie with the server's behind it.
    pub cookie: Option<[u8; CLIENT_COOKIE + SERVER_COOKIE]>,
    /// The name of this server, to a client that asked for it.
    pub nsid: Option<&'a [u8]>,
    /// How long the connection may be idle, in units of 100 ms; only on streams.
    pub keepalive: Option<u16>,
    /// The reply is padded to a multiple of so many octets; only where it is encrypted (RFC 8467 §4.1).
    pub padding: Option<u16>,
}

/// An OPT record before it is octets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opt<'a> {
    pub(crate) rcode: ResponseCode,
    pub(crate) dnssec_ok: bool,
    pub(crate) extras: Extras<'a>,
}

impl Opt<'_> {
    /// Its octets without padding, with `errors` octets of extended errors.
    pub(crate) fn len(&self, errors: usize) -> usize {
        let extras = &self.extras;
        let cookie = extras.cookie.map(|cookie| cookie.len());
        let bodies =
            cookie.into_iter().chain(extras.nsid.map(<[u8]>::len)).chain(extras.keepalive.map(|_| 2));
        FIXED + errors + bodies.map(|body| OPTION_HEAD + body).sum::<usize>()
    }

    /// Puts the record behind the message in `out`, around the `errors` octets of extended errors that stand there
    /// already, padded as far as `limit` octets of message allow.
    pub(crate) fn write(&self, errors: usize, limit: usize, out: &mut Vec<u8>) {
        let start = out.len() - errors;
        out.resize(out.len() + FIXED, 0);
        out.copy_within(start..start + errors, start + FIXED);
        out[start..start + FIXED].copy_from_slice(&self.head());
        if let Some(cookie) = &self.extras.cookie {
            option(out, wire::OPTION_COOKIE, &[cookie]);
        }
        if let Some(nsid) = self.extras.nsid {
            option(out, wire::OPTION_NSID, &[nsid]);
        }
        if let Some(keepalive) = self.extras.keepalive {
            option(out, wire::OPTION_KEEPALIVE, &[&keepalive.to_be_bytes()]);
        }
        if let Some(block) = self.extras.padding {
            pad(out, usize::from(block), limit);
        }
        let length = u16::try_from(out.len() - start - FIXED).unwrap_or(u16::MAX);
        out[start + LENGTH_AT..start + FIXED].copy_from_slice(&length.to_be_bytes());
    }

    /// The record without options.
    fn head(&self) -> [u8; FIXED] {
        let mut head = [0; FIXED];
        head[1..3].copy_from_slice(&wire::OPT.to_be_bytes());
        head[3..5].copy_from_slice(&MAX_UDP.to_be_bytes());
        head[5] = self.rcode.high();
        head[7..9].copy_from_slice(&(if self.dnssec_ok { flag::DNSSEC_OK } else { 0 }).to_be_bytes());
        head
    }
}

/// Puts extended errors into `out`, each as an option.
pub(crate) fn write_errors(errors: &[ExtendedError], out: &mut Vec<u8>) {
    for error in errors {
        option(out, wire::OPTION_EDE, &[&error.code.to_be_bytes(), &error.text]);
    }
}

fn option(out: &mut Vec<u8>, code: u16, body: &[&[u8]]) {
    let length = body.iter().map(|part| part.len()).sum::<usize>();
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    for part in body {
        out.extend_from_slice(part);
    }
}

/// Fills the message up to a multiple of `block` octets, or to `limit` where that comes first.
fn pad(out: &mut Vec<u8>, block: usize, limit: usize) {
    let least = out.len() + OPTION_HEAD;
    let target = least.next_multiple_of(block.max(1)).min(limit);
    let Some(octets) = target.checked_sub(least) else { return };
    let Ok(length) = u16::try_from(octets) else { return };
    out.extend_from_slice(&wire::OPTION_PADDING.to_be_bytes());
    out.extend_from_slice(&length.to_be_bytes());
    out.resize(target, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(extras: Extras<'_>, errors: &[ExtendedError], before: usize, limit: usize) -> Vec<u8> {
        let opt = Opt { rcode: ResponseCode::NoError, dnssec_ok: false, extras };
        let mut out = vec![0; before];
        write_errors(errors, &mut out);
        let errors = out.len() - before;
        opt.write(errors, limit, &mut out);
        let length = usize::from(wire::u16_at(&out, before + LENGTH_AT).unwrap());
        assert_eq!(length, out.len() - before - FIXED, "the record's own length");
        if extras.padding.is_none() {
            assert_eq!(out.len() - before, opt.len(errors), "the length that was foretold");
        }
        out.split_off(before + FIXED)
    }

    #[test]
    fn options_are_written_with_their_codes_and_lengths() {
        let check = |extras: Extras<'_>, expect: &[u8]| assert_eq!(written(extras, &[], 12, 512), expect);
        check(Extras::default(), b"");
        check(Extras { nsid: Some(b"ns1"), ..Extras::default() }, b"\x00\x03\x00\x03ns1");
        check(Extras { keepalive: Some(300), ..Extras::default() }, b"\x00\x0b\x00\x02\x01\x2c");
        let cookie = [7; CLIENT_COOKIE + SERVER_COOKIE];
        let expect = [&b"\x00\x0a\x00\x18"[..], &cookie].concat();
        check(Extras { cookie: Some(cookie), ..Extras::default() }, &expect);
    }

    #[test]
    fn extended_errors_come_first_and_padding_last() {
        let error = ExtendedError { code: 18, text: b"no".as_slice().into() };
        let extras = Extras { keepalive: Some(1), padding: Some(64), ..Extras::default() };
        let options = written(extras, &[error], 20, 512);
        let codes: Vec<_> = wire::options(&options).map(|(code, body)| (code, body.len())).collect();
        assert_eq!(codes, [(15, 4), (11, 2), (12, 64 - 20 - FIXED - 8 - 6 - 4)]);
    }

    #[test]
    fn padding_ends_at_the_block_or_at_the_limit_and_gives_way_where_there_is_no_room() {
        let check = |before: usize, limit: usize, expect: usize| {
            let extras = Extras { padding: Some(468), ..Extras::default() };
            let total = before + FIXED + written(extras, &[], before, limit).len();
            assert_eq!(total, expect, "{before} octets, at most {limit}");
        };
        check(50, 1232, 468);
        check(453, 1232, 468);
        check(454, 1232, 936);
        check(940, 1232, 1232);
        check(1220, 1232, 1231);
        check(940, 65_535, 1404);
    }
}
