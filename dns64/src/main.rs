//! causeway-dns64.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::main::<dns64::App>()
}
