//! What was learnt lately: answers of upstreams, replies made from them, and failures. Pure: time is an argument.
//!
//! An answer is kept as the octets of its records and is the same for every client (RFC 2308 §3 to §5 say what of it
//! and for how long; the caller knows them). A reply that was made here is kept as octets too, under the fingerprint of
//! the view that made it. An AAAA answer that is the reply as it is for a view says so itself, so that a real AAAA record costs one
//! entry. An entry that is no longer fresh stays until others need its room (RFC 8767).
//!
//! Bounded in octets, everything that an entry costs counted. Split into shards by a keyed hash, since strangers choose
//! the names; a shard is locked while one entry is found and copied. A hit does not allocate where the buffer has
//! room.

mod entry;
mod index;
mod shard;

use crate::answer::Section;
use crate::name::WireName;
use crate::ttl;
use entry::{Head, Pass};
use shard::Shard;
use siphasher::sip::SipHasher13;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// TTL in seconds of everything in an answer that is served although its time is over (RFC 8767 §5.1).
pub const STALE_TTL: u32 = 30;

/// Octets of a shard, about: few enough that nothing done to one takes long.
const SHARD: usize = 256 << 10;

/// Octets below which a shard is not worth having.
const SMALLEST_SHARD: usize = 64 << 10;

const MOST_SHARDS: usize = 1024;

/// The types that synthesis looks for: A and AAAA.
const TOGETHER: [u16; 2] = [1, 28];

/// The bits of a hash that tell the entries of one name and these types apart.
const APART: u32 = 5;

/// Entries with a shorter lifetime in seconds are not renewed before their time.
const SHORTEST_RENEWED: u32 = 10;

/// A tenth of the lifetime is left when an entry in use is due to be renewed.
const RENEWAL_SHARE: u32 = 10;

/// The cache.
#[derive(Debug)]
pub struct Cache {
    shards: Box<[Mutex<Shard>]>,
    names: SipHasher13,
    keys: u64,
}

/// A name ready to be looked up.
#[derive(Clone, Copy, Debug)]
pub struct Name {
    lower: WireName,
    hash: u64,
}

impl Name {
    /// The name in wire form and lower case.
    pub fn as_bytes(&self) -> &[u8] {
        self.lower.as_bytes()
    }

    /// A hash that nobody outside can foretell.
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }
}

/// What is looked up. Class IN goes without saying; other classes are not kept.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// The name.
    pub name: &'a Name,
    /// The type.
    pub qtype: u16,
    /// DO: another answer than without (RFC 4035 §3.1).
    pub dnssec_ok: bool,
    /// CD: data that did not pass an upstream's validation may stand here, and only here.
    pub checking_disabled: bool,
    /// What kind of entry.
    pub kind: Kind,
}

/// A kind of entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An answer of an upstream.
    Answer,
    /// That no upstream gave an answer (RFC 9520).
    Failure,
    /// A reply that was made here.
    Reply {
        /// The fingerprint of what it was made by.
        view: u64,
    },
}

/// What is put in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Content<'a> {
    /// The response code.
    pub rcode: u16,
    /// AD.
    pub authentic: bool,
    /// AA.
    pub authoritative: bool,
    /// A number below 16 that comes back with the entry.
    pub class: u8,
    /// How many records each section has.
    pub counts: [u16; 3],
    /// The records, as they stand behind header and question.
    pub records: &'a [u8],
    /// Extended errors, as EDNS options.
    pub errors: &'a [u8],
    /// For how many seconds it is fresh. What is fresh for 0 seconds is not kept.
    pub lifetime: u32,
}

/// What was found; its octets stand in the caller's buffer, records first and then extended errors.
#[derive(Clone, Copy, Debug)]
pub struct Hit {
    /// The response code.
    pub rcode: u16,
    /// AD.
    pub authentic: bool,
    /// AA.
    pub authoritative: bool,
    /// [`Content::class`].
    pub class: u8,
    /// Where the sections end in the buffer.
    pub(crate) sections: [Section; 3],
    /// How fresh it is.
    pub age: Age,
}

/// How fresh an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// Its time is not over.
    Fresh {
        /// Seconds until it is.
        remaining: u32,
        /// It is in use and nearly over: see [`Cache::claim_renewal`].
        due: bool,
    },
    /// Its time is over. All TTLs in it are [`STALE_TTL`].
    Stale {
        /// Seconds since it is.
        past: u32,
    },
}

/// What the cache comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Entries.
    pub entries: usize,
    /// Octets.
    pub bytes: usize,
    /// Entries that had to leave for others so far.
    pub evicted: u64,
}

