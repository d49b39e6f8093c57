//! What a header of version 2 tells beside the addresses (`proxy-protocol.txt` §2.2.1 to §2.2.6).
//!
//! Types that nobody has defined, and those for private use and experiments, are passed over.

use super::{Malformed, Reason, TooLong};
use crc::{CRC_32_ISCSI, Crc};

const ALPN: u8 = 0x01;
const AUTHORITY: u8 = 0x02;
const CRC32C: u8 = 0x03;
const UNIQUE_ID: u8 = 0x05;
const SSL: u8 = 0x20;
const SSL_VERSION: u8 = 0x21;
const SSL_CN: u8 = 0x22;
const SSL_CIPHER: u8 = 0x23;
const SSL_SIG_ALG: u8 = 0x24;
const SSL_KEY_ALG: u8 = 0x25;
const NETNS: u8 = 0x30;

/// Octets of a unique id.
const ID_LIMIT: usize = 128;
/// Octets of a checksum.
const SUM: usize = 4;
/// Octets of an SSL value before the TLVs in it.
const SSL_FIXED: usize = 5;
/// The polynomial of RFC 4960 appendix B, which the protocol names.
const CASTAGNOLI: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

const CLIENT_SSL: u8 = 1;
const CLIENT_CERT_CONN: u8 = 2;
const CLIENT_CERT_SESS: u8 = 4;

/// What is told of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts<'a> {
    /// The protocol that was agreed on (RFC 7301).
    pub alpn: Option<&'a [u8]>,
    /// The host name that the client asked for (SNI).
    pub authority: Option<&'a str>,
    /// A name for the connection in everybody's logs, at most 128 octets.
    pub unique_id: Option<&'a [u8]>,
    /// The client's TLS.
    pub ssl: Option<Ssl<'a>>,
    /// The network namespace that it came through.
    pub netns: Option<&'a str>,
    /// Whether a checksum vouches for the header. It is always right in what was read.
    pub checksum: bool,
}

/// The client's TLS towards the sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ssl<'a> {
    /// Whether the connection is encrypted.
    pub encrypted: bool,
    /// Whether a client certificate came on this connection.
    pub cert_on_connection: bool,
    /// Whether a client certificate came in this TLS session.
    pub cert_on_session: bool,
    /// 0 if a certificate came and was found right.
    pub verify: u32,
    /// Such as `TLSv1.3`.
    pub version: Option<&'a str>,
    /// The common name of the client's certificate.
    pub common_name: Option<&'a str>,
    /// Such as `ECDHE-RSA-AES128-GCM-SHA256`.
    pub cipher: Option<&'a str>,
    /// The algorithm that signed the sender's certificate, such as `SHA256`.
    pub signature: Option<&'a str>,
    /// The algorithm of its key, such as `RSA2048`.
    pub key: Option<&'a str>,
}

/// One TLV and the place of its value.
struct Tlv<'a> {
    kind: u8,
    at: usize,
    value: &'a [u8],
}

/// The TLVs of `block`, which stands at `at` in the header.
fn tlvs(mut block: &[u8], mut at: usize) -> impl Iterator<Item = Result<Tlv<'_>, Malformed>> {
    std::iter::from_fn(move || {
        if block.is_empty() {
            return None;
        }
        let split = block.split_first_chunk().and_then(|(&[kind, high, low], rest)| {
            let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
            Some((Tlv { kind, at: at + 3, value }, rest))
        });
        let Some((tlv, rest)) = split else {
            block = &[];
            return Some(Err(Malformed { at, reason: Reason::TlvCut }));
        };
        at = tlv.at + tlv.value.len();
        block = rest;
        Some(Ok(tlv))
    })
}

impl<'a> Tlv<'a> {
    const fn fault(&self, reason: Reason) -> Malformed {
        Malformed { at: self.at, reason }
    }

    fn text(&self) -> Result<&'a str, Malformed> {
        str::from_utf8(self.value).map_err(|_| self.fault(Reason::TlvText))
    }

    /// Fills a place that only one TLV may fill.
    fn set<T>(&self, place: &mut Option<T>, value: T) -> Result<(), Malformed> {
        match place.replace(value) {
            None => Ok(()),
            Some(_) => Err(self.fault(Reason::TlvTwice)),
        }
    }
}

/// The facts of a whole header whose TLVs begin at `start`.
pub(super) fn parse(header: &[u8], start: usize) -> Result<Facts<'_>, Malformed> {
    let mut facts = Facts::default();
    let mut sum = None;
    for tlv in tlvs(&header[start..], start) {
        let tlv = tlv?;
        match tlv.kind {
            ALPN => tlv.set(&mut facts.alpn, tlv.value)?,
            AUTHORITY => tlv.set(&mut facts.authority, tlv.text()?)?,
            CRC32C => tlv.set(&mut sum, checked(header, &tlv)?)?,
            UNIQUE_ID if tlv.value.len() > ID_LIMIT => return Err(tlv.fault(Reason::TlvLength)),
            UNIQUE_ID => tlv.set(&mut facts.unique_id, tlv.value)?,
            SSL => tlv.set(&mut facts.ssl, ssl(&tlv)?)?,
            NETNS => tlv.set(&mut facts.netns, tlv.text()?)?,
            // NOOP (0x04), which fills up, and whatever else there is.
            _ => {}
        }
    }
    facts.checksum = sum.is_some();
    Ok(facts)
}

