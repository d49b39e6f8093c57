//! causeway-proxy: see the library.

use mimalloc::MiMalloc;
use nix::sys::prctl::set_thp_disable;
use std::process::ExitCode;

/// A connection that waits is four small pieces, half of them aligned to 128 bytes: 1,170 bytes in all, and 1,600 with the
/// system's allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    // A huge page stays whole for the sake of one small piece in it, and most of what many connections have had with it.
    // A kernel that knows no huge pages has nothing to switch off.
    let _ = set_thp_disable(true);
    service::main::<proxy::App>()
}
