//! What became of a packet: exactly one [`Verdict`], and for every packet that died exactly one [`DropReason`].

/// Which way a packet crossed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// IPv6 in, IPv4 out (RFC 7915 §5).
    V6ToV4,
    /// IPv4 in, IPv6 out (RFC 7915 §4).
    V4ToV6,
    /// IPv6 in, IPv6 out: to IPv4 and back in one step (RFC 7757 §4.2.2).
    V6ToV6,
}

impl Direction {
    /// Every direction, for tables of counters.
    pub const ALL: [Self; 3] = [Self::V6ToV4, Self::V4ToV6, Self::V6ToV6];

    /// The metric label, stable.
    pub const fn label(self) -> &'static str {
        match self {
            Self::V6ToV4 => "v6_to_v4",
            Self::V4ToV6 => "v4_to_v6",
            Self::V6ToV6 => "v6_to_v6",
        }
    }
}

/// What the translator made of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The frame holds the translated packet: write it.
    Forward(Direction),
    /// [`crate::WorkerState::fragments`] holds the translated packets: write them in order. The frame is spent.
    Split(Direction),
    /// The frame holds an answer to the sender: write it.
    Reply(Reply),
    /// Nothing is written.
    Drop(DropReason),
}

/// An answer of the translator itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// An echo reply from an own address.
    Echo,
    /// An ICMP or ICMPv6 error; the reason says why the packet it is about was not translated.
    Error(DropReason),
}

/// Declares [`DropReason`] with the label, the documentation and the remedy of each variant in one place.
macro_rules! drop_reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $label:literal, $remedy:literal,)+) => {
        /// Why a packet was not translated. The set is closed: each variant is one metric label and one row of the
        /// documentation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum DropReason {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl DropReason {
            /// Every reason, in the order of declaration: `reason as usize` is its index.
            pub const ALL: [Self; [$($label),+].len()] = [$(Self::$variant),+];

            /// The metric label, stable across releases.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)+
                }
            }

            /// What the reason means, in one sentence.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($doc),+).trim_ascii(),)+
                }
            }

            /// What an operator does about it, in a sentence or two.
            pub const fn remedy(self) -> &'static str {
                match self {
                    $(Self::$variant => $remedy,)+
                }
            }
        }
    };
}

impl DropReason {
    /// Whether the packet was refused before its family, and so its direction, was known.
    pub const fn precedes_direction(self) -> bool {
        matches!(self, Self::ShortFrame | Self::IpVersion)
    }
}

