//! Whether a member is still there for the requests under way on a connection to it.
//!
//! RFC 9113 §6.7. Members may take PINGs for an attack: servers of gRPC close a connection for the third within five
//! minutes that finds them without a HEADERS or DATA frame to send between. So there is none while octets of any kind come
//! or no request waits for them, and behind two of them one every five minutes until a part of an answer has come.

use h2::{Ping, PingPong};
use std::cell::Cell;
use std::future::poll_fn;
use std::time::Duration;
use tokio::time;

/// A member that is silent for as long is sent a PING, and is gone if it is silent for as long again.
const BEAT: Duration = Duration::from_secs(10);
/// PINGs between two parts of answers, before they become rare.
const PINGS: u8 = 2;
/// Beats between two of those that are rare: more than five minutes.
const RARE: u32 = 31;

/// What a connection knows of its member.
#[derive(Default)]
pub(super) struct Pulse {
    /// Requests under way.
    pub(super) streams: Cell<usize>,
    /// Whether the connection broke under them, or is about to be ended.
    pub(super) cut: Cell<bool>,
    /// Whether anything has come since this was last asked.
    heard: Cell<bool>,
    /// PINGs since the last part of an answer.
    pings: Cell<u8>,
    /// Beats since the last PING.
    rested: Cell<u32>,
}

impl Pulse {
    /// Octets of any kind have come.
    pub(super) fn hears(&self) {
        self.heard.set(true);
    }

    /// A part of an answer has come.
    pub(super) fn is_answered(&self) {
        self.pings.set(0);
    }

    /// Whether it takes a PING to know; asked once in a beat.
    fn wants_ping(&self) -> bool {
        let (is_silent, rested) = (!self.heard.take(), self.rested.get().saturating_add(1));
        let may = self.pings.get() < PINGS || rested >= RARE;
        let wants = is_silent && may && self.streams.get() > 0;
        if wants {
            self.pings.set(self.pings.get().saturating_add(1));
        }
        self.rested.set(if wants { 0 } else { rested });
        wants
    }

    /// Returns when the member has left a PING unanswered.
    pub(super) async fn fades(&self, mut pings: PingPong) {
        loop {
            time::sleep(BEAT).await;
            if !self.wants_ping() {
                continue;
            }
            // A connection that takes none has ended, which its driver sees.
            if pings.send_ping(Ping::opaque()).is_err() {
                return std::future::pending().await;
            }
            // Its answer may stand behind much else.
            while time::timeout(BEAT, poll_fn(|cx| pings.poll_pong(cx))).await.is_err() {
                if !self.heard.take() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::late::LateEnd;
    use super::super::{builder, drive};
    use super::*;
    use bytes::Bytes;
    use h2::client::SendRequest;
    use std::rc::Rc;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio::task::{LocalSet, spawn_local};

    const PING: u8 = 6;
    const SETTINGS: u8 = 4;
    const ACK: u8 = 1;

    /// A member that sends its SETTINGS, counts PINGs, and answers that many of them.
    async fn member(mut stream: DuplexStream, answers: usize, pings: Rc<Cell<usize>>) {
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).await.unwrap();
        stream.write_all(&[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0]).await.unwrap();
        let mut head = [0; 9];
        while stream.read_exact(&mut head).await.is_ok() {
            let [a, b, c, kind, flags, ..] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            stream.read_exact(&mut payload).await.unwrap();
            if (kind, flags) == (PING, 0) {
                pings.set(pings.get() + 1);
                if pings.get() <= answers {
                    head[4] = ACK;
                    stream.write_all(&[&head[..], &payload].concat()).await.unwrap();
                }
            }
        }
    }

    struct Run {
        pulse: Rc<Pulse>,
        pings: Rc<Cell<usize>>,
        sender: SendRequest<Bytes>,
    }

    async fn connect(answers: usize) -> Run {
        let (near, far) = tokio::io::duplex(1 << 16);
        let (pulse, pings): (Rc<Pulse>, Rc<Cell<usize>>) = Default::default();
        spawn_local(member(far, answers, Rc::clone(&pings)));
        let (sender, connection) =
            builder(false).handshake(LateEnd::new(near, Rc::clone(&pulse))).await.unwrap();
        let driven = Rc::clone(&pulse);
        spawn_local(async move { drive(connection, &driven).await });
        Run { pulse, pings, sender }
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_call_costs_two_pings_until_a_part_of_its_answer_comes() {
        let test = async {
            let run = connect(usize::MAX).await;
            time::sleep(Duration::from_secs(3600)).await;
            assert_eq!(run.pings.get(), 0, "nobody waits");
            run.pulse.streams.set(1);
            time::sleep(Duration::from_secs(300)).await;
            assert_eq!(run.pings.get(), 2);
            run.pulse.is_answered();
            time::sleep(Duration::from_secs(300)).await;
            assert_eq!(run.pings.get(), 4);
            time::sleep(Duration::from_secs(3600)).await;
            assert!((14..=16).contains(&run.pings.get()), "one in five minutes: {}", run.pings.get());
            assert!(!run.pulse.cut.get());
        };
        LocalSet::new().run_until(test).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_that_is_heard_is_not_asked() {
        let test = async {
            let run = connect(usize::MAX).await;
            run.pulse.streams.set(1);
            for _ in 0..10 {
                run.pulse.hears();
                time::sleep(BEAT).await;
            }
            assert_eq!(run.pings.get(), 0);
        };
        LocalSet::new().run_until(test).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_whose_answer_to_a_ping_is_late_is_there_while_it_is_heard() {
        let test = async {
            let run = connect(0).await;
            run.pulse.streams.set(1);
            wait_for_ping(&run).await;
            for _ in 0..60 {
                run.pulse.hears();
                time::sleep(BEAT / 2).await;
            }
            assert!(!run.pulse.cut.get());
            time::sleep(BEAT * 2).await;
            assert!(run.pulse.cut.get(), "silent by then");
        };
        LocalSet::new().run_until(test).await;
    }

    async fn wait_for_ping(run: &Run) {
        while run.pings.get() == 0 {
            time::sleep(BEAT / 10).await;
        }
    }

    /// The request of a member that answers so many PINGs and nothing else fails within that time.
    async fn check_gone(answers: usize, within: Duration) {
        let test = async {
            let mut run = connect(answers).await;
            let (answer, _) = run.sender.send_request(http::Request::new(()), true).unwrap();
            run.pulse.streams.set(1);
            let failed = time::timeout(within, answer).await.expect("in time");
            assert!(failed.is_err() && run.pulse.cut.get(), "after {answers} PINGs");
        };
        LocalSet::new().run_until(test).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_that_leaves_a_ping_unanswered_is_gone() {
        check_gone(0, BEAT * 4).await;
        check_gone(1, BEAT * 6).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_that_dies_in_a_quiet_call_is_gone_in_minutes() {
        check_gone(2, Duration::from_secs(7 * 60)).await;
        check_gone(5, Duration::from_secs(22 * 60)).await;
    }
}
