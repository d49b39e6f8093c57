//! Who is answered, and how much: the door between a question and the plan for it.
//!
//! Owns the access list, DNS cookies (RFC 7873, RFC 9018), the limit on responses to forged addresses, the minimal
//! answer to ANY (RFC 8482) and the name of the server (RFC 5001). [`Terms`] are one configuration's, [`Gate`]
//! remembers across them. Pure: times and random numbers are arguments. Does not look into names and answers; what a
//! reply is about it learns from the reply.

mod class;
mod cookie;
mod rate;

pub use cookie::{SECRET, Secrets};

use crate::answer::ExtendedError;
use crate::metrics::Transport;
use crate::question::{CLASS_IN, CLIENT_COOKIE, DropReason, Question, SERVER_COOKIE};
use crate::reply::{Body, Built, Extras, Origin, Reply};
use addr::fold_mapped;
use arc_swap::ArcSwap;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::HINFO;
use hickory_proto::rr::{RData, Record, RecordType};
use ipnet::IpNet;
use rate::Accounts;
use siphasher::sip::SipHasher13;
use std::hash::Hasher;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// RFC 8914 §4.19 Prohibited.
const PROHIBITED: u16 = 18;

/// TTL in seconds of the minimal answer to ANY.
const ANY_TTL: u32 = 3600;

/// What one configuration says of clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Who is answered; everyone without it.
    pub allow_from: Option<Vec<IpNet>>,
    /// Others are told so.
    pub refuse: bool,
    /// Cookies are given and believed.
    pub cookies: bool,
    /// Responses of one kind a second to one network of clients; 0 is as many as there are.
    pub response_rate: u32,
    /// What a client is told that asks which server it is.
    pub nsid: Option<Vec<u8>>,
    /// Where the daemon listens: nothing that seems to come from there is answered.
    pub listen: Vec<SocketAddr>,
}

/// How a client is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reception {
    /// It is answered.
    Welcome,
    /// It is told that it may not ask.
    Prohibited,
}

/// What a question's cookie and transport come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    cookie: Option<[u8; CLIENT_COOKIE + SERVER_COOKIE]>,
    /// The client's address is its own, so that there is nothing to limit.
    proven: bool,
}

/// What becomes of a reply that is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// It is sent.
    Send,
    /// In its place goes one that is cut off, so that a client whose address is its own comes back over TCP.
    Truncate,
    /// In its place goes BADCOOKIE, so that such a client comes back with its cookie (RFC 7873 §5.2.3).
    BadCookie,
    /// Nothing is sent.
    Drop,
}

/// What is remembered of clients: secrets, and the accounts of responses.
#[derive(Debug)]
pub struct Gate {
    secrets: ArcSwap<Secrets>,
    accounts: Accounts,
    key: [u8; SECRET],
}

impl Terms {
    /// How `client` is received.
    ///
    /// # Errors
    /// Why it is not answered at all.
    pub fn receive(&self, client: SocketAddr) -> Result<Reception, DropReason> {
        if client.port() == 0 {
            return Err(DropReason::SourcePort);
        }
        let ip = fold_mapped(client.ip());
        if self.listen.iter().any(|own| is_own(*own, SocketAddr::new(ip, client.port()))) {
            return Err(DropReason::OwnAddress);
        }
        match &self.allow_from {
            Some(allowed) if !allowed.iter().any(|net| net.contains(&ip)) => {
                if self.refuse {
                    Ok(Reception::Prohibited)
                } else {
                    Err(DropReason::Denied)
                }
            }
            _ => Ok(Reception::Welcome),
        }
    }

    /// The options that the reply to `question` carries.
    pub fn extras<'a>(&'a self, question: &Question, pass: &Pass) -> Extras<'a> {
        let asks_name = question.edns.is_some_and(|edns| edns.asks.nsid);
        let nsid = self.nsid.as_deref().filter(|_| asks_name);
        Extras { cookie: pass.cookie, nsid, ..Extras::default() }
    }
}

