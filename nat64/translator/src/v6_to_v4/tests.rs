//! RFC 7915 §5 by its sentences.

use crate::testing::*;
use crate::verdict::{Direction, DropReason, Verdict};
use etherparse::{Icmpv6Type, IpNumber};

#[test]
fn udp_crosses() {
    let out = World::new().forward(&udp_out(b"hello"));
    assert_eq!(addresses4(&out), (LEASED, REMOTE));
    assert!(out.ends_with(b"hello"));
}
