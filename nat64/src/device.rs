//! The TUN device: one file descriptor per worker, each packet behind a virtio-net header.
//!
//! Owns opening and attaching (`IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE`), the offloads asked of the
//! kernel, and errors that say what to do. Speaks to `/dev/net/tun` itself: the `tun` crate admits one queue only and
//! knows neither `TUNSETOFFLOAD` nor `TUNSETVNETHDRSZ`, so most of what stands here would stand beside it anyway.
//!
//! With `IFF_VNET_HDR` and offloads the kernel hands over TCP super-packets of up to 64 KiB and packets whose checksum
//! is still to be completed, and takes the same back: a download crosses as one packet where forty-five would cross
//! without. The header also lies in front of every packet when offloads are off, so there is one data path.
//!
//! A device that was not there vanishes with its last descriptor. One that was made persistent beforehand stays; its
//! flags and offloads are set anew, since they survive whoever attached last. Addresses, routes and the state of the
//! link belong to [`crate::link`] and [`crate::routes`].

use crate::link::Link;
use crate::steering;
use config::model::Offload;
use nix::errno::Errno;
use nix::libc;
use std::fs::OpenOptions;
use std::io;
use std::net::Ipv6Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use translator::{Merge, VNET_HEADER_LEN};

/// Where the kernel gives out TUN devices.
const CLONE_DEVICE: &str = "/dev/net/tun";

/// Packets that the kernel may queue towards a worker. The kernel's 500 are less than a burst of one TCP window.
pub const TX_QUEUE_LEN: u32 = 4096;

/// TCP segmentation, which every kernel with `IFF_VNET_HDR` has; it takes checksums along. Never `TUN_F_TSO_ECN`: without it the
/// kernel itself cuts segments that carry CWR, and the translator need not care.
const TSO: libc::c_uint = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6;

/// UDP segmentation, since Linux 6.2; the kernel takes both flags or neither.
const USO: libc::c_uint = libc::TUN_F_USO4 | libc::TUN_F_USO6;

/// What is asked for, the most first, and what the kernel agrees to if it does not refuse.
const STEPS: [(libc::c_uint, Offloads); 4] = [
    (TSO | USO, Offloads { checksum: true, tcp: true, udp: true }),
    (TSO, Offloads { checksum: true, tcp: true, udp: false }),
    (libc::TUN_F_CSUM, Offloads { checksum: true, tcp: false, udp: false }),
    (0, Offloads { checksum: false, tcp: false, udp: false }),
];

/// `IFF_PERSIST` of `linux/if_tun.h`: the device stays when its last descriptor is closed.
const IFF_PERSIST: libc::c_int = 0x0800;

/// An attached device.
#[derive(Debug)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// One non-blocking descriptor per queue, at least one; may be fewer than were asked for.
    pub queues: Vec<OwnedFd>,
    /// Why it has one queue where more were asked for.
    pub limit: Option<QueueLimit>,
    /// What the kernel leaves to the other end of a super-packet.
    pub offloads: Offloads,
    /// Whether it stays when all descriptors are closed.
    pub persistent: bool,
}

/// How many queues a device is to have.
#[derive(Clone, Copy, Debug)]
pub struct Queues {
    /// So many, at least one.
    pub count: usize,
    /// The translation prefix, with zeros behind it: packets that travel under it have one queue in both directions.
    pub prefix: Ipv6Addr,
}

impl From<usize> for Queues {
    /// Queues for packets under no prefix.
    fn from(count: usize) -> Self {
        Self { count, prefix: Ipv6Addr::UNSPECIFIED }
    }
}

/// Why a device has one queue only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueLimit {
    /// It was made so.
    #[error("it was made without multi-queue: make it with `ip tuntap add ... multi_queue`")]
    SingleQueue,
    /// Nothing would keep a flow in one of several queues.
    #[error(
        "the kernel does not take the program that keeps each flow in one queue ({0}): give the daemon CAP_BPF, beside \
         CAP_NET_ADMIN"
    )]
    Steering(Errno),
}

/// What the kernel agreed to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offloads {
    /// Checksums that are still to be completed.
    pub checksum: bool,
    /// TCP super-packets.
    pub tcp: bool,
    /// UDP super-packets.
    pub udp: bool,
}

impl Offloads {
    /// What can be merged: the kernel takes back what it would hand over.
    pub const fn merge(self) -> Merge {
        Merge { tcp: self.tcp, udp: self.udp }
    }
}