impl Age {
    /// For how many seconds more it may be served although its time is over, where that is fine for `serve_stale`
    /// seconds; `None` where its time is not over, or it may not.
    pub(crate) fn left_when_stale(self, serve_stale: u32) -> Option<u32> {
        match self {
            Self::Fresh { .. } => None,
            Self::Stale { past } => serve_stale.checked_sub(past).filter(|left| *left > 0),
        }
    }
}

impl Cache {
    /// A cache that takes at most `bytes` octets, but for 64 KiB at least, with unforeseeable `seed`.
    pub fn new(bytes: u64, seed: [u64; 3]) -> Self {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        let count = 1 << (bytes / SHARD).clamp(1, MOST_SHARDS).ilog2();
        let shards = (0..count).map(|_| Mutex::new(Shard::new(share(bytes, count)))).collect();
        Self { shards, names: SipHasher13::new_with_keys(seed[0], seed[1]), keys: seed[2] | 1 }
    }

    /// Whether [`Self::resize`] can give it `bytes` octets. If not, it takes a new cache.
    pub fn takes_size(&self, bytes: u64) -> bool {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        self.shards.len() == 1 || bytes / self.shards.len() >= SMALLEST_SHARD
    }

    /// Changes how much it may take, at second `now`.
    pub fn resize(&self, bytes: u64, now: u32) {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        for shard in &self.shards {
            lock(shard).resize(share(bytes, self.shards.len()), now);
        }
    }

    /// `name` ready to be looked up.
    pub fn name(&self, name: &WireName) -> Name {
        let lower = name.lowered();
        Name { hash: self.names.hash(lower.as_bytes()), lower }
    }

    /// Puts `content` in at second `now`.
    pub fn put(&self, key: &Key<'_>, content: &Content<'_>, now: u32) {
        if content.lifetime == 0 {
            return;
        }
        let (mut shard, hash) = self.shard(key);
        shard.put(hash, key, content, now);
    }

    /// What is fresh at second `now` for `key`, put behind what stands in `out`: a message's header and question.
    pub fn fresh(&self, key: &Key<'_>, now: u32, out: &mut Vec<u8>) -> Option<Hit> {
        self.copy(key, now, out, |head, _| head.remaining(now).is_ok())
    }

    /// The same of an AAAA answer, if it is the reply as it is for `view`.
    pub fn passed(&self, key: &Key<'_>, view: u64, now: u32, out: &mut Vec<u8>) -> Option<Hit> {
        self.copy(key, now, out, |head, octets| {
            let pass = head.pass(octets);
            pass.is_some_and(|pass| pass.view == view && pass.until > now) && head.remaining(now).is_ok()
        })
    }

    /// The same, fresh or not.
    pub fn any(&self, key: &Key<'_>, now: u32, out: &mut Vec<u8>) -> Option<Hit> {
        self.copy(key, now, out, |_, _| true)
    }

    /// Says that the AAAA answer for `key` is the reply as it is for `view`, for so many seconds. False where it
    /// already says so for another view, or is not there.
    pub fn pass(&self, key: &Key<'_>, view: u64, lifetime: u32, now: u32) -> bool {
        let (mut shard, hash) = self.shard(key);
        shard.pass(hash, key, Pass { view, until: now.saturating_add(lifetime) }, now)
    }

    /// Whether the caller is to renew the entry for `key`; true for one caller only, until it is put in again
    /// or that caller gives up.
    pub fn claim_renewal(&self, key: &Key<'_>) -> bool {
        let (mut shard, hash) = self.shard(key);
        let Some((head, octets)) = shard.find(hash, key) else { return false };
        entry::set_renewing(octets, true);
        !head.is_renewing()
    }

    /// The caller that was to renew the entry for `key` could not: the next one may.
    pub(crate) fn give_up_renewal(&self, key: &Key<'_>) {
        let (mut shard, hash) = self.shard(key);
        if let Some((_, octets)) = shard.find(hash, key) {
            entry::set_renewing(octets, false);
        }
    }

    /// Whether what is there for `key` is fresh at second `now`.
    pub(crate) fn is_fresh(&self, key: &Key<'_>, now: u32) -> bool {
        let (mut shard, hash) = self.shard(key);
        shard.find(hash, key).is_some_and(|(head, _)| head.remaining(now).is_ok())
    }

