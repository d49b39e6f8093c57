//! The checks of `cargo lab`, each as a test, in the lab that all of them share.

use crate::stage::{Stage, keeping_captures, trial};
use libtest_mimic::Trial;
use std::sync::Arc;
use tests::check::CHECKS;

pub(crate) fn trials(stage: &Arc<Stage>) -> Vec<Trial> {
    let make = |check: &'static tests::check::Check| {
        let name = check.name().replace(' ', "_").replace('\'', "");
        let label = name.clone();
        trial(stage, "checks", &name, move |stage| {
            let lab = stage.shared_lab()?;
            keeping_captures(&lab, &label, || (check.run)(&lab).map(drop))
        })
    };
    CHECKS.iter().map(make).collect()
}
