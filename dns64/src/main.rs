//! causeway-dns64.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The one library of ciphers: TLS without a word about it finds this one.
    let installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    debug_assert!(installed.is_ok(), "nothing installs one before");
    service::main::<dns64::App>()
}
