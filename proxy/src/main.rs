//! causeway-proxy: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::main::<proxy::App>()
}
