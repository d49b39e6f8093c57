use super::*;
use crate::link::Netlink;
use crate::netns::{block_on, in_namespace};
use rtnetlink::LinkVeth;
use std::time::{Duration, Instant};

const NAME: &str = "nat64test";

fn link(name: &str) -> Option<Link> {
    block_on(async { Netlink::connect().unwrap().link(name).await.unwrap() })
}

fn open(queues: usize, offload: Offload) -> Result<Device, DeviceError> {
    Device::open(NAME, link(NAME).as_ref(), queues, offload)
}

/// Makes a persistent device as `ip tuntap add` does, and leaves nobody attached.
fn make_persistent(flags: libc::c_int) {
    nix::ioctl_write_int_bad!(tun_set_persist, libc::TUNSETPERSIST);
    let queue = open_clone(Path::new(CLONE_DEVICE)).unwrap();
    let request = request(NAME, flags).unwrap();
    #[expect(unsafe_code, reason = "the system call")]
    // SAFETY: as in `set_iff`; the second argument of the second call is a plain number.
    unsafe {
        tun_set_iff(queue.as_raw_fd(), &raw const request).unwrap();
        tun_set_persist(queue.as_raw_fd(), 1).unwrap();
    }
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
    }
}

#[test]
fn a_new_device_has_all_queues_and_goes_with_them() {
    in_namespace("a_new_device_has_all_queues_and_goes_with_them", || {
        let device = open(3, Offload::Auto).unwrap();
        assert_eq!((device.queues.len(), device.persistent), (3, false));
        assert!(device.offloads.tcp, "every kernel that is still cared for has TSO");
        let seen = link(NAME).unwrap();
        assert_eq!(seen.tun, Some(crate::link::Tun { is_tap: false, attached_queues: 3 }));
        drop(device);
        until("the device is gone", || link(NAME).is_none());
    });
}

#[test]
fn a_kernel_that_refuses_an_offload_is_asked_for_less() {
    let check = |refused: libc::c_uint, expect: Result<[bool; 3], Errno>| {
        let ask = |mask| if mask & refused == 0 { Ok(()) } else { Err(Errno::EINVAL) };
        let found = negotiate(&STEPS, ask).map(|found| [found.checksum, found.tcp, found.udp]);
        assert_eq!(found, expect, "{refused:#x}");
    };
    check(0, Ok([true, true, true]));
    check(libc::TUN_F_USO6, Ok([true, true, false]));
    check(libc::TUN_F_TSO6, Ok([true, false, false]));
    check(libc::TUN_F_CSUM, Ok([false, false, false]));
    assert_eq!(negotiate(&STEPS, |_| Err(Errno::EBADFD)), Err(Errno::EBADFD));
}

#[test]
fn merging_is_only_of_what_the_kernel_takes() {
    let merge = |tcp, udp| Offloads { checksum: true, tcp, udp }.merge();
    assert_eq!(merge(true, false), Merge { tcp: true, udp: false });
    assert_eq!(merge(false, false), Merge::default());
}

#[test]
fn offload_can_be_switched_off() {
    in_namespace("offload_can_be_switched_off", || {
        assert_eq!(open(1, Offload::Off).unwrap().offloads, Offloads::default());
    });
}

#[test]
fn a_persistent_device_is_used_in_either_mode_and_stays() {
    in_namespace("a_persistent_device_is_used_in_either_mode_and_stays", || {
        for (mode, queues) in [(0, 1), (libc::IFF_MULTI_QUEUE, 2)] {
            make_persistent(libc::IFF_TUN | mode);
            until("nobody is attached", || link(NAME).unwrap().tun.unwrap().attached_queues == 0);
            let device = open(2, Offload::Auto).unwrap();
            assert_eq!((device.queues.len(), device.persistent), (queues, true));
            drop(device);
            let left = link(NAME).expect("it was there before us");
            block_on(async {
                Netlink::connect().unwrap().handle().link().del(left.index).execute().await.unwrap();
            });
        }
    });
}

#[test]
fn a_device_in_use_is_refused() {
    in_namespace("a_device_in_use_is_refused", || {
        let _first = open(1, Offload::Auto).unwrap();
        assert!(matches!(open(1, Offload::Auto), Err(DeviceError::Busy(name)) if name == NAME));
    });
}

#[test]
fn a_single_queue_device_in_use_is_refused_even_unseen() {
    in_namespace("a_single_queue_device_in_use_is_refused_even_unseen", || {
        make_persistent(libc::IFF_TUN);
        let _first = open(1, Offload::Auto).unwrap();
        let second = Device::open(NAME, None, 1, Offload::Auto);
        assert!(matches!(second, Err(DeviceError::Busy(_))), "{second:?}");
    });
}

#[test]
fn other_devices_of_that_name_are_refused() {
    in_namespace("other_devices_of_that_name_are_refused", || {
        make_persistent(libc::IFF_TAP);
        let error = open(1, Offload::Auto).unwrap_err();
        assert!(matches!(&error, DeviceError::NotTun { kind, .. } if kind == "TAP device"), "{error}");
        block_on(async {
            let netlink = Netlink::connect().unwrap();
            let tap = netlink.link(NAME).await.unwrap().unwrap();
            netlink.handle().link().del(tap.index).execute().await.unwrap();
            netlink.handle().link().add(LinkVeth::new(NAME, "peer").build()).execute().await.unwrap();
        });
        let error = open(1, Offload::Auto).unwrap_err();
        assert_eq!(
            error.to_string(),
            "nat64test is a veth and no TUN device: choose another nat64.device or remove it with \
             `ip link delete nat64test`"
        );
    });
}

#[test]
fn a_missing_driver_and_a_forbidden_one_are_told_apart() {
    let missing = Device::open_at(Path::new("/nonexistent/tun"), NAME, None, 1.into(), Offload::Auto);
    assert!(matches!(missing, Err(DeviceError::NoDriver)));
    let directory = Device::open_at(Path::new("/"), NAME, None, 1.into(), Offload::Auto);
    assert!(matches!(directory, Err(DeviceError::Forbidden(_))));
}

#[test]
fn without_the_capability_the_error_names_it() {
    in_namespace("without_the_capability_the_error_names_it", || {
        // An unprivileged user inside: only this thread changes, and it ends with the test.
        #[expect(unsafe_code, reason = "setresuid of one thread has no safe wrapper")]
        // SAFETY: a system call with plain numbers.
        let status = unsafe { libc::syscall(libc::SYS_setresuid, 65_534, 65_534, 65_534) };
        assert_eq!(status, 0);
        match Device::open(NAME, None, 1, Offload::Auto) {
            Err(DeviceError::NotCapable(name)) => assert_eq!(name, NAME),
            Err(DeviceError::Forbidden(_)) => {} // the driver's file is not open to everybody here
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn names_the_kernel_has_no_room_for_are_refused() {
    for name in ["", "sixteen-bytes-xx", "a/b", "a b", "nat%d"] {
        assert_eq!(request(name, 0).err(), Some(Errno::ENAMETOOLONG), "{name:?}");
    }
    assert!(request("fifteen-bytes-x", 0).is_ok());
}
