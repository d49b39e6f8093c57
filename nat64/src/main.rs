//! The NAT64 daemon's program.

use nat64::App;
use std::process::ExitCode;

fn main() -> ExitCode {
    service::main::<App>()
}
