//! Ctrl-C and SIGTERM: the first asks for an orderly end, the second ends at once.

use crate::folder;
use anyhow::Result;
use nix::sys::signal::{SigSet, Signal};
use std::process;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

/// What a shell reports of a program that Ctrl-C ended.
const STATUS: i32 = 130;

/// Whether somebody asked for the end.
#[derive(Clone)]
pub struct Interrupt {
    asked: Arc<(Mutex<bool>, Condvar)>,
}

impl Interrupt {
    /// Takes over the signals that ask a program to end. To be called before any other thread is made, for all
    /// threads to leave them to this one.
    pub fn watch() -> Result<Self> {
        let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
        signals.thread_block()?;
        let interrupt = Self { asked: Arc::default() };
        let told = interrupt.clone();
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            while signals.wait().is_err() {}
            told.ask();
            while signals.wait().is_err() {}
            // Programs and namespaces go with the process; only the folder would stay.
            folder::remove_own();
            process::exit(STATUS);
        })?;
        Ok(interrupt)
    }

    /// Whether the end was asked for.
    pub fn asked(&self) -> bool {
        *self.asked.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is.
    pub fn wait(&self) {
        let (asked, change) = &*self.asked;
        let asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
        drop(change.wait_while(asked, |asked| !*asked));
    }

    /// Asks for the end in the place of somebody at the keyboard.
    pub fn ask(&self) {
        let (asked, change) = &*self.asked;
        *asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
        change.notify_all();
    }
}