    /// Forgets everything about `name`, and with `subtree` about every name below; says how many entries went.
    pub fn flush(&self, name: &WireName, subtree: bool) -> usize {
        let zone = name.lowered();
        let goes = |held: &[u8]| {
            let below = WireName::parse(held).ok().and_then(|held| held.labels_below(zone.as_bytes()));
            below.is_some_and(|below| below == 0 || subtree)
        };
        self.remove_all(|head, octets| goes(head.name(octets)))
    }

    /// Forgets replies whose view is not to be kept.
    pub fn retain_views(&self, keep: impl Fn(u64) -> bool) -> usize {
        self.remove_all(|head, octets| head.view(octets).is_some_and(|view| !keep(view)))
    }

    /// Forgets all replies, and all answers and failures that are not to be kept by their records and extended errors.
    pub(crate) fn retain_answers(&self, keep: impl Fn(&[u8], &[u8]) -> bool) -> usize {
        self.remove_all(|head, octets| {
            head.is_reply() || !keep(&octets[head.records_at()], &octets[head.errors_at()])
        })
    }

    /// What it comes to.
    pub fn totals(&self) -> Totals {
        self.shards.iter().map(lock).fold(Totals::default(), |totals, shard| Totals {
            entries: totals.entries + shard.len(),
            bytes: totals.bytes + shard.bytes(),
            evicted: totals.evicted + shard.evicted(),
        })
    }

    fn remove_all(&self, mut goes: impl FnMut(&Head, &[u8]) -> bool) -> usize {
        self.shards.iter().map(|shard| lock(shard).remove_all(&mut goes)).sum()
    }

    fn copy(
        &self,
        key: &Key<'_>,
        now: u32,
        out: &mut Vec<u8>,
        wanted: impl FnOnce(&Head, &[u8]) -> bool,
    ) -> Option<Hit> {
        let start = out.len();
        let head = {
            let (mut shard, hash) = self.shard(key);
            let (head, octets) = shard.find(hash, key)?;
            if !wanted(&head, octets) {
                return None;
            }
            out.extend_from_slice(&octets[head.records_at().start..head.errors_at().end]);
            entry::used(octets);
            head
        };
        let elapsed = now.saturating_sub(head.stored);
        let age = match head.remaining(now) {
            Ok(remaining) => Age::Fresh { remaining, due: is_due(&head, remaining) },
            Err(past) => Age::Stale { past },
        };
        let sections = ttl::rewrite(out, start, head.counts(), |_, record| match age {
            Age::Fresh { .. } => record.ttl.saturating_sub(elapsed),
            Age::Stale { .. } => STALE_TTL,
        })?;
        Some(Hit {
            rcode: head.rcode(),
            authentic: head.authentic(),
            authoritative: head.authoritative(),
            class: head.class,
            sections,
            age,
        })
    }

    #[expect(clippy::cast_possible_truncation, reason = "the parts of a hash")]
    /// The shard of a key, locked, and the key's hash in it.
    ///
    /// What synthesis looks for of one name stands in one shard under hashes that differ in their last bits, so that
    /// the index has it in one place of the memory. Other types have their own places: a client chooses how many of them
    /// it asks for.
    fn shard(&self, key: &Key<'_>) -> (MutexGuard<'_, Shard>, u32) {
        let (kind, view) = match key.kind {
            Kind::Answer => (0, 0),
            Kind::Failure => (1, 0),
            Kind::Reply { view } => (2, view),
        };
        let flags = u64::from(key.dnssec_ok) << 2 | u64::from(key.checking_disabled) << 3;
        let selector = (u64::from(key.qtype) << 4 | flags | kind) ^ view.rotate_left(32);
        // The name's hash is unforeseeable; this spreads what belongs to one name.
        let own = u128::from(key.name.hash ^ selector) * u128::from(self.keys);
        let own = (own ^ own >> 64) as u64;
        let (shard, hash) = if TOGETHER.contains(&key.qtype) {
            let home = (key.name.hash >> 32) as u32 >> APART << APART;
            (key.name.hash, home | own as u32 & ((1 << APART) - 1))
        } else {
            (own, (own >> 32) as u32)
        };
        (lock(&self.shards[shard as usize & (self.shards.len() - 1)]), hash)
    }
}

fn share(bytes: usize, shards: usize) -> usize {
    bytes.max(SMALLEST_SHARD) / shards
}

fn is_due(head: &Head, remaining: u32) -> bool {
    head.lifetime >= SHORTEST_RENEWED
        && remaining.saturating_mul(RENEWAL_SHARE) <= head.lifetime
        && head.uses() > 0
        && !head.is_renewing()
}

/// A panic elsewhere leaves a shard as it was or without one entry.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
