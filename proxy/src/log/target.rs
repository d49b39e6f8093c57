//! Where lines go: standard output, or a socket of syslog, which is opened again when it breaks.
//!
//! Writing blocks the thread that does it for as long as the receiver takes no more, up to [`PATIENCE`] for a datagram.

use super::lines::Lines;
use crate::shortage::is_shortage;
use crate::udp::outbox::{self, Letter, Sent};
use config::model::LogTarget;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg};
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::thread;
use std::time::{Duration, Instant};

/// How long a datagram may wait for room.
const PATIENCE: Duration = Duration::from_secs(1);
/// Datagrams handed to the kernel at one go.
const BATCH: usize = 64;
/// Lines sent within [`PAUSE`] by UDP: a receiver's buffer, as it comes, has room for some more, and what finds none is lost.
const BURST: usize = 128;
/// How long a receiver has for a burst.
const PAUSE: Duration = Duration::from_micros(250);
/// What a pipe takes at one go or not at all (pipe(7)): lines of others that write to it do not come in between.
const CHUNK: usize = 4096;

/// What has not left, and the last reason.
#[derive(Debug)]
pub(super) struct Loss {
    /// Lines that are lost. Those that an earlier call handed on last may be among them, so that there may be more than this
    /// call was given.
    pub(super) lines: usize,
    /// Whether those that were not handed on may be in a while: there is no file to open the receiver with.
    pub(super) waits: bool,
    pub(super) error: io::Error,
}

/// Why lines could not be handed on.
enum Trouble {
    Opening(io::Error),
    Writing(io::Error),
}

impl Trouble {
    const fn error(&self) -> &io::Error {
        let (Self::Opening(error) | Self::Writing(error)) = self;
        error
    }

    fn into_error(self) -> io::Error {
        let (Self::Opening(error) | Self::Writing(error)) = self;
        error
    }

    /// Whether opening anew may help: the receiver was started again, or the addresses of this machine have changed.
    fn is_broken(&self) -> bool {
        let full = [Errno::EAGAIN, Errno::ENOBUFS, Errno::ENOSPC];
        !self.error().raw_os_error().is_some_and(|error| full.contains(&Errno::from_raw(error)))
    }

    fn waits(&self) -> bool {
        matches!(self, Self::Opening(error) if is_shortage(error))
    }
}

/// A receiver of lines.
#[derive(Debug)]
pub(super) struct Target {
    to: LogTarget,
    /// None: it is to be opened with the next line.
    open: Option<Open>,
}

#[derive(Debug)]
enum Open {
    File(File),
    Unix(Socket),
    Udp(Socket, Burst),
}

/// What was sent of late.
#[derive(Debug)]
struct Burst {
    began: Instant,
    lines: usize,
    /// Lines of the last datagram that was handed over.
    last: usize,
}

impl Burst {
    /// How many lines may follow, after a pause if this burst is over.
    fn room(&mut self) -> usize {
        let spent = self.began.elapsed();
        if self.lines >= BURST && spent < PAUSE {
            thread::sleep(PAUSE.saturating_sub(spent));
        }
        if self.lines >= BURST || spent >= PAUSE {
            (self.began, self.lines) = (Instant::now(), 0);
        }
        BURST - self.lines
    }

    fn sent(&mut self, sent: Sent) {
        self.lines += sent.count;
        self.last = sent.together;
    }
}

impl Target {
    pub(super) const fn new(to: LogTarget) -> Self {
        Self { to, open: None }
    }

