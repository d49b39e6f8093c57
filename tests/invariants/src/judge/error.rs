//! ICMP errors that crossed: the packet they quote has crossed, too.

use crate::view::{Checksum, View};
use etherparse::checksum::Sum16BitWords;

/// An error and what it became.
pub(super) fn crossed(came: &View<'_>, sent: &View<'_>) {
    assert!(sent.is_icmp_error(), "{sent:?}");
    let longest = if sent.is_v4() { 576 } else { 1280 };
    assert!(
        sent.at + sent.payload.len() <= longest.max(sent.at + came.payload.len()),
        "an error of {} bytes",
        sent.at + sent.payload.len()
    );
    match came.checksum() {
        Checksum::Right => assert_eq!(sent.checksum(), Checksum::Right, "{came:02x?} became {sent:02x?}"),
        Checksum::Wrong => assert_eq!(
            sent.checksum(),
            Checksum::Wrong,
            "a wrong checksum was repaired: {came:02x?} became {sent:02x?}"
        ),
        Checksum::Absent | Checksum::Unknown => {}
    }
    let (datagram, extensions) = original_datagram(sent);
    assert!(came.payload.ends_with(extensions), "the extensions: {extensions:02x?} of {came:?}");
    let version = datagram.first().map(|byte| byte >> 4);
    assert_eq!(version, Some(if sent.is_v4() { 4 } else { 6 }), "the quoted packet: {sent:02x?}");
    if sent.is_v4() {
        let header = datagram.get(..20).unwrap_or_else(|| panic!("a quoted header cut short: {sent:02x?}"));
        assert_eq!(header[0], 0x45, "options in a quoted header");
        let sum = Sum16BitWords::new().add_slice(header).ones_complement();
        assert_eq!(sum, 0, "the checksum of the quoted header: {header:02x?}");
    } else {
        assert!(datagram.len() >= 40, "a quoted header cut short: {sent:02x?}");
    }
}

/// The part of an error that quotes, and its extensions (RFC 4884).
fn original_datagram<'p>(view: &View<'p>) -> (&'p [u8], &'p [u8]) {
    let rest = view.payload.get(8..).unwrap_or_default();
    let kind = view.payload.first().copied().unwrap_or_default();
    // Which errors have a length, in which byte, and in which unit.
    let (with_length, at, unit): (&[u8], _, _) =
        if view.is_v4() { (&[3, 11, 12], 5, 4) } else { (&[1, 3], 4, 8) };
    let words = view.payload.get(at).copied().map_or(0, usize::from);
    if !with_length.contains(&kind) || words == 0 {
        return (rest, &[]);
    }
    let (datagram, extensions) = rest.split_at_checked(words * unit).unwrap_or_else(|| {
        panic!("a length of {words} words in an error of {} bytes: {view:02x?}", rest.len())
    });
    assert!(datagram.len() >= 128, "a datagram of {} bytes in front of extensions", datagram.len());
    (datagram, extensions)
}