/// Why there is no device.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// The kernel has no TUN driver, or the container does not see it.
    #[error(
        "{CLONE_DEVICE} is missing: run `modprobe tun`, or give the device to the container (--device {CLONE_DEVICE})"
    )]
    NoDriver,
    /// The user may not open it.
    #[error(
        "cannot open {CLONE_DEVICE}: give the daemon's user read and write permission, and allow the container the device 10:200"
    )]
    Forbidden(#[source] io::Error),
    /// The user may not make or attach a device.
    #[error(
        "cannot attach to device {0}: run with the capability CAP_NET_ADMIN, or own the persistent device"
    )]
    NotCapable(String),
    /// Somebody else is attached.
    #[error("device {0} is in use: stop the program that is attached to it, or choose another nat64.device")]
    Busy(String),
    /// The name belongs to something else.
    #[error(
        "{name} is a {kind} and no TUN device: choose another nat64.device or remove it with `ip link delete {name}`"
    )]
    NotTun {
        /// The name.
        name: String,
        /// What it is.
        kind: String,
    },
    /// The name is longer than the kernel allows, or empty.
    #[error("{0:?} is no name for a device: nat64.device takes 1 to 15 bytes without `/` and spaces")]
    Name(String),
    /// The kernel said something else.
    #[error("cannot {action} device {name}")]
    Os {
        /// What was tried.
        action: &'static str,
        /// The device.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
}

nix::ioctl_write_ptr_bad!(
    /// Attaches a descriptor to a device, which is made if it is not there.
    tun_set_iff,
    libc::TUNSETIFF,
    libc::ifreq
);
nix::ioctl_read_bad!(
    /// The flags of the attached device.
    tun_get_iff,
    libc::TUNGETIFF,
    libc::ifreq
);
nix::ioctl_write_int_bad!(
    /// Which offloads the reader takes.
    tun_set_offload,
    libc::TUNSETOFFLOAD
);
nix::ioctl_write_ptr_bad!(
    /// The length of the virtio-net header.
    tun_set_vnet_hdr_len,
    libc::TUNSETVNETHDRSZ,
    libc::c_int
);

impl Device {
    /// Attaches so many `queues` to the device `name`, and makes the device if `existing` says that it is not
    /// there. A device that was made without multi-queue gets one.
    pub fn open(
        name: &str,
        existing: Option<&Link>,
        queues: impl Into<Queues>,
        offload: Offload,
    ) -> Result<Self, DeviceError> {
        Self::open_at(Path::new(CLONE_DEVICE), name, existing, queues.into(), offload)
    }

    fn open_at(
        clone_device: &Path,
        name: &str,
        existing: Option<&Link>,
        queues: Queues,
        offload: Offload,
    ) -> Result<Self, DeviceError> {
        if let Some(link) = existing {
            check_usable(link)?;
        }
        let (first, multi_queue) = attach_first(clone_device, name)?;
        let limit = match multi_queue {
            _ if queues.count < 2 => None,
            false => Some(QueueLimit::SingleQueue),
            true => steering::attach(&first, queues.prefix).err().map(QueueLimit::Steering),
        };
        let mut attached = vec![first];
        while limit.is_none() && attached.len() < queues.count {
            let queue = open_clone(clone_device)?;
            set_iff(&queue, name, libc::IFF_MULTI_QUEUE).map_err(|errno| attach_error(name, errno))?;
            attached.push(queue);
        }
        let offloads = set_offloads(&attached[0], name, offload)?;
        set_vnet_header_len(&attached[0], name)?;
        let persistent = flags(&attached[0], name)? & IFF_PERSIST != 0;
        Ok(Self { name: name.to_owned(), queues: attached, limit, offloads, persistent })
    }
}

/// What can be told beforehand: the kernel would let a second program share a multi-queue device and steal its flows.
fn check_usable(link: &Link) -> Result<(), DeviceError> {
    match &link.tun {
        None => Err(DeviceError::NotTun { name: link.name.clone(), kind: link.kind.clone() }),
        Some(tun) if tun.is_tap => {
            Err(DeviceError::NotTun { name: link.name.clone(), kind: "TAP device".into() })
        }
        Some(tun) if tun.attached_queues > 0 => Err(DeviceError::Busy(link.name.clone())),
        Some(_) => Ok(()),
    }
}

/// Attaches the first queue, with multi-queue if the device allows it: a device that is there keeps the mode it was
/// made with, and the kernel says EINVAL to the other.
fn attach_first(clone_device: &Path, name: &str) -> Result<(OwnedFd, bool), DeviceError> {
    let queue = open_clone(clone_device)?;
    match set_iff(&queue, name, libc::IFF_MULTI_QUEUE) {
        Ok(()) => Ok((queue, true)),
        Err(Errno::EINVAL) => match set_iff(&queue, name, 0) {
            Ok(()) => Ok((queue, false)),
            Err(errno) => Err(attach_error(name, errno)),
        },
        Err(errno) => Err(attach_error(name, errno)),
    }
}

