//! Messages to the service manager: sent at once where its socket has room, and in order as soon as it has otherwise.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::env;
use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Where the manager listens: a path, or behind `@` a name of the abstract namespace.
const VARIABLE: &str = "NOTIFY_SOCKET";

/// Messages that may wait; a manager that is this far behind is not coming back.
const MOST: usize = 64;

/// What waits for the manager, oldest first.
#[derive(Debug)]
pub(super) struct Outbox {
    waiting: Mutex<VecDeque<String>>,
    stuck: Notify,
}

impl Outbox {
    pub(super) const fn new() -> Self {
        Self { waiting: Mutex::new(VecDeque::new()), stuck: Notify::const_new() }
    }

    /// Sends `message` behind all that waits, or lets it wait. Without a manager there is nothing to do.
    pub(super) fn post(&self, message: String) {
        let Some(manager) = env::var_os(VARIABLE) else { return };
        if !self.submit(message, |message| connect(&manager)?.send(message.as_bytes()).map(drop)) {
            self.stuck.notify_one();
        }
    }

    /// Sends `message` unless it would have to wait; then nobody gets it.
    pub(super) fn post_now(&self, message: &str) {
        let Some(manager) = env::var_os(VARIABLE) else { return };
        self.submit_now(message, |message| connect(&manager)?.send(message.as_bytes()).map(drop));
    }

    /// Delivers what waits whenever the manager takes more, for as long as it is polled.
    pub(super) async fn deliver(&self) -> Infallible {
        loop {
            self.stuck.notified().await;
            let Some(manager) = env::var_os(VARIABLE) else { continue };
            loop {
                // A socket of its own each time, since readiness is told once.
                let writable =
                    async { tokio::net::UnixDatagram::from_std(connect(&manager)?)?.writable().await };
                // Without a manager at the other end the next attempt says so, and gives the messages up.
                let _ = writable.await;
                if self.send(|message| connect(&manager)?.send(message.as_bytes()).map(drop)) {
                    break;
                }
            }
        }
    }

    /// Puts `message` behind what waits and sends as much as goes; true where nothing is left.
    fn submit(&self, message: String, send: impl FnMut(&str) -> io::Result<()>) -> bool {
        let mut waiting = self.waiting();
        if waiting.len() >= MOST {
            tracing::debug!("the service manager takes no messages: one is lost");
            return false;
        }
        waiting.push_back(message);
        drop(waiting);
        self.send(send)
    }

    /// Sends `message` if nothing waits, and keeps it in no case.
    fn submit_now(&self, message: &str, send: impl FnOnce(&str) -> io::Result<()>) {
        let waiting = self.waiting();
        if waiting.is_empty()
            && let Err(error) = send(message)
        {
            tracing::debug!(%error, "cannot reach the service manager at once");
        }
    }

    /// Sends what waits until `send` has no room; true where nothing is left. What cannot be sent at all is given up.
    fn send(&self, mut send: impl FnMut(&str) -> io::Result<()>) -> bool {
        let mut waiting = self.waiting();
        while let Some(message) = waiting.front() {
            match send(message) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) => tracing::debug!(%error, "cannot reach the service manager"),
                Ok(()) => {}
            }
            waiting.pop_front();
        }
        true
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket towards the manager that does not wait for it.
fn connect(manager: &OsString) -> io::Result<UnixDatagram> {
    let address = match manager.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(manager)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_waits_and_goes_first() {
        let (outbox, mut sent) = (Outbox::new(), Vec::new());
        let mut full = |_: &str| Err(io::ErrorKind::WouldBlock.into());
        assert!(!outbox.submit("one".to_owned(), &mut full));
        assert!(!outbox.submit("two".to_owned(), &mut full) && !outbox.waiting().is_empty());
        let mut room = |message: &str| {
            sent.push(message.to_owned());
            Ok(())
        };
        assert!(outbox.submit("three".to_owned(), &mut room) && outbox.waiting().is_empty());
        assert_eq!(sent, ["one", "two", "three"]);
    }

    #[test]
    fn what_has_no_sense_later_goes_at_once_or_not_at_all() {
        let (outbox, mut sent) = (Outbox::new(), Vec::new());
        let full = |_: &str| Err(io::ErrorKind::WouldBlock.into());
        outbox.submit_now("late", full);
        assert!(outbox.waiting().is_empty(), "a full socket keeps nothing for later");
        assert!(!outbox.submit("kept".to_owned(), full));
        outbox.submit_now("overtaking", |_| unreachable!("something waits"));
        let mut room = |message: &str| {
            sent.push(message.to_owned());
            Ok(())
        };
        assert!(outbox.send(&mut room));
        outbox.submit_now("prompt", room);
        assert_eq!(sent, ["kept", "prompt"]);
    }

    #[test]
    fn what_nobody_takes_is_given_up_and_no_more_is_kept_than_anyone_reads() {
        let outbox = Outbox::new();
        assert!(outbox.submit("lost".to_owned(), |_| Err(io::ErrorKind::ConnectionRefused.into())));
        assert!(outbox.waiting().is_empty());
        for _ in 0..MOST + 5 {
            outbox.submit("kept".to_owned(), |_| Err(io::ErrorKind::WouldBlock.into()));
        }
        assert_eq!(outbox.waiting().len(), MOST);
    }
}