/// Whether `client` can be nobody but the socket at `own`.
fn is_own(own: SocketAddr, client: SocketAddr) -> bool {
    let wildcard =
        own.ip().is_unspecified() && own.is_ipv6() == client.is_ipv6() && client.ip().is_loopback();
    own.port() == client.port() && (own.ip() == client.ip() || wildcard)
}

impl Gate {
    /// A gate with two random numbers of its own.
    pub fn new(secret: [u8; SECRET], key: [u8; SECRET]) -> Self {
        Self { secrets: ArcSwap::from_pointee(Secrets::new(secret)), accounts: Accounts::new(), key }
    }

    /// Goes over to a fresh random secret; cookies of the last one count until the next change.
    pub fn rotate(&self, fresh: [u8; SECRET]) {
        let secrets = self.secrets.load().rotated(fresh);
        self.secrets.store(Arc::new(secrets));
    }

    /// What the cookie of `question` and its transport come to. `now` gives seconds since 1970 modulo 2^32, and is
    /// asked where there is a cookie.
    pub fn pass(
        &self,
        terms: &Terms,
        question: &Question,
        client: IpAddr,
        via: Transport,
        now: impl FnOnce() -> u32,
    ) -> Pass {
        let answered = via != Transport::Udp;
        let cookie = question.edns.and_then(|edns| edns.cookie).filter(|_| terms.cookies);
        let Some(cookie) = cookie else { return Pass { cookie: None, proven: answered } };
        let judgement = self.secrets.load().judge(&cookie, client, now());
        Pass { cookie: Some(judgement.reply), proven: answered || judgement.proven }
    }

    /// What becomes of `reply` to `question`. `now` gives the time since some start, and is asked where there is a
    /// limit that can apply.
    pub fn release(
        &self,
        terms: &Terms,
        question: &Question,
        pass: &Pass,
        client: SocketAddr,
        reply: &[u8],
        now: impl FnOnce() -> Duration,
    ) -> Release {
        if terms.response_rate == 0 || pass.proven {
            return Release::Send;
        }
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write_u128(network(client.ip()));
        class::write(question, reply, &mut hasher);
        if !self.accounts.charge(hasher.finish(), terms.response_rate, now()) {
            return Release::Send;
        }
        // Every second one, by numbers that a client changes from try to try and that nobody can foresee.
        hasher.write_u16(question.id);
        hasher.write_u16(client.port());
        match (hasher.finish() & 1, pass.cookie) {
            (0, _) => Release::Drop,
            (_, Some(_)) => Release::BadCookie,
            (_, None) => Release::Truncate,
        }
    }
}

/// The network whose clients share a limit, since one host can forge all of its addresses: /24 and /56.
fn network(client: IpAddr) -> u128 {
    match client.to_canonical() {
        IpAddr::V4(v4) => u128::from(v4.to_bits() >> 8) << 1 | 1,
        IpAddr::V6(v6) => v6.to_bits() >> 72 << 1,
    }
}

/// The reply to who may not ask.
pub fn prohibited() -> Reply {
    let text = b"this address may not ask this server".as_slice();
    Reply::refused(ResponseCode::Refused).explained(ExtendedError { code: PROHIBITED, text: text.into() })
}

/// The answer to ANY over UDP, where a large one serves attackers alone (RFC 8482 §4.2).
pub fn minimal_any(question: &Question, via: Transport) -> Option<Reply> {
    // A version of EDNS that does not exist has an answer of its own.
    let readable = question.edns.is_none_or(|edns| edns.version == 0);
    if question.qtype != RecordType::ANY || question.qclass != CLASS_IN || via != Transport::Udp || !readable
    {
        return None;
    }
    let hinfo = RData::HINFO(HINFO::new("RFC8482".to_owned(), String::new()));
    let answers = vec![Record::from_rdata(question.name.to_name(), ANY_TTL, hinfo)];
    Some(Reply { origin: Origin::Local, body: Body::Built(Built { answers, ..Built::default() }) })
}

#[cfg(test)]
mod tests;