/// Checks the sum over the header, in which its own octets count as zeros.
fn checked(header: &[u8], tlv: &Tlv<'_>) -> Result<(), Malformed> {
    let told: [u8; SUM] = tlv.value.try_into().map_err(|_| tlv.fault(Reason::TlvLength))?;
    if told == sum(header, tlv.at) { Ok(()) } else { Err(tlv.fault(Reason::Checksum)) }
}

fn sum(header: &[u8], at: usize) -> [u8; SUM] {
    let mut digest = CASTAGNOLI.digest();
    for part in [&header[..at], &[0; SUM], &header[at + SUM..]] {
        digest.update(part);
    }
    digest.finalize().to_be_bytes()
}

fn ssl<'a>(tlv: &Tlv<'a>) -> Result<Ssl<'a>, Malformed> {
    let split = tlv.value.split_first_chunk::<SSL_FIXED>();
    let (&[client, verify @ ..], inner) = split.ok_or_else(|| tlv.fault(Reason::TlvLength))?;
    let mut ssl = Ssl {
        encrypted: client & CLIENT_SSL != 0,
        cert_on_connection: client & CLIENT_CERT_CONN != 0,
        cert_on_session: client & CLIENT_CERT_SESS != 0,
        verify: u32::from_be_bytes(verify),
        ..Ssl::default()
    };
    for tlv in tlvs(inner, tlv.at + SSL_FIXED) {
        let tlv = tlv?;
        let place = match tlv.kind {
            SSL_VERSION => &mut ssl.version,
            SSL_CN => &mut ssl.common_name,
            SSL_CIPHER => &mut ssl.cipher,
            SSL_SIG_ALG => &mut ssl.signature,
            SSL_KEY_ALG => &mut ssl.key,
            _ => continue,
        };
        tlv.set(place, tlv.text()?)?;
    }
    Ok(ssl)
}

/// Appends the TLVs. Returns where the checksum goes, if there is to be one.
pub(super) fn write(out: &mut Vec<u8>, facts: &Facts<'_>) -> Result<Option<usize>, TooLong> {
    if facts.unique_id.is_some_and(|id| id.len() > ID_LIMIT) {
        return Err(TooLong);
    }
    let values = [
        (ALPN, facts.alpn),
        (AUTHORITY, facts.authority.map(str::as_bytes)),
        (UNIQUE_ID, facts.unique_id),
        (NETNS, facts.netns.map(str::as_bytes)),
    ];
    append_all(out, &values)?;
    if let Some(ssl) = &facts.ssl {
        append(out, SSL, &ssl.value()?)?;
    }
    if !facts.checksum {
        return Ok(None);
    }
    append(out, CRC32C, &[0; SUM])?;
    Ok(Some(out.len() - SUM))
}

/// Fills in the checksum of a header that is whole but for it.
pub(super) fn seal(out: &mut [u8], place: Option<usize>) {
    if let Some(at) = place {
        let sum = sum(out, at);
        out[at..at + SUM].copy_from_slice(&sum);
    }
}

impl Ssl<'_> {
    fn value(&self) -> Result<Vec<u8>, TooLong> {
        let bits = [
            (self.encrypted, CLIENT_SSL),
            (self.cert_on_connection, CLIENT_CERT_CONN),
            (self.cert_on_session, CLIENT_CERT_SESS),
        ];
        let client = bits.iter().filter(|(set, _)| *set).fold(0, |all, (_, bit)| all | bit);
        let mut value = vec![client];
        value.extend(self.verify.to_be_bytes());
        let texts = [
            (SSL_VERSION, self.version),
            (SSL_CN, self.common_name),
            (SSL_CIPHER, self.cipher),
            (SSL_SIG_ALG, self.signature),
            (SSL_KEY_ALG, self.key),
        ];
        append_all(&mut value, &texts.map(|(kind, text)| (kind, text.map(str::as_bytes))))?;
        Ok(value)
    }
}

fn append_all(out: &mut Vec<u8>, values: &[(u8, Option<&[u8]>)]) -> Result<(), TooLong> {
    for (kind, value) in values {
        if let Some(value) = value {
            append(out, *kind, value)?;
        }
    }
    Ok(())
}

fn append(out: &mut Vec<u8>, kind: u8, value: &[u8]) -> Result<(), TooLong> {
    let length = u16::try_from(value.len()).map_err(|_| TooLong)?;
    out.push(kind);
    out.extend(length.to_be_bytes());
    out.extend(value);
    Ok(())
}