    /// Hands on the lines behind the first `taken`, and counts them there. What breaks is opened again once.
    pub(super) fn write(&mut self, lines: &Lines, taken: &mut usize) -> Result<(), Loss> {
        let Err(first) = self.write_from(lines, taken) else { return Ok(()) };
        // Of a datagram before: this host has learned since that nobody listens there.
        let refused = match self.open.take() {
            Some(Open::Udp(_, burst)) if first.error().kind() == io::ErrorKind::ConnectionRefused => {
                burst.last
            }
            Some(_) | None => 0,
        };
        let again = if first.is_broken() { self.write_from(lines, taken) } else { Err(first) };
        let trouble = match again {
            Ok(()) if refused == 0 => return Ok(()),
            Ok(()) => Trouble::Writing(io::ErrorKind::ConnectionRefused.into()),
            Err(trouble) => {
                self.open = None;
                trouble
            }
        };
        let waits = trouble.waits();
        let left = if waits { 0 } else { lines.len() - *taken };
        Err(Loss { lines: left + refused, waits, error: trouble.into_error() })
    }

    /// Hands on the lines behind the first `taken`, and counts them there.
    fn write_from(&mut self, lines: &Lines, taken: &mut usize) -> Result<(), Trouble> {
        let open = match self.open.take() {
            Some(open) => open,
            None => Open::new(&self.to).map_err(Trouble::Opening)?,
        };
        let open = self.open.insert(open);
        while *taken < lines.len() {
            *taken = open.write(lines, *taken).map_err(Trouble::Writing)?;
        }
        Ok(())
    }
}

impl Open {
    fn new(to: &LogTarget) -> io::Result<Self> {
        let (domain, address) = match to {
            // A handle of its own: the lock of the standard one is held by whoever waits for a reader.
            LogTarget::Stdout => return Ok(Self::File(io::stdout().as_fd().try_clone_to_owned()?.into())),
            LogTarget::Udp(address) => (Domain::for_address(*address), SockAddr::from(*address)),
            LogTarget::Unix(path) => (Domain::UNIX, SockAddr::unix(path)?),
        };
        let socket = Socket::new(domain, Type::DGRAM, None)?;
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.connect(&address)?;
        Ok(match to {
            LogTarget::Udp(_) => Self::Udp(socket, Burst { began: Instant::now(), lines: 0, last: 0 }),
            LogTarget::Stdout | LogTarget::Unix(_) => Self::Unix(socket),
        })
    }

    /// Hands on lines from this place on and says where it got to.
    fn write(&mut self, lines: &Lines, from: usize) -> io::Result<usize> {
        match self {
            Self::File(file) => {
                let (chunk, to) = lines.chunk(from, CHUNK);
                file.write_all(chunk).map(|()| to)
            }
            Self::Unix(socket) => send(socket, lines, from),
            Self::Udp(socket, burst) => {
                let to = lines.len().min(from + burst.room());
                let sent = send_together(socket, lines.each(from..to))?;
                burst.sent(sent);
                Ok(from + sent.count)
            }
        }
    }
}

/// Sends a datagram for each line, those of one length through the network stack as one.
fn send_together<'a>(socket: &Socket, lines: impl Iterator<Item = &'a [u8]>) -> io::Result<Sent> {
    let letters: Vec<Letter<'_>> = lines.map(Letter::of).collect();
    loop {
        let sent = outbox::send(socket.as_fd(), &letters);
        match sent.cause {
            Some(Errno::EAGAIN) if sent.count == 0 => wait_for_room(socket)?,
            Some(errno) if sent.count == 0 => return Err(errno.into()),
            Some(_) | None => return Ok(sent),
        }
    }
}

