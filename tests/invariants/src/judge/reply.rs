//! Packets of the translator itself.

use super::view_of;
use crate::kernel;
use crate::view::{Checksum, View};
use crate::world::Sent;
use translator::{DropReason, Params, VnetHeader};

/// An echo reply: from where the request went, to where it came from, with what it brought.
pub(super) fn echo(came: &[u8], sent: &Sent) {
    let (came, sent) = (view_of(came), View::of_ours(&sent.packet));
    assert_eq!((sent.src, sent.dst), (came.dst, came.src));
    let kinds = if came.is_v4() { (8, 0) } else { (128, 129) };
    assert_eq!((came.payload.first(), sent.payload.first()), (Some(&kinds.0), Some(&kinds.1)));
    assert_eq!(came.payload.get(4..), sent.payload.get(4..), "what the echo brings");
    if came.checksum() != Checksum::Unknown {
        assert_eq!(came.checksum(), sent.checksum(), "the checksum of the echo");
    }
}

/// An error about `came`.
pub(super) fn error(params: &Params, reason: DropReason, vnet: VnetHeader, came: &[u8], sent: &Sent) {
    assert_eq!(sent.vnet, VnetHeader::default());
    let (about, error) = (view_of(came), View::of_ours(&sent.packet));
    assert_eq!((error.is_v4(), error.dst), (about.is_v4(), about.src), "{reason:?}");
    assert!(error.src == params.own_v4 || error.src == params.own_v6, "{error:?}");
    assert!(error.is_icmp() && !error.is_fragment() && error.ttl == 64, "{error:?}");
    assert_eq!(error.checksum(), Checksum::Right, "{error:?}");
    let longest = if error.is_v4() { 576 } else { 1280 };
    assert!(sent.packet.len() <= longest, "an error of {} bytes", sent.packet.len());
    assert!(!about.is_icmp_error(), "an error about an error: {about:?}");
    assert!(!about.dst.is_multicast(), "an error about a multicast packet");
    assert!(about.offset == 0 || !about.is_v4(), "an error about a later fragment");
    let quote = error.payload.get(8..).unwrap_or_default();
    if vnet.gso_type == 0 {
        // A checksum that is completed is not what came.
        let untouched = if kernel::is_partial(vnet) { about.at } else { quote.len() };
        let same = quote.len().min(untouched);
        assert!(came.starts_with(&quote[..same]), "the quote is not the packet: {quote:02x?}, {came:02x?}");
        // As much as fits, or all there is.
        assert!(
            quote.len() == came.len()
                || sent.packet.len() + 1 >= longest
                || quote.len() == about.at + about.payload.len()
        );
    } else {
        let quoted = view_start(quote);
        assert_eq!(quoted, view_start(came), "addresses and protocol of the quote");
    }
}

/// Version, and addresses of the packet that begins with these bytes.
fn view_start(packet: &[u8]) -> (u8, Vec<u8>) {
    let version = packet.first().map_or(0, |byte| byte >> 4);
    let addresses = if version == 4 { 12..20 } else { 8..40 };
    (version, packet.get(addresses).unwrap_or_default().to_vec())
}
