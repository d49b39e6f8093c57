//! What came of the attempts of one query so far: an answer and whose it is, a rebuff that is kept for want of better,
//! or why there is nothing.

use super::Upstream;
use super::breakdown::Breakdown;
use super::select::{self, Course};
use crate::answer::{Answer, Failure, Outcome};
use crate::metrics::UpstreamFailure;
use std::sync::Arc;

/// What came of asking.
#[derive(Debug)]
pub struct Asked {
    /// The outcome.
    pub outcome: Outcome,
    /// Whose answer it is; `None` where nobody gave one.
    pub by: Option<Arc<Upstream>>,
}

impl Asked {
    pub(super) fn failed(failure: Failure) -> Self {
        Self { outcome: Err(failure), by: None }
    }
}

/// What came of the attempts of one query, but for an answer.
pub(super) struct Heard {
    pub(super) rebuff: Option<(Answer, Arc<Upstream>)>,
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
        upstream: &Arc<Upstream>,
        index: usize,
        result: Result<Answer, Breakdown>,
    ) -> Option<Answer> {
        match result {
            Ok(answer) if !select::is_rebuff(answer.rcode()) => return Some(answer),
            Ok(answer) => {
                upstream.metrics.failed(UpstreamFailure::Rebuff);
                self.rebuff.get_or_insert_with(|| (answer, Arc::clone(upstream)));
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

    pub(super) fn outcome(self) -> Asked {
        match self.rebuff {
            Some((answer, by)) => Asked { outcome: Ok(answer), by: Some(by) },
            None => Asked::failed(self.failure),
        }
    }
}
