//! One part of the cache: entries in chunks, an index over them, and a bound in octets.
//!
//! Entries are written one behind the other into chunks, so that one costs its octets and nothing for an allocator.
//! Chunks stand in two queues, as S3-FIFO has it: young entries, of which those that nobody asks for again leave first, so
//! that a scan passes through a tenth of the room; and settled ones, which go round once more for each recent use.
//! What left young is remembered by 16 bits of hash for a while, and settles at once when it comes back.

use super::entry::{self, Head, Pass, UNIT};
use super::index::Index;
use super::{Content, Key};
use std::collections::VecDeque;

/// Octets of a chunk, and so of the largest entry.
pub(super) const CHUNK: usize = 8 << 10;

/// What a chunk costs beside its octets: its allocation, and its places in queue and table.
const CHUNK_COST: usize = CHUNK + 64;

/// The part of the room that is for young entries.
const YOUNG_SHARE: usize = 10;

/// Chunks that may be emptied for one new entry, and after how many of them recent use no longer counts.
const MOST_EVICTED: usize = 64;
const PATIENCE: usize = 16;

/// Octets of room for each remembered hash: about one for each entry that the shard can hold.
const ROOM_PER_GHOST: usize = 128;

/// The part of the cache that some hashes belong to.
#[derive(Debug, Default)]
pub(super) struct Shard {
    room: usize,
    index: Index,
    chunks: Vec<Chunk>,
    /// Chunks without octets.
    spare: Vec<usize>,
    queues: [VecDeque<usize>; 2],
    ghosts: Vec<u16>,
    evicted: u64,
}

/// Entries, one behind the other.
#[derive(Debug, Default)]
struct Chunk {
    octets: Box<[u8]>,
    used: usize,
}

/// The queue that a chunk stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Queue {
    Young,
    Settled,
}

impl Shard {
    /// A shard that takes at most `room` octets.
    pub(super) fn new(room: usize) -> Self {
        let ghosts = vec![0; room / ROOM_PER_GHOST];
        Self { room, ghosts, ..Self::default() }
    }

    /// Entries in it.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Octets that it takes.
    pub(super) fn bytes(&self) -> usize {
        let chunks = self.chunks.len() - self.spare.len();
        size_of::<Self>() + size_of_val(&self.ghosts[..]) + self.index.bytes() + chunks * CHUNK_COST
    }

    /// Entries that had to leave for others.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Changes how much it may take.
    pub(super) fn resize(&mut self, room: usize, now: u32) {
        self.room = room;
        self.ghosts = vec![0; room / ROOM_PER_GHOST];
        while self.bytes() > self.room && self.evict(now, true) {}
    }

    /// The octets of the entry for `key`, with its head.
    pub(super) fn find(&mut self, hash: u32, key: &Key<'_>) -> Option<(Head, &mut [u8])> {
        let place = self.locate(hash, key)?;
        let octets = self.at(place);
        Some((Head::read(octets), octets))
    }

    /// Puts an entry in, in place of what its key has. One that is too large is left out.
    pub(super) fn put(&mut self, hash: u32, key: &Key<'_>, content: &Content<'_>, now: u32) {
        let Some(head) = Head::new(hash, key, content, now).filter(|head| head.size() <= CHUNK) else {
            return;
        };
        let mut queue = if self.take_ghost(hash) { Queue::Settled } else { Queue::Young };
        if let Some(place) = self.locate(hash, key) {
            let octets = self.at(place);
            let old = Head::read(octets);
            if head.size() <= old.size() {
                entry::write(octets, &head.widened(old.size()), key, content);
                entry::set_uses(octets, old.uses());
                return;
            }
            entry::bury(octets);
            self.index.remove(hash, place);
            if old.uses() > 0 {
                queue = Queue::Settled;
            }
        }
        if !self.make_room(queue, head.size(), now) {
            return;
        }
        self.index.grow();
        if let Some(place) = self.append(queue, head.size()) {
            entry::write(self.at(place), &head, key, content);
            self.index.insert(hash, place);
        }
    }

    /// Takes out every entry that `goes`; says how many. The closure gets the head, the name and the view.
    pub(super) fn remove_all(&mut self, mut goes: impl FnMut(&Head, &[u8]) -> bool) -> usize {
        let mut removed = 0;
        for (number, chunk) in self.chunks.iter_mut().enumerate() {
            let mut at = 0;
            while at < chunk.used {
                let octets = &mut chunk.octets[at..];
                let head = Head::read(octets);
                if !head.is_dead() && goes(&head, octets) {
                    entry::bury(octets);
                    self.index.remove(head.hash, place(number, at));
                    removed += 1;
                }
                at += head.size();
            }
        }
        removed
    }

    /// Says for whom an AAAA answer is the reply as it is, unless it says so for another.
    pub(super) fn pass(&mut self, hash: u32, key: &Key<'_>, pass: Pass, now: u32) -> bool {
        let Some((head, octets)) = self.find(hash, key) else { return false };
        let Some(taken) = head.pass(octets) else { return false };
        if taken.view != pass.view && taken.until > now {
            return false;
        }
        entry::set_pass(octets, pass);
        true
    }

