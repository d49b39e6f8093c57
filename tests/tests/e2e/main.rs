//! End-to-end tests: real kernels, real programs, the real daemons, in labs made of network namespaces.
//!
//! The harness is the crate's own because `main` must enter the sandbox before any thread exists, and because a
//! test that cannot run here says `SKIPPED` and why; in CI (`CI=true`) that is a failure.

mod checks;
mod clat;
mod cleanup;
mod clients;
mod dns64_oracle;
mod documents;
mod faults;
mod garbage;
mod nat64_faults;
mod network;
mod oracle;
mod order;
mod peers;
mod rootless;
mod stage;
mod startup;
mod tayga;
mod traffic;

use libtest_mimic::Arguments;
use stage::Stage;
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let stage = match if arguments.list { Ok(Stage::unused()) } else { Stage::set() } {
        Ok(stage) => stage,
        Err(cause) => {
            let _ = writeln!(io::stderr(), "{cause:#}");
            return ExitCode::FAILURE;
        }
    };
    let themes = [
        network::trials,
        checks::trials,
        clients::trials,
        clat::trials,
        documents::trials,
        startup::trials,
        tayga::trials,
        faults::trials,
        garbage::trials,
        nat64_faults::trials,
        oracle::trials,
        dns64_oracle::trials,
        order::trials,
        peers::trials,
        cleanup::trials,
        rootless::trials,
    ];
    let trials = themes.iter().flat_map(|theme| theme(&stage)).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    stage.clear();
    conclusion.exit_code()
}
