//! What came of the attempts of one query so far, but for an answer: a rebuff that is kept for want of better, or why
//! there is nothing.

use super::Upstream;
use super::breakdown::Breakdown;
use super::select::{self, Course};
use crate::answer::{Answer, Failure, Outcome};
use crate::metrics::UpstreamFailure;

/// What came of the attempts of one query, but for an answer.
pub(super) struct Heard {
    pub(super) rebuff: Option<Answer>,
    pub(super) failure: Failure,
}

impl Default for Heard {
    fn default() -> Self {
        Self { rebuff: None, failure: Failure::Unreachable }
    }
}

impl Heard {
    /// Takes note of what came of an attempt; what is an answer comes back.
    pub(super) fn hear(
        &mut self,
        course: &mut Course,
        upstream: &Upstream,
        index: usize,
        result: Result<Answer, Breakdown>,
    ) -> Option<Answer> {
        match result {
            Ok(answer) if !select::is_rebuff(answer.rcode()) => return Some(answer),
            Ok(answer) => {
                upstream.metrics.failed(UpstreamFailure::Rebuff);
                self.rebuff.get_or_insert(answer);
                course.rebuffed(index, std::time::Instant::now());
            }
            Err(breakdown) => {
                if matches!(breakdown, Breakdown::Resources) {
                    self.failure = Failure::Resources;
                }
                course.ended(index);
            }
        }
        None
    }

    pub(super) fn outcome(self) -> Outcome {
        self.rebuff.ok_or(self.failure)
    }
}