    fn locate(&self, hash: u32, key: &Key<'_>) -> Option<u32> {
        self.index.find(hash, |place| {
            let (number, at) = position(place);
            let octets = &self.chunks[number].octets[at..];
            Head::read(octets).is(key, octets)
        })
    }

    fn at(&mut self, place: u32) -> &mut [u8] {
        let (number, at) = position(place);
        &mut self.chunks[number].octets[at..]
    }

    /// Makes sure that an entry of `size` octets can be added; false where the room is too small for that.
    fn make_room(&mut self, queue: Queue, size: usize, now: u32) -> bool {
        for emptied in 0..MOST_EVICTED {
            let chunk = if self.fits(queue, size) { 0 } else { CHUNK_COST };
            // A chunk's worth is left over, for what survives when another is emptied.
            if self.bytes() + chunk + CHUNK_COST + self.index.growth() <= self.room {
                return true;
            }
            if !self.evict(now, emptied >= PATIENCE) {
                return false;
            }
        }
        false
    }

    /// Whether `size` octets fit into the last chunk of `queue`.
    fn fits(&self, queue: Queue, size: usize) -> bool {
        let last = self.queues[queue as usize].back();
        last.is_some_and(|number| self.chunks[*number].used + size <= CHUNK)
    }

    /// A place at the end of `queue`.
    fn append(&mut self, queue: Queue, size: usize) -> Option<u32> {
        if !self.fits(queue, size) {
            let number = self.spare.pop().unwrap_or_else(|| {
                self.chunks.push(Chunk::default());
                self.chunks.len() - 1
            });
            self.chunks[number].octets = vec![0; CHUNK].into_boxed_slice();
            self.queues[queue as usize].push_back(number);
        }
        let number = *self.queues[queue as usize].back()?;
        let at = self.chunks[number].used;
        self.chunks[number].used += size;
        Some(place(number, at))
    }

    /// Empties the oldest chunk of the queue that has more than its share; false where there is none. What was used
    /// lately and may be used again goes on, unless `all` must go.
    fn evict(&mut self, now: u32, all: bool) -> bool {
        let young = self.queues[Queue::Young as usize].len();
        let settled = self.queues[Queue::Settled as usize].len();
        let queue = if young * YOUNG_SHARE >= young + settled || settled == 0 {
            Queue::Young
        } else {
            Queue::Settled
        };
        let Some(number) = self.queues[queue as usize].pop_front() else { return false };
        let old = std::mem::take(&mut self.chunks[number]);
        self.spare.push(number);
        let mut at = 0;
        while at < old.used {
            let octets = &old.octets[at..];
            let head = Head::read(octets);
            let from = place(number, at);
            at += head.size();
            if head.is_dead() {
                continue;
            }
            self.index.remove(head.hash, from);
            if all || head.uses() == 0 || head.remaining(now).is_err_and(|past| past > head.lifetime) {
                self.evicted += 1;
                if queue == Queue::Young {
                    self.leave_ghost(head.hash);
                }
                continue;
            }
            let uses = if queue == Queue::Young { 0 } else { head.uses() - 1 };
            self.settle(&octets[..head.size()], &head, uses);
        }
        true
    }

    /// Moves an entry to the end of the settled ones.
    fn settle(&mut self, octets: &[u8], head: &Head, uses: u8) {
        if let Some(to) = self.append(Queue::Settled, octets.len()) {
            let copy = self.at(to);
            copy[..octets.len()].copy_from_slice(octets);
            entry::set_uses(copy, uses);
            self.index.insert(head.hash, to);
        }
    }

    fn leave_ghost(&mut self, hash: u32) {
        if let Some(ghost) = self.ghost(hash) {
            *ghost = mark(hash);
        }
    }

    /// Whether the hash left young lately; it is forgotten.
    fn take_ghost(&mut self, hash: u32) -> bool {
        let known = self.ghost(hash).filter(|ghost| **ghost == mark(hash));
        known.map(|ghost| *ghost = 0).is_some()
    }

    fn ghost(&mut self, hash: u32) -> Option<&mut u16> {
        let at = (hash as usize).checked_rem(self.ghosts.len())?;
        self.ghosts.get_mut(at)
    }
}

/// What a hash is remembered by; never 0, which is nobody.
fn mark(hash: u32) -> u16 {
    let [high, low, ..] = hash.to_be_bytes();
    u16::from_be_bytes([high, low]) | 1
}

/// The place of the entry that starts at octet `at` of chunk `number`.
fn place(number: usize, at: usize) -> u32 {
    u32::try_from((number * CHUNK + at) / UNIT).unwrap_or(u32::MAX - 1)
}

fn position(place: u32) -> (usize, usize) {
    let octet = place as usize * UNIT;
    (octet / CHUNK, octet % CHUNK)
}
