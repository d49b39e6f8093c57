//! causeway-dns64.

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// A question that goes upstream takes many small pieces of memory for as long as it lasts, on one thread.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    // The one library of ciphers: TLS without a word about it finds this one.
    let installed = rustls::crypto::CryptoProvider::clone(&service::tls::provider()).install_default();
    debug_assert!(installed.is_ok(), "nothing installs one before");
    service::main::<dns64::App>()
}
