//! TCP throughput: streams that are as full as the path lets them be.

use super::ends::{Ends, STALLED};
use super::span;
use anyhow::{Context, Result, bail, ensure};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// Bytes per write and per read.
const CHUNK: usize = 256 << 10;

/// Which end sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The client, which connects.
    ToServer,
    /// The server.
    ToClient,
}

/// Bits of payload a second that `count` streams bring from end to end together.
///
/// # Errors
/// No connection, or a stream that stalls or breaks.
///
/// # Panics
/// Never: the threads of a stream make system calls only.
pub fn throughput(ends: Ends<'_>, count: usize, direction: Direction) -> Result<f64> {
    let streams = (0..count)
        .map(|_| {
            let [near, far] = ends.connect()?;
            Ok(match direction {
                Direction::ToServer => [near, far],
                Direction::ToClient => [far, near],
            })
        })
        .collect::<Result<Vec<[TcpStream; 2]>>>()?;
    let (moved, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let growth = thread::scope(|scope| {
        let mut threads = Vec::new();
        for [source, sink] in &streams {
            threads.push(scope.spawn(|| explain(pour(source), &over)));
            threads.push(scope.spawn(|| explain(drain(sink, &moved), &over)));
        }
        let growth = span::observe(|| Ok(moved.load(Ordering::Relaxed)));
        over.store(true, Ordering::Release);
        for end in streams.iter().flatten() {
            // One that is closed already has told its thread, whose word counts below.
            let _ = end.shutdown(Shutdown::Both);
        }
        for thread in threads {
            thread.join().expect("system calls do not panic")?;
        }
        growth
    })?;
    let [begin, end] = growth.values;
    ensure!(end > begin, "no byte came through");
    Ok(growth.a_second(end - begin) * 8.0)
}

/// Writes until the stream ends.
fn pour(mut stream: &TcpStream) -> io::Error {
    let chunk = vec![0; CHUNK];
    loop {
        if let Err(cause) = stream.write_all(&chunk) {
            return cause;
        }
    }
}

/// Reads until the stream ends, and counts.
fn drain(mut stream: &TcpStream, moved: &AtomicU64) -> io::Error {
    let mut chunk = vec![0; CHUNK];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return ErrorKind::UnexpectedEof.into(),
            Ok(length) => moved.fetch_add(length as u64, Ordering::Relaxed),
            Err(cause) => return cause,
        };
    }
}

/// A stream ends as wanted when the measurement is over, and by a fault before.
fn explain(end: io::Error, over: &AtomicBool) -> Result<()> {
    if over.load(Ordering::Acquire) {
        return Ok(());
    }
    if end.kind() == ErrorKind::WouldBlock {
        bail!("a stream stood still for {} s", STALLED.as_secs());
    }
    Err(end).context("a stream broke")
}
