//! causeway-proxy: see the library.

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// A connection that waits is four small pieces, half of them aligned to 128 bytes: 1,170 bytes in all, and 1,600 with the
/// system's allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    service::main::<proxy::App>()
}
