//! Packet captures: one thread per device, bounded memory, written out only when somebody needs them.

mod pcap;

use crate::namespace::Namespace;
use crate::wait::readable;
use anyhow::{Context, Result};
use nix::libc;
use pcap::LinkType;
use socket2::{Domain, SockAddr, Socket, Type};
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufWriter, PipeWriter, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes kept of each packet: all of a full frame, the headers of a super-packet.
const SNAP: usize = 1600;

/// Bytes kept of each device; the oldest packets make room.
const KEPT: usize = 8 << 20;

/// All protocols, in both directions: `ETH_P_ALL` in the width of a packet address.
const ALL_PROTOCOLS: u16 = 3;

/// The packets of one device, from [`Capture::start`] until it is dropped.
pub struct Capture {
    name: String,
    link_type: LinkType,
    packets: Arc<Mutex<Packets>>,
    stop: Option<PipeWriter>,
    reader: Option<JoinHandle<()>>,
}

struct Packet {
    at: Duration,
    length: usize,
    bytes: Box<[u8]>,
}

#[derive(Default)]
struct Packets {
    queue: VecDeque<Packet>,
    held: usize,
}

impl Capture {
    /// Captures what a device of `namespace` sends and receives. `name` becomes the file's name.
    pub fn start(namespace: &Namespace, device: &str, name: &str) -> Result<Self> {
        let index = namespace.index(device)?;
        // TUN devices carry bare IP packets, all others of the lab Ethernet frames.
        let link_type = if namespace.is_ethernet(device)? { LinkType::Ethernet } else { LinkType::Raw };
        let socket = namespace.run(|| open(index)).with_context(|| format!("cannot capture on {device}"))?;
        let packets = Arc::new(Mutex::new(Packets::default()));
        let (stopped, stop) = io::pipe()?;
        let sink = Arc::clone(&packets);
        let reader = thread::Builder::new().name(format!("capture-{name}")).spawn(move || {
            read_packets(socket, &stopped, &sink);
        })?;
        Ok(Self { name: name.to_owned(), link_type, packets, stop: Some(stop), reader: Some(reader) })
    }

    /// How many packets it holds.
    pub fn len(&self) -> usize {
        self.packets.lock().unwrap_or_else(PoisonError::into_inner).queue.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes `<folder>/<name>.pcap`.
    pub fn write(&self, folder: &Path) -> Result<PathBuf> {
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("{}.pcap", self.name));
        let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut writer = pcap::Writer::new(BufWriter::new(file), self.link_type, SNAP)?;
        let packets = self.packets.lock().unwrap_or_else(PoisonError::into_inner);
        for packet in &packets.queue {
            writer.packet(packet.at, packet.length, &packet.bytes)?;
        }
        writer.finish()?;
        Ok(path)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(reader) = self.reader.take() {
            // A reader that panicked has already said so on standard error.
            let _ = reader.join();
        }
    }
}

impl Packets {
    fn push(&mut self, packet: Packet) {
        self.held += packet.bytes.len();
        self.queue.push_back(packet);
        while self.held > KEPT {
            let Some(oldest) = self.queue.pop_front() else { break };
            self.held -= oldest.bytes.len();
        }
    }
}

/// A socket that hears all that the device of this index sends and receives.
pub(crate) fn open(index: u32) -> io::Result<Socket> {
    // Without a protocol the socket is deaf until it is bound to its device.
    let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
    socket.bind(&address(index, ALL_PROTOCOLS))?;
    Ok(socket)
}

/// A device as the address of a packet of this protocol.
pub(crate) fn address(index: u32, protocol: u16) -> SockAddr {
    let family = libc::sa_family_t::try_from(libc::AF_PACKET).expect("address families fit their type");
    let size = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).expect("twenty bytes");
    #[expect(unsafe_code, reason = "socket2 has no constructor for packet addresses")]
    // SAFETY: the storage is larger and stricter aligned than sockaddr_ll, zeroed before, and its length is set.
    let ((), address) = unsafe {
        SockAddr::try_init(|storage, length| {
            let link = storage.cast::<libc::sockaddr_ll>();
            (*link).sll_family = family;
            (*link).sll_protocol = protocol.to_be();
            (*link).sll_ifindex = index.cast_signed();
            *length = size;
            Ok(())
        })
    }
    .expect("the closure cannot fail");
    address
}

fn read_packets(mut socket: Socket, stopped: &io::PipeReader, packets: &Mutex<Packets>) {
    let mut buffer = vec![0; 1 << 16];
    while readable(&socket, stopped) {
        // A device that goes down or away is an error here once; what comes after is captured.
        let Ok(length) = socket.read(&mut buffer) else { continue };
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let bytes = buffer[..length.min(SNAP)].into();
        packets.lock().unwrap_or_else(PoisonError::into_inner).push(Packet { at, length, bytes });
    }
}
