use super::*;

fn link(is_up: bool) -> Link {
    Link {
        index: 7,
        name: "nat64".into(),
        kind: "TUN device".into(),
        tun: None,
        mtu: 1500,
        tx_queue_len: 500,
        is_up,
    }
}

fn failed() -> Result<Option<Link>, NetlinkError> {
    let source = std::io::Error::from_raw_os_error(nix::libc::ENOBUFS);
    Err(NetlinkError::Refused { action: "look for device nat64".into(), source })
}

#[test]
fn a_failed_look_does_not_end_the_wait_for_the_device() {
    let mut watch = Watch::default();
    let mut judge = |found| watch.judge("nat64", found);
    for found in [failed(), Ok(Some(link(false))), failed(), failed()] {
        assert_eq!(judge(found), Sight::Waiting);
    }
    assert_eq!(judge(Ok(Some(link(true)))), Sight::Up);
}

#[test]
fn a_device_that_is_gone_ends_the_wait() {
    let mut watch = Watch::default();
    assert_eq!(watch.judge("nat64", failed()), Sight::Waiting);
    assert_eq!(watch.judge("nat64", Ok(None)), Sight::Gone);
}
