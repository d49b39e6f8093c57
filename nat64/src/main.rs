//! The NAT64 daemon's program; under the name `tayga` it takes Tayga's place.

use nat64::{App, compat};
use std::process::ExitCode;

fn main() -> ExitCode {
    if compat::is_called() { compat::main() } else { service::main::<App>() }
}
