//! The name that a TLS client asks for, read from its first message without answering it. Pure.
//!
//! ```text
//! records (RFC 8446 §5.1, RFC 5246 §6.2.1) -> handshake message (§4) -> `ClientHello` (§4.1.2)
//!     -> server_name (RFC 6066 §3), application_layer_protocol_negotiation (RFC 7301 §3.1)
//! ```
//!
//! The message may be split over any number of records and segments; all of it lies within [`LONGEST`] octets, or it is
//! refused. Every prefix gives "more" or the verdict of the whole. Nothing is guessed: what is no TLS, what is broken
//! TLS, and what is a client that names nobody are told apart. With Encrypted Client Hello the name is the outer one.
//!
//! Deliberately not here: TLS itself, the hello of SSL 2.0 (it is no TLS), QUIC.

mod extensions;
mod octets;

use octets::Octets;
use std::borrow::Cow;

/// Octets that a `ClientHello` may take, with the headers of its records.
pub const LONGEST: usize = 16 << 10;

const HANDSHAKE: u8 = 22;
const MAJOR: u8 = 3;
/// Of TLS 1.3; a record never has a higher one.
const LAST_MINOR: u8 = 4;
const RECORD_HEADER: usize = 5;
/// Octets of a record that is not encrypted.
const RECORD_LIMIT: usize = 1 << 14;
const CLIENT_HELLO: u8 = 1;
const MESSAGE_HEADER: usize = 4;

/// What a client says first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// The host name, in lower case and without a dot at its end. Without one: the client names nobody, or gives an
    /// address, which is no name (RFC 6066 §3).
    pub server_name: Option<String>,
    /// The protocols it offers, the dearest first.
    pub alpn: Vec<Vec<u8>>,
}

/// How far reading came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All octets so far belong to a `ClientHello` that is not whole.
    More,
    /// Another protocol.
    NotTls,
    /// The whole message.
    Hello(ClientHello),
}

/// Octets that begin as TLS and are no `ClientHello`: the client's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Malformed {
    /// What is wrong.
    pub reason: Reason,
}

/// What is wrong with a `ClientHello`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// A record is empty, or longer than a record may be.
    #[error("a TLS record has a length that none may have")]
    Record,
    /// Another kind of record comes before the message is whole.
    #[error("a TLS record of another kind interrupts the ClientHello")]
    Interrupted,
    /// The first handshake message is another one.
    #[error("the first TLS message is not a ClientHello")]
    Message,
    /// The message takes more octets than [`LONGEST`].
    #[error("the ClientHello is longer than 16 KiB")]
    TooLong,
    /// A field is cut off, or is not what it must be.
    #[error("the fields of the ClientHello do not fit their lengths")]
    Fields,
    /// An extension comes twice.
    #[error("an extension of the ClientHello comes twice")]
    Twice,
    /// The name is no host name.
    #[error("the server name is not a host name")]
    Name,
}

impl From<Reason> for Malformed {
    fn from(reason: Reason) -> Self {
        Self { reason }
    }
}

/// Reads the `ClientHello` that begins `bytes`, as far as it is there.
///
/// # Errors
/// Why octets that begin as TLS cannot become a `ClientHello`, whatever follows them.
pub fn parse(bytes: &[u8]) -> Result<Progress, Malformed> {
    let versions = 0..=LAST_MINOR;
    let is_tls = bytes.first().is_none_or(|kind| *kind == HANDSHAKE)
        && bytes.get(1).is_none_or(|major| *major == MAJOR)
        && bytes.get(2).is_none_or(|minor| versions.contains(minor));
    if !is_tls {
        return Ok(Progress::NotTls);
    }
    let within = &bytes[..bytes.len().min(LONGEST)];
    match first_message(within)? {
        Some(hello) => Ok(Progress::Hello(hello)),
        None if within.len() < LONGEST => Ok(Progress::More),
        None => Err(Reason::TooLong.into()),
    }
}

/// The first message, once it is whole.
fn first_message(bytes: &[u8]) -> Result<Option<ClientHello>, Malformed> {
    let mut message = Cow::Borrowed(&[][..]);
    let mut rest = bytes;
    loop {
        if let Some(end) = message_end(&message)?
            && let Some(body) = message.get(MESSAGE_HEADER..end)
        {
            return hello(body).map(Some);
        }
        let Some((fragment, behind)) = record(rest)? else { return Ok(None) };
        if message.is_empty() {
            message = Cow::Borrowed(fragment);
        } else {
            message.to_mut().extend_from_slice(fragment);
        }
        rest = behind;
    }
}

/// Where the message ends, once its header tells.
fn message_end(message: &[u8]) -> Result<Option<usize>, Malformed> {
    if message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
        return Err(Reason::Message.into());
    }
    let Some(&[_, high, middle, low]) = message.first_chunk() else { return Ok(None) };
    let end = MESSAGE_HEADER + (usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low));
    if RECORD_HEADER + end > LONGEST { Err(Reason::TooLong.into()) } else { Ok(Some(end)) }
}

/// What is there of a record's content, and what follows it.
type Record<'a> = (&'a [u8], &'a [u8]);

fn record(bytes: &[u8]) -> Result<Option<Record<'_>>, Malformed> {
    let is_handshake = bytes.first().is_none_or(|kind| *kind == HANDSHAKE)
        && bytes.get(1).is_none_or(|major| *major == MAJOR);
    if !is_handshake {
        return Err(Reason::Interrupted.into());
    }
    let Some((&[_, _, _, high, low], content)) = bytes.split_first_chunk::<RECORD_HEADER>() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length == 0 || length > RECORD_LIMIT {
        return Err(Reason::Record.into());
    }
    Ok(Some(content.split_at(length.min(content.len()))))
}

/// The body of a `ClientHello` (RFC 8446 §4.1.2; that of TLS 1.2 may end before the extensions).
fn hello(body: &[u8]) -> Result<ClientHello, Malformed> {
    let mut body = Octets::new(body);
    let _version_and_random = body.take(2 + 32)?;
    let session = body.short()?;
    let suites = body.long()?;
    let compression = body.short()?;
    if session.len() > 32 || suites.is_empty() || suites.len() % 2 != 0 || compression.is_empty() {
        return Err(Reason::Fields.into());
    }
    if body.is_empty() {
        return Ok(ClientHello::default());
    }
    let extensions = body.long()?;
    if !body.is_empty() {
        return Err(Reason::Fields.into());
    }
    extensions::parse(extensions)
}

#[cfg(test)]
mod tests;
