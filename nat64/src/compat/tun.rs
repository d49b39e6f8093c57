//! `--mktun` and `--rmtun`: a device that stays when nobody is attached; and the MTU that others gave to it.
//!
//! The device is made as Tayga makes it, with multi-queue and with the packet information header. The kernel takes the
//! latter and the offloads from whoever attaches alone, so the daemon finds a device of either program fit.

use super::describe;
use crate::device::request;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use std::fs::OpenOptions;
use std::os::fd::{AsRawFd as _, OwnedFd};

/// Where the kernel gives out TUN devices.
const CLONE_DEVICE: &str = "/dev/net/tun";

/// The least that IPv6 asks of a link (RFC 8200 §5).
const LEAST_MTU: u16 = 1280;

/// What the kernel gives to a new device.
const NEW_MTU: u16 = 1500;

nix::ioctl_write_ptr_bad!(tun_set_iff, libc::TUNSETIFF, libc::ifreq);
nix::ioctl_write_int_bad!(tun_set_persist, libc::TUNSETPERSIST);
nix::ioctl_write_int_bad!(tun_set_owner, libc::TUNSETOWNER);
nix::ioctl_write_int_bad!(tun_set_group, libc::TUNSETGROUP);
nix::ioctl_readwrite_bad!(get_mtu, libc::SIOCGIFMTU, libc::ifreq);

/// Makes the device `name` and gives it to root.
pub(super) fn make(name: &str) -> Result<(), String> {
    let device = attach(name)?;
    let fd = device.as_raw_fd();
    #[expect(unsafe_code, reason = "the system calls")]
    // SAFETY: the descriptor is open, and the arguments are plain numbers.
    let made = unsafe {
        tun_set_persist(fd, 1).and_then(|_| tun_set_owner(fd, 0)).and_then(|_| tun_set_group(fd, 0))
    };
    made.map(drop).map_err(|errno| not_persistent(name, errno))
}

/// Has the device `name` vanish with its last user.
pub(super) fn remove(name: &str) -> Result<(), String> {
    let device = attach(name)?;
    #[expect(unsafe_code, reason = "the system call")]
    // SAFETY: the descriptor is open, and the argument is a plain number.
    let removed = unsafe { tun_set_persist(device.as_raw_fd(), 0) };
    removed.map(drop).map_err(|errno| not_persistent(name, errno))
}

fn not_persistent(name: &str, errno: Errno) -> String {
    format!("Unable to set persist flag on {name}, aborting: {}", errno.desc())
}

/// Attaches to the device, which is made if it is not there. One that was made without multi-queue has it so.
fn attach(name: &str) -> Result<OwnedFd, String> {
    let opened = OpenOptions::new().read(true).write(true).open(CLONE_DEVICE);
    let device = OwnedFd::from(
        opened.map_err(|error| format!("Unable to open {CLONE_DEVICE}, aborting: {}", describe(&error)))?,
    );
    let set = |flags: libc::c_int| {
        let request = request(name, flags)?;
        #[expect(unsafe_code, reason = "the system call")]
        // SAFETY: the descriptor is open, and the request is a whole ifreq that the kernel reads during the call.
        unsafe {
            tun_set_iff(device.as_raw_fd(), &raw const request)
        }
    };
    let attached = match set(libc::IFF_TUN | libc::IFF_MULTI_QUEUE) {
        Err(Errno::EINVAL) => set(libc::IFF_TUN),
        attached => attached,
    };
    attached.map_err(|errno| format!("Unable to attach tun device {name}, aborting: {}", errno.desc()))?;
    Ok(device)
}

/// The MTU of the device in bytes: of one that is not there, the one that it will have.
pub(super) fn mtu(name: &str) -> Result<u16, String> {
    let failed = |errno: Errno| format!("Unable to query MTU of {name}, aborting: {}", errno.desc());
    let socket =
        socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None).map_err(failed)?;
    let mut request = request(name, 0).map_err(failed)?;
    #[expect(unsafe_code, reason = "the system call")]
    // SAFETY: the descriptor is open, and the kernel reads and writes the ifreq that is lent for the call.
    match unsafe { get_mtu(socket.as_raw_fd(), &raw mut request) } {
        Ok(_) => {}
        Err(Errno::ENODEV) => return Ok(NEW_MTU),
        Err(errno) => return Err(failed(errno)),
    }
    #[expect(unsafe_code, reason = "a union of the C interface")]
    // SAFETY: SIOCGIFMTU fills this member, and every bit pattern of it is valid.
    let mtu = unsafe { request.ifr_ifru.ifru_mtu };
    let fits = u16::try_from(mtu).ok().filter(|mtu| *mtu >= LEAST_MTU);
    fits.ok_or_else(|| {
        format!("The MTU of tun device {name} is {mtu}, and must be {LEAST_MTU} to 65535, aborting")
    })
}
