//! One packet in a buffer with room in front, so that headers grow in place.
//!
//! ```text
//!   |<-------- HEADROOM -------->|<------- packet capacity ------->|
//!   |              | vnet header | packet                  | spare |
//!                  ^             ^ start                   ^ end
//!                  written by `wire`, read by `set_received`
//! ```

use crate::offload::{VNET_HEADER_LEN, VnetHeader};
use crate::verdict::DropReason;

/// Bytes kept free in front of a received packet: an IPv6 error around an IPv6 packet (40 + 8) and the virtio-net
/// header (10) come to 58; rounded up so that the packet starts at a multiple of 16.
pub const HEADROOM: usize = 64;

/// A frame never holds less than this, so that a generated error always fits (RFC 4443 §2.4 (c)).
const MIN_CAPACITY: usize = 1280;

/// One packet with its virtio-net header.
#[derive(Clone, Debug)]
pub struct Frame {
    buf: Vec<u8>,
    start: usize,
    end: usize,
    /// Whether the packet's IPv4 identification is of the translator's own choice.
    pub(crate) is_numbered: bool,
    /// The virtio-net header that belongs to the packet. Offsets count from the packet's first byte.
    pub vnet: VnetHeader,
}

impl Frame {
    /// An empty frame for packets of up to `packet_capacity` bytes; 65 535 holds every packet a TUN device gives.
    pub fn with_capacity(packet_capacity: usize) -> Self {
        let len = HEADROOM + packet_capacity.max(MIN_CAPACITY);
        Self {
            buf: vec![0; len],
            start: HEADROOM,
            end: HEADROOM,
            is_numbered: false,
            vnet: VnetHeader::default(),
        }
    }

    /// Where a read puts a virtio-net header (10 bytes) and the packet behind it, contiguously.
    pub fn receive_buffer(&mut self) -> &mut [u8] {
        &mut self.buf[HEADROOM - VNET_HEADER_LEN..]
    }

    /// Takes over what a read put into [`Frame::receive_buffer`]: `len` bytes, the virtio-net header included.
    ///
    /// # Errors
    /// [`DropReason::ShortFrame`] when `len` holds no byte of a packet, or more than the buffer.
    pub fn set_received(&mut self, len: usize) -> Result<(), DropReason> {
        let end = (HEADROOM - VNET_HEADER_LEN).saturating_add(len);
        if end <= HEADROOM || end > self.buf.len() {
            return Err(DropReason::ShortFrame);
        }
        let vnet = self.buf[..HEADROOM].last_chunk().ok_or(DropReason::ShortFrame)?;
        self.vnet = VnetHeader::parse(vnet);
        self.is_numbered = false;
        self.start = HEADROOM;
        self.end = end;
        Ok(())
    }

    /// Puts `packet` into the frame with an empty virtio-net header, and grows the buffer if it must.
    pub fn set_packet(&mut self, packet: &[u8]) {
        self.reserve(packet.len());
        self.start = HEADROOM;
        self.end = HEADROOM + packet.len();
        self.vnet = VnetHeader::default();
        self.is_numbered = false;
        self.buf[self.start..self.end].copy_from_slice(packet);
    }

    /// The packet, from its IP header on.
    pub fn packet(&self) -> &[u8] {
        &self.buf[self.start..self.end]
    }

    /// The virtio-net header and the packet, contiguous, for one write to the device.
    pub fn wire(&mut self) -> &[u8] {
        let from = self.start - VNET_HEADER_LEN;
        self.buf[from..self.start].copy_from_slice(&self.vnet.emit());
        &self.buf[from..self.end]
    }

    /// Becomes a copy of `other`.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.set_packet(other.packet());
        self.vnet = other.vnet;
        self.is_numbered = other.is_numbered;
    }

    /// Adds bytes to the end of the packet, and grows the buffer if it must.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        let end = self.end + bytes.len();
        self.reserve(end - HEADROOM.min(end));
        self.buf[self.end..end].copy_from_slice(bytes);
        self.end = end;
    }

    /// The packet, writable.
    pub(crate) fn packet_mut(&mut self) -> &mut [u8] {
        &mut self.buf[self.start..self.end]
    }

    /// Cuts the packet to `len` bytes; does nothing to a shorter one.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.end = self.end.min(self.start.saturating_add(len));
    }

    /// Replaces the first `old` bytes of the packet by room for `new` bytes, whose content is undefined.
    ///
    /// Returns whether it fits: the packet holds `old` bytes and [`HEADROOM`] the difference.
    pub(crate) fn replace_front(&mut self, old: usize, new: usize) -> bool {
        let Some(start) = (self.start + old).checked_sub(new) else { return false };
        if old > self.end - self.start || start < VNET_HEADER_LEN {
            return false;
        }
        self.start = start;
        true
    }

    /// Makes the packet `len` bytes of undefined content with the whole [`HEADROOM`] in front.
    pub(crate) fn resize(&mut self, len: usize) -> &mut [u8] {
        self.reserve(len);
        self.start = HEADROOM;
        self.end = HEADROOM + len;
        self.vnet = VnetHeader::default();
        self.is_numbered = false;
        self.packet_mut()
    }

    fn reserve(&mut self, len: usize) {
        if self.buf.len() < HEADROOM + len {
            self.buf.resize(HEADROOM + len, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_received_is_what_goes_out() {
        let mut frame = Frame::with_capacity(1500);
        let mut bytes = vec![0; VNET_HEADER_LEN];
        bytes.extend_from_slice(b"packet");
        frame.receive_buffer()[..bytes.len()].copy_from_slice(&bytes);
        assert_eq!(frame.set_received(bytes.len()), Ok(()));
        assert_eq!(frame.packet(), b"packet");
        assert_eq!(frame.wire(), bytes);
    }

    #[test]
    fn lengths_without_a_packet_or_beyond_the_buffer_are_refused() {
        let mut frame = Frame::with_capacity(1500);
        let whole = frame.receive_buffer().len();
        for len in [0, 1, VNET_HEADER_LEN, whole + 1, usize::MAX] {
            assert_eq!(frame.set_received(len), Err(DropReason::ShortFrame), "{len}");
        }
        assert_eq!(frame.set_received(whole), Ok(()));
    }

    #[test]
    fn front_grows_up_to_the_headroom() {
        let mut frame = Frame::with_capacity(1500);
        frame.set_packet(b"0123456789");
        assert!(frame.replace_front(4, 10));
        assert_eq!(frame.packet().len(), 16);
        assert!(frame.packet().ends_with(b"456789"));
        assert!(!frame.replace_front(0, HEADROOM));
        assert!(!frame.replace_front(17, 0));
        assert_eq!(frame.packet().len(), 16);
    }
}