fn wait_for_room(socket: &Socket) -> io::Result<()> {
    let patience = PollTimeout::try_from(PATIENCE).map_err(io::Error::other)?;
    match poll(&mut [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)], patience) {
        Ok(0) => Err(Errno::EAGAIN.into()),
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn send(socket: &Socket, lines: &Lines, from: usize) -> io::Result<usize> {
    let to = lines.len().min(from + BATCH);
    let slices: Vec<[IoSlice<'_>; 1]> = lines.each(from..to).map(|line| [IoSlice::new(line)]).collect();
    let nowhere: Vec<Option<SockaddrStorage>> = vec![None; slices.len()];
    let mut headers = MultiHeaders::preallocate(slices.len(), None);
    let sent = sendmmsg(socket.as_raw_fd(), &mut headers, &slices, nowhere, [], MsgFlags::MSG_NOSIGNAL)?;
    Ok(from + sent.count())
}

#[cfg(test)]
mod tests {
    use super::super::Desk;
    use super::super::writer::Writer;
    use super::*;
    use std::net::UdpSocket;
    use std::os::unix::net::UnixDatagram;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    fn lines(texts: &[String]) -> Lines {
        let mut lines = Lines::default();
        for text in texts {
            lines.add(|out| out.extend_from_slice(text.as_bytes()));
        }
        lines
    }

    fn lost(target: &mut Target, lines: &Lines) -> usize {
        target.write(lines, &mut 0).map_or_else(|loss| loss.lines, |()| 0)
    }

    #[test]
    fn each_line_is_a_datagram() {
        // Some of one length, and some of others.
        let texts: Vec<String> =
            (0..BURST + 3).map(|number| format!("{:>1$}", number, 3 + number / 7 % 5)).collect();
        let lines = lines(&texts);
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let receiver = UdpSocket::bind(address).unwrap();
            receiver.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            let mut target = Target::new(LogTarget::Udp(receiver.local_addr().unwrap()));
            assert_eq!(lost(&mut target, &lines), 0);
            let mut buffer = [0; 100];
            for text in &texts {
                let length = receiver.recv(&mut buffer).unwrap();
                assert_eq!(String::from_utf8_lossy(&buffer[..length]), format!("{text}\n"));
            }
        }
    }

    #[test]
    fn a_receiver_that_is_started_again_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let (mut target, line) = (Target::new(LogTarget::Unix(path.clone())), lines(&["a".to_owned()]));
        assert_eq!(lost(&mut target, &line), 1, "there is no socket yet");
        for _ in 0..2 {
            let receiver = UnixDatagram::bind(&path).unwrap();
            assert_eq!(lost(&mut target, &line), 0);
            assert_eq!(receiver.recv(&mut [0; 10]).unwrap(), 2);
            drop(receiver);
            std::fs::remove_file(&path).unwrap();
        }
        assert_eq!(lost(&mut target, &line), 1, "it is gone");
    }

    #[test]
    fn lines_to_nobody_are_told_of_by_those_that_follow() {
        let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (mut target, line) = (Target::new(LogTarget::Udp(nobody)), lines(&["a".to_owned()]));
        assert_eq!(lost(&mut target, &line), 0, "nothing is known");
        assert_eq!(lost(&mut target, &line), 1);
    }

    #[test]
    fn a_receiver_that_refuses_and_cannot_be_opened_costs_lines_and_no_more() {
        let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let to = LogTarget::Udp(nobody);
        let mut writer = Writer::new(to);
        let (idle, closed) = (AtomicBool::new(false), AtomicBool::new(false));
        let desk = Desk { waiting: Box::default(), idle, closed, counts: Arc::default() };
        let write = |writer: &mut Writer| {
            writer.taken.add(|out| out.push(b'a'));
            writer.write(&desk, false);
        };
        write(&mut writer);
        assert_eq!((desk.counts.written(), desk.counts.lost()), (1, 0), "nothing is known");
        // A socket that may not broadcast is not connected to this.
        writer.target.to = LogTarget::Udp("255.255.255.255:514".parse().unwrap());
        write(&mut writer);
        assert_eq!(desk.counts.lost(), 2, "the refused line, and the one that found no socket");
        writer.target.to = LogTarget::Udp(nobody);
        write(&mut writer);
        assert_eq!((desk.counts.written(), desk.counts.lost()), (2, 2), "it goes on");
    }

    #[test]
    fn a_receiver_that_takes_nothing_costs_lines_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let _receiver = UnixDatagram::bind(&path).unwrap();
        let mut target = Target::new(LogTarget::Unix(path));
        let many = lines(&vec!["a".to_owned(); 10_000]);
        let lost = lost(&mut target, &many);
        assert!(lost > 0 && lost < many.len(), "{lost} are lost");
    }
}
