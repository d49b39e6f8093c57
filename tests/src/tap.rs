//! The kernel's place at a TUN device: packets go to the program behind it, and what the program writes comes out.
//!
//! Nothing of the kernel's own network is in between: no route, no neighbour, no filter. A packet goes in as it is, however
//! broken, as long as it is no longer than the device's MTU.

use crate::capture::{address, open};
use crate::namespace::Namespace;
use anyhow::{Context, Result, bail};
use nix::libc;
use socket2::Socket;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::time::Duration;

/// `ETH_P_IP` and `ETH_P_IPV6`.
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

/// One device without link-layer addresses.
pub struct Tap {
    socket: Socket,
    index: u32,
    buffer: Vec<u8>,
}

impl Tap {
    /// Takes the place. `patience` bounds each wait for a packet.
    pub fn open(namespace: &Namespace, device: &str, patience: Duration) -> Result<Self> {
        let index = namespace.index(device)?;
        let socket = namespace.run(|| open(index)).with_context(|| format!("cannot listen on {device}"))?;
        ignore_outgoing(&socket).context("PACKET_IGNORE_OUTGOING")?;
        let tap = Self { socket, index, buffer: vec![0; 1 << 16] };
        tap.set_patience(patience)?;
        Ok(tap)
    }

    /// Bounds each wait for a packet from here on.
    pub fn set_patience(&self, patience: Duration) -> Result<()> {
        self.socket.set_read_timeout(Some(patience)).context("a limit of time for reading")
    }

    /// Gives a packet to the program behind the device.
    pub fn send(&self, packet: &[u8]) -> Result<()> {
        let protocol = if packet.first().is_some_and(|first| first >> 4 == 6) { IPV6 } else { IPV4 };
        let sent = self.socket.send_to(packet, &address(self.index, protocol));
        sent.with_context(|| format!("cannot send {} bytes to the device", packet.len()))?;
        Ok(())
    }

    /// The next packet that the program has written.
    ///
    /// # Errors
    /// None came in time, or the device is gone.
    pub fn receive(&mut self) -> Result<Vec<u8>> {
        match self.socket.read(&mut self.buffer) {
            Ok(length) => Ok(self.buffer[..length].to_vec()),
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => bail!("the device stays silent"),
            Err(cause) => Err(cause).context("listening on the device"),
        }
    }
}

/// Keeps what goes to the program out of what is heard.
fn ignore_outgoing(socket: &Socket) -> io::Result<()> {
    let on: libc::c_int = 1;
    let size = libc::socklen_t::try_from(size_of_val(&on)).expect("four bytes");
    #[expect(unsafe_code, reason = "neither socket2 nor nix has this option")]
    // SAFETY: the descriptor is open, and the option's value is an int that lives through the call.
    let status = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_IGNORE_OUTGOING,
            (&raw const on).cast(),
            size,
        )
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
