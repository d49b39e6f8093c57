//! Many names, each asked for until it is answered: what fills a cache.
//!
//! One thread moves many datagrams with each call and sleeps while nothing comes, so that where all share the processors,
//! most of them is left for those who answer.

use super::questions;
use super::volley::{LONGEST, LOST, SOCKETS, Volley, WINDOW};
use crate::peers::batch::{self, BATCH, Inbox};
use crate::wait::PATIENCE;
use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::IoSlice;
use std::net::UdpSocket;
use std::ops::Range;
use std::os::fd::AsFd as _;
use std::thread;
use std::time::{Duration, Instant};

/// How often one question is sent at most.
const TRIES: u32 = 10;

/// How long answers gather before they are taken: to take each one would cost those who answer their processor.
const NAP: Duration = Duration::from_micros(300);

/// Milliseconds without an answer after which overdue questions are looked for.
const LOOK: u8 = 50;

/// Octets of a header, behind which the question stands (RFC 1035 §4.1.1).
const HEADER: usize = 12;

/// A question under way; its ID is the place it has among those of its socket.
struct Slot {
    query: Vec<u8>,
    asked: Instant,
    tries: u32,
}

/// A socket and its questions.
struct Line {
    socket: UdpSocket,
    slots: [Option<Slot>; WINDOW],
}

/// Asks for all `names`.
///
/// # Errors
/// One is not answered, however often it is asked.
pub(super) fn fill(volley: &Volley<'_>, names: Range<u32>) -> Result<()> {
    let mut left = names.len();
    let mut next = questions::each(names);
    let line = |_| Ok(Line { socket: volley.socket()?, slots: [const { None }; WINDOW] });
    let mut lines = (0..SOCKETS).map(line).collect::<Result<Vec<_>>>()?;
    let mut inbox = Inbox::new(BATCH, LONGEST);
    let mut heard = Instant::now();
    while left > 0 {
        let mut count = 0;
        for line in &mut lines {
            count += line.take(&mut inbox)?;
            line.ask(&mut next)?;
        }
        left -= count;
        if count > 0 {
            heard = Instant::now();
            thread::sleep(NAP);
            continue;
        }
        ensure!(heard.elapsed() < PATIENCE, "{left} names are left, and no answer comes");
        let mut ready: Vec<_> =
            lines.iter().map(|line| PollFd::new(line.socket.as_fd(), PollFlags::POLLIN)).collect();
        match poll(&mut ready, PollTimeout::from(LOOK)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).context("waiting for answers"),
        }
    }
    Ok(())
}

impl Line {
    /// Takes what has arrived, and returns how many questions that answers.
    fn take(&mut self, inbox: &mut Inbox) -> Result<usize> {
        match inbox.take(&self.socket) {
            Ok(replies) => Ok(replies.filter(|reply| settle(&mut self.slots, reply)).count()),
            Err(Errno::EAGAIN) => Ok(0),
            Err(errno) => Err(errno).context("taking answers"),
        }
    }

    /// Sends the next questions from all free places, and once more those that are overdue.
    fn ask(&mut self, next: &mut impl Iterator<Item = Result<Vec<u8>>>) -> Result<()> {
        let now = Instant::now();
        let mut due = Vec::new();
        for (id, place) in (0_u16..).zip(&mut self.slots) {
            if place.is_none() {
                let Some(query) = next.next() else { continue };
                let mut query = query?;
                query[..2].copy_from_slice(&id.to_be_bytes());
                *place = Some(Slot { query, asked: now, tries: 0 });
            }
            let Some(slot) = place else { continue };
            if slot.tries == 0 || now.duration_since(slot.asked) > LOST {
                ensure!(slot.tries < TRIES, "asked {TRIES} times and not answered: {:02x?}", slot.query);
                (slot.asked, slot.tries) = (now, slot.tries + 1);
                due.push(IoSlice::new(&slot.query));
            }
        }
        if !due.is_empty() {
            // What does not leave is overdue later.
            batch::send(&self.socket, &due).context("asking")?;
        }
        Ok(())
    }
}

/// Whether this answers a question under way, which then is none. An error is no answer: the question is asked again.
fn settle(slots: &mut [Option<Slot>], reply: &[u8]) -> bool {
    let Some(id) = reply.first_chunk().map(|id| u16::from_be_bytes(*id)) else { return false };
    let Some(place) = slots.get_mut(usize::from(id)) else { return false };
    let asked = |slot: &Slot| reply.get(HEADER..slot.query.len()) == slot.query.get(HEADER..);
    let settled = questions::is_answer(reply) && place.as_ref().is_some_and(asked);
    if settled {
        *place = None;
    }
    settled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_answer_to_the_question_settles_it() {
        let queries = questions::messages(0..2).unwrap();
        let slot = |query: &Vec<u8>| Some(Slot { query: query.clone(), asked: Instant::now(), tries: 1 });
        let mut slots = [None, slot(&queries[0])];
        let reply = |query: &Vec<u8>, id: u8, code: u8| {
            let mut reply = query.clone();
            reply[..4].copy_from_slice(&[0, id, 0x81, 0x80 | code]);
            reply[7] = 1;
            reply
        };
        assert!(!settle(&mut slots, &reply(&queries[1], 1, 0)), "of another name");
        assert!(!settle(&mut slots, &reply(&queries[0], 0, 0)), "of another place");
        assert!(!settle(&mut slots, &reply(&queries[0], 1, 2)), "an error");
        assert!(settle(&mut slots, &reply(&queries[0], 1, 0)));
        assert!(!settle(&mut slots, &reply(&queries[0], 1, 0)), "a second time");
    }
}
