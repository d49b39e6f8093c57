//! A network namespace for one test: nothing a test does to devices and routes reaches the host.

use nix::sched::{CloneFlags, unshare};

/// Runs `test` on a thread of its own in a new, empty network namespace, which ends with the thread.
///
/// Without root there is no namespace: the test says SKIPPED and passes, but fails where `CI=true` says that a skip
/// must not go unseen.
pub(crate) fn in_namespace(name: &'static str, test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(move || match unshare(CloneFlags::CLONE_NEWNET) {
        Ok(()) => {
            test();
            true
        }
        Err(errno) => {
            println!("SKIPPED {name}: no network namespace can be made ({errno}); run as root");
            false
        }
    });
    let ran = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    assert!(ran || std::env::var_os("CI").is_none_or(|ci| ci != "true"), "a skip is a failure in CI");
}

/// Runs a future on a runtime of this thread, whose sockets so belong to the namespace.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