fn open_clone(path: &Path) -> Result<OwnedFd, DeviceError> {
    let opened = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path);
    opened.map(OwnedFd::from).map_err(|error| match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT | Errno::ENODEV | Errno::ENXIO | Errno::ENOTDIR) => DeviceError::NoDriver,
        _ => DeviceError::Forbidden(error),
    })
}

fn attach_error(name: &str, errno: Errno) -> DeviceError {
    match errno {
        Errno::EPERM | Errno::EACCES => DeviceError::NotCapable(name.into()),
        Errno::EBUSY => DeviceError::Busy(name.into()),
        Errno::ENAMETOOLONG => DeviceError::Name(name.into()),
        errno => DeviceError::Os { action: "attach to", name: name.into(), source: errno.into() },
    }
}

fn set_iff(queue: &OwnedFd, name: &str, multi_queue: libc::c_int) -> Result<(), Errno> {
    let flags = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR | multi_queue;
    let request = request(name, flags)?;
    #[expect(unsafe_code, reason = "the system call")]
    // SAFETY: the descriptor is open, and the request is a whole ifreq that the kernel reads during the call.
    let result = unsafe { tun_set_iff(queue.as_raw_fd(), &raw const request) };
    result.map(drop)
}

/// A request with a name and flags.
pub(crate) fn request(name: &str, flags: libc::c_int) -> Result<libc::ifreq, Errno> {
    // The last byte stays zero: the kernel's names end with one.
    let mut ifr_name = [0; libc::IFNAMSIZ];
    if name.is_empty()
        || name.len() >= libc::IFNAMSIZ
        || name.contains(['/', ' ', '\0', '%'])
        || [".", ".."].contains(&name)
    {
        return Err(Errno::ENAMETOOLONG);
    }
    for (to, from) in ifr_name.iter_mut().zip(name.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    let ifru_flags =
        libc::c_short::try_from(flags).expect("IFF_MULTI_QUEUE, IFF_NO_PI, IFF_VNET_HDR fit in 15 bits");
    Ok(libc::ifreq { ifr_name, ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags } })
}

fn flags(queue: &OwnedFd, name: &str) -> Result<libc::c_int, DeviceError> {
    let os = |errno: Errno| DeviceError::Os {
        action: "read the flags of",
        name: name.into(),
        source: errno.into(),
    };
    let mut request = request(name, 0).map_err(os)?;
    #[expect(unsafe_code, reason = "the system call")]
    // SAFETY: the descriptor is open, and the kernel writes an ifreq into the one that is lent for the call.
    unsafe { tun_get_iff(queue.as_raw_fd(), &raw mut request) }.map_err(os)?;
    #[expect(unsafe_code, reason = "a union of the C interface")]
    // SAFETY: TUNGETIFF fills this member, and every bit pattern of it is valid.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    Ok(flags.into())
}

/// Asks for as much as is wanted and the kernel has. Zero is asked for, too: a persistent device remembers what its
/// last reader could take.
fn set_offloads(queue: &OwnedFd, name: &str, offload: Offload) -> Result<Offloads, DeviceError> {
    let first = match offload {
        Offload::Auto => 0,
        Offload::Off => STEPS.len() - 1,
    };
    let ask = |mask: libc::c_uint| {
        #[expect(unsafe_code, reason = "the system call")]
        // SAFETY: the descriptor is open, and the argument is a plain number.
        unsafe { tun_set_offload(queue.as_raw_fd(), mask.cast_signed()) }.map(drop)
    };
    negotiate(&STEPS[first..], ask).map_err(|errno| DeviceError::Os {
        action: "set the offloads of",
        name: name.into(),
        source: errno.into(),
    })
}

/// Takes the first step that `ask` does not refuse; otherwise says why the last one was refused.
fn negotiate(
    steps: &[(libc::c_uint, Offloads)],
    mut ask: impl FnMut(libc::c_uint) -> Result<(), Errno>,
) -> Result<Offloads, Errno> {
    let mut refusal = Errno::EINVAL;
    for &(mask, offloads) in steps {
        match ask(mask) {
            Ok(()) => return Ok(offloads),
            Err(errno) => refusal = errno,
        }
    }
    Err(refusal)
}

fn set_vnet_header_len(queue: &OwnedFd, name: &str) -> Result<(), DeviceError> {
    let len = libc::c_int::try_from(VNET_HEADER_LEN).expect("ten fits");
    #[expect(unsafe_code, reason = "the system call")]
    // SAFETY: the descriptor is open, and the kernel reads one int during the call.
    let result = unsafe { tun_set_vnet_hdr_len(queue.as_raw_fd(), &raw const len) };
    result.map(drop).map_err(|errno| DeviceError::Os {
        action: "set the virtio-net header of",
        name: name.into(),
        source: errno.into(),
    })
}

#[cfg(test)]
mod tests;
