//! The steps of an explanation: what was looked at and what was found.

use crate::mtu::Fit;
use crate::verdict::DropReason;

/// One thing that the translator looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it is: a word or two, the same for every packet.
    pub topic: &'static str,
    /// What is found.
    pub text: String,
    /// Why the packet goes no further, if this is where it is refused.
    pub refused: Option<DropReason>,
}

/// The steps of a packet as they are found.
#[derive(Debug, Default)]
pub(super) struct Steps {
    pub(super) found: Vec<Step>,
}

/// Topics of steps.
pub(super) mod topic {
    pub(in crate::explain) const PACKET: &str = "packet";
    pub(in crate::explain) const ADDRESSES: &str = "addresses";
    pub(in crate::explain) const HEADERS: &str = "headers";
    pub(in crate::explain) const DESTINATION: &str = "destination";
    pub(in crate::explain) const TRANSPORT: &str = "transport";
    pub(in crate::explain) const QUOTED: &str = "quoted";
    pub(in crate::explain) const HOP_LIMIT: &str = "hop limit";
    pub(in crate::explain) const SIZE: &str = "size";
    pub(in crate::explain) const SOURCE: &str = "source";
}

impl Steps {
    /// Something was found.
    pub(super) fn say(&mut self, topic: &'static str, text: impl Into<String>) {
        self.found.push(Step { topic, text: text.into(), refused: None });
    }

    /// The packet goes no further.
    pub(super) fn refuse<T>(&mut self, topic: &'static str, reason: DropReason) -> Option<T> {
        self.found.push(Step { topic, text: reason.meaning().to_owned(), refused: Some(reason) });
        None
    }

    /// What was found, or the refusal.
    pub(super) fn check<T>(
        &mut self,
        topic: &'static str,
        found: Result<T, DropReason>,
        say: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        match found {
            Ok(found) => {
                self.say(topic, say(&found));
                Some(found)
            }
            Err(reason) => self.refuse(topic, reason),
        }
    }

    /// Only the refusal.
    pub(super) fn pass<T>(&mut self, topic: &'static str, found: Result<T, DropReason>) -> Option<T> {
        match found {
            Ok(found) => Some(found),
            Err(reason) => self.refuse(topic, reason),
        }
    }

    /// What is left of the hop limit.
    pub(super) fn hop_limit(&mut self, left: u8) -> Option<()> {
        if left <= 1 {
            return self.refuse(topic::HOP_LIMIT, DropReason::HopLimit);
        }
        self.say(topic::HOP_LIMIT, format!("{left} on arrival, {} when it leaves", left - 1));
        Some(())
    }

    /// What the Maximum Segment Size that a packet announces is held to.
    pub(super) fn mss(&mut self, limit: Option<u16>) {
        if let Some(limit) = limit {
            self.say(topic::TRANSPORT, format!("a maximum segment size above {limit} is lowered to that"));
        }
    }

    /// Whether a packet of `size` bytes fits a link of `mtu` bytes.
    pub(super) fn size(&mut self, fit: Fit, size: usize, mtu: usize) -> Option<()> {
        let text = format!("{size} bytes when it leaves, towards an MTU of {mtu}");
        match fit {
            Fit::Whole => self.say(topic::SIZE, text),
            Fit::Segments(data) => {
                self.say(topic::SIZE, format!("{text}: cut into segments of {data} bytes of data"));
            }
            Fit::Fragments(limit) => {
                self.say(topic::SIZE, format!("{text}: cut into fragments of at most {limit} bytes"));
            }
            Fit::TooBig(told) => {
                let text =
                    format!("{text}, and it must not be fragmented: its sender may send {told} at most");
                self.found.push(Step { topic: topic::SIZE, text, refused: Some(DropReason::TooBig) });
                return None;
            }
        }
        Some(())
    }
}