drop_reasons! {
    /// The device delivered fewer bytes than a virtio-net header and a packet have.
    ShortFrame = "short_frame", "Report it: the kernel and the daemon disagree about the device.",
    /// The packet is neither IPv4 nor IPv6.
    IpVersion = "ip_version", "Find who writes raw bytes into the device.",
    /// The IPv4 header is cut short or contradicts the length of the packet.
    Ipv4Header = "ipv4_header", "Capture on the device; the sender is broken.",
    /// The IPv4 header checksum is wrong.
    Ipv4Checksum = "ipv4_checksum", "Suspect hardware or a middlebox on the IPv4 side.",
    /// The IPv6 header is cut short or contradicts the length of the packet.
    Ipv6Header = "ipv6_header", "Capture on the device; jumbograms are refused too.",
    /// An IPv6 extension header is cut short.
    ExtensionHeader = "extension_header", "Nothing; the sender is broken or probing.",
    /// An extension header follows the Fragment header (RFC 7915 §5.1.1).
    ExtensionAfterFragment = "extension_after_fragment", "Nothing; such packets cannot be expressed in IPv4.",
    /// A Routing header has segments left (RFC 7915 §5.1).
    SegmentsLeft = "segments_left", "Nothing; the sender gets a Parameter Problem.",
    /// An IPv4 source route has not expired (RFC 7915 §4.1).
    SourceRoute = "source_route", "Nothing; the sender gets Source Route Failed.",
    /// The protocol means something else on the other side, such as ICMP inside IPv6, or does not leave its link: IGMP.
    Protocol = "protocol", "Nothing; the sender is broken or probing.",
    /// The TCP, UDP or ICMP header is cut short or contradicts the packet.
    TransportHeader = "transport_header", "Nothing; the sender is broken or probing.",
    /// The virtio-net header contradicts the packet.
    VnetHeader = "vnet_header", "Set nat64.offload = \"off\" and report it with the kernel version.",
    /// The source is not a unicast address that may leave its link or host.
    IllegalSource = "illegal_source", "Look for a misconfigured host; router solicitations of the device itself count here or as multicast.",
    /// The destination is "this network", loopback, unspecified or link-local.
    IllegalDestination = "illegal_destination", "Look for a misconfigured host, or for DNS answers such as 0.0.0.0.",
    /// The destination is multicast or broadcast.
    Multicast = "multicast", "Nothing; multicast is not translated.",
    /// The source is neither in the prefix, nor explicitly mapped, nor may it have a dynamic address.
    SourceUnmapped = "source_unmapped", "Set nat64.dynamic_pool, or add a [[nat64.map]] for the host.",
    /// The destination is neither in the prefix nor explicitly mapped.
    DestinationUnmapped = "destination_unmapped", "Check the routes into the device: only the prefix and mapped addresses belong there.",
    /// The Well-Known Prefix would carry a non-global IPv4 address (RFC 6052 §3.1).
    NonGlobalIpv4 = "non_global_ipv4", "Use a prefix of your own, or set prefix.allow_private_ipv4.",
    /// Another translation prefix carries the IPv4 address, and answers would come from that one.
    WrongPrefix = "wrong_prefix", "Look which [[nat64.prefix]] names the address; a resolver must synthesize with that prefix.",
    /// The dynamic pool has no address left for the source.
    PoolExhausted = "pool_exhausted", "Enlarge nat64.dynamic_pool.",
    /// The destination lies in the dynamic pool, and no host holds it.
    NoLease = "no_lease", "Nothing for probes; a host that must be reachable first needs a [[nat64.map]].",
    /// The hop limit or time to live is used up.
    HopLimit = "hop_limit", "Nothing for traceroute; much of it means a routing loop through the device.",
    /// The translated packet exceeds the MTU and must not be fragmented.
    TooBig = "too_big",
        "Nothing; senders learn the path MTU. If connections stall, somebody filters ICMP: nat64.tcp_mss_clamp helps.",
    /// The translated packet exceeds what its length fields can say.
    Oversize = "oversize", "Nothing; the sender is broken or probing.",
    /// The UDP checksum is zero, and the configuration or a fragment forbids passing it on (RFC 7915 §4.5).
    UdpZeroChecksum = "udp_zero_checksum", "Set nat64.udp_zero_checksum to calculate, or to forward for fragments.",
    /// An ICMP message arrived in fragments, which a stateless translator cannot check (RFC 7915 §1.2).
    FragmentedIcmp = "fragmented_icmp", "Ping with smaller packets.",
    /// The ICMP type or code has no equivalent on the other side.
    IcmpType = "icmp_type", "Nothing; RFC 7915 drops them.",
    /// The Parameter Problem points at a field without equivalent on the other side.
    IcmpPointer = "icmp_pointer", "Nothing; RFC 7915 drops them.",
    /// The packet quoted in an ICMP error cannot be read or translated.
    QuotedPacket = "quoted_packet", "Nothing; the reporter is broken or probing.",
    /// An address of the packet quoted in an ICMP error has no equivalent on the other side.
    QuotedUnmapped = "quoted_unmapped", "Nothing for late errors about hosts whose lease is gone.",
    /// The ICMP error quotes another ICMP error.
    NestedError = "nested_error", "Nothing; there must be no errors about errors.",
    /// The packet is for the translator itself, which only answers echo requests.
    ToSelf = "to_self", "Nothing; senders get Protocol Unreachable unless it is ICMP.",
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn reasons_are_indexed_by_declaration_and_labels_are_unique() {
        let labels: HashSet<_> = DropReason::ALL.iter().map(|reason| reason.label()).collect();
        assert_eq!(labels.len(), DropReason::ALL.len());
        for (index, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
            assert!(
                reason.label().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            );
            assert!(reason.meaning().ends_with('.') && reason.remedy().ends_with('.'), "{reason:?}");
        }
    }
}
