//! Devices, addresses and routes, by rtnetlink: no outside program.

use crate::namespace::Namespace;
use crate::wait::{PATIENCE, until};
use anyhow::{Context, Result};
use futures_util::TryStreamExt;
use ipnet::IpNet;
use rtnetlink::packet_route::address::AddressHeaderFlags;
use rtnetlink::packet_route::link::{InfoData, InfoVeth, LinkAttribute, LinkLayerType, LinkMessage, State};
use rtnetlink::{Handle, LinkUnspec, LinkVeth, RouteMessageBuilder, new_connection};
use std::fs;
use std::net::{IpAddr, Ipv6Addr};

/// One end of a link.
#[derive(Clone, Copy)]
pub struct End<'a> {
    /// Where it lies.
    pub namespace: &'a Namespace,
    /// Its device's name, at most 15 bytes.
    pub device: &'a str,
}

/// Joins two namespaces by a veth pair that is up at both ends and carries packets.
pub fn veth(a: End<'_>, b: End<'_>, mtu: u32) -> Result<()> {
    let far = LinkUnspec::new_with_name(b.device).mtu(mtu).setns_by_fd(b.namespace.raw_fd()).build();
    let pair =
        LinkVeth::new(a.device, b.device).mtu(mtu).set_info_data(InfoData::Veth(InfoVeth::Peer(far))).build();
    netlink(a.namespace, async move |handle| Ok(handle.link().add(pair).execute().await?))
        .with_context(|| format!("cannot join {} and {}", a.namespace.name(), b.namespace.name()))?;
    for end in [a, b] {
        end.namespace.bring_up(end.device)?;
    }
    for end in [a, b] {
        end.namespace.wait_for_carrier(end.device)?;
    }
    Ok(())
}

impl Namespace {
    /// Brings a device up.
    pub fn bring_up(&self, device: &str) -> Result<()> {
        self.change_link(device, |index| LinkUnspec::new_with_index(index).up().build())
    }

    /// Takes a device down.
    pub fn take_down(&self, device: &str) -> Result<()> {
        self.change_link(device, |index| LinkUnspec::new_with_index(index).down().build())
    }

    /// Sets a device's MTU in bytes.
    pub fn set_mtu(&self, device: &str, mtu: u32) -> Result<()> {
        self.change_link(device, |index| LinkUnspec::new_with_index(index).mtu(mtu).build())
    }

    /// Sets how many segments a packet may stand for that leaves through a device; the kernel cuts larger ones first.
    pub fn set_segments(&self, device: &str, most: u32) -> Result<()> {
        self.change_link(device, |index| {
            let link = LinkUnspec::new_with_index(index);
            link.append_extra_attribute(LinkAttribute::GsoMaxSegs(most)).build()
        })
    }

    /// Removes a device.
    pub fn remove(&self, device: &str) -> Result<()> {
        let index = self.index(device)?;
        netlink(self, async move |handle| Ok(handle.link().del(index).execute().await?))
            .with_context(|| format!("cannot remove {device} from {}", self.name()))
    }

    fn change_link(&self, device: &str, message: impl FnOnce(u32) -> LinkMessage) -> Result<()> {
        let message = message(self.index(device)?);
        netlink(self, async move |handle| Ok(handle.link().change(message).execute().await?))
            .with_context(|| format!("cannot change {device} in {}", self.name()))
    }

    /// Adds an address with its prefix; an IPv6 one can be used at once (`IFA_F_NODAD`).
    pub fn add_address(&self, device: &str, address: IpNet) -> Result<()> {
        let index = self.index(device)?;
        netlink(self, async move |handle| {
            let mut request = handle.address().add(index, address.addr(), address.prefix_len());
            if address.addr().is_ipv6() {
                request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
            }
            Ok(request.execute().await?)
        })
        .with_context(|| format!("cannot add {address} to {device} in {}", self.name()))?;
        match address.addr() {
            IpAddr::V6(address) if self.is_ethernet(device)? => self.wait_for_group(device, address),
            IpAddr::V6(_) | IpAddr::V4(_) => Ok(()),
        }
    }

    /// Waits until the kernel has joined the address's solicited-node group, which it does some time after it has
    /// taken the address: neighbours that ask before are not heard, and ask again only a second later.
    fn wait_for_group(&self, device: &str, address: Ipv6Addr) -> Result<()> {
        let group = format!("{:032x}", u128::from(solicited_node(address)));
        until(PATIENCE, &format!("neighbour discovery of {address} in {}", self.name()), || {
            let joined = self.run(|| fs::read_to_string("/proc/thread-self/net/igmp6"))?;
            let ours = |line: &str| {
                let mut words = line.split_whitespace().skip(1);
                words.next() == Some(device) && words.next() == Some(group.as_str())
            };
            Ok(joined.lines().any(ours).then_some(()))
        })
    }

    /// Adds a route.
    pub fn add_route(&self, destination: IpNet, via: IpAddr) -> Result<()> {
        let route = RouteMessageBuilder::<IpAddr>::new()
            .destination_prefix(destination.network(), destination.prefix_len())?
            .gateway(via)?
            .build();
        netlink(self, async move |handle| Ok(handle.route().add(route).execute().await?))
            .with_context(|| format!("cannot add the route {destination} via {via} in {}", self.name()))
    }

    /// Adds a route to all that a device without neighbours leads to.
    pub fn add_device_route(&self, destination: IpNet, device: &str) -> Result<()> {
        let route = RouteMessageBuilder::<IpAddr>::new()
            .destination_prefix(destination.network(), destination.prefix_len())?
            .output_interface(self.index(device)?)
            .build();
        netlink(self, async move |handle| Ok(handle.route().add(route).execute().await?))
            .with_context(|| format!("cannot add the route {destination} to {device} in {}", self.name()))
    }

    /// The names of its devices, `lo` among them.
    pub fn devices(&self) -> Result<Vec<String>> {
        let links =
            netlink(self, async |handle| Ok(handle.link().get().execute().try_collect::<Vec<_>>().await?))?;
        Ok(links.iter().filter_map(name_of).collect())
    }

    /// A device's index.
    pub fn index(&self, device: &str) -> Result<u32> {
        Ok(self.link(device)?.header.index)
    }

    /// Whether its packets begin with an Ethernet header.
    pub(crate) fn is_ethernet(&self, device: &str) -> Result<bool> {
        Ok(self.link(device)?.header.link_layer_type == LinkLayerType::Ether)
    }

    fn link(&self, device: &str) -> Result<LinkMessage> {
        let name = device.to_owned();
        netlink(self, async move |handle| {
            Ok(handle.link().get().match_name(name).execute().try_next().await?)
        })
        .ok()
        .flatten()
        .with_context(|| format!("there is no device {device} in {}", self.name()))
    }

    fn wait_for_carrier(&self, device: &str) -> Result<()> {
        until(PATIENCE, &format!("carrier of {device} in {}", self.name()), || {
            let up = |attribute: &LinkAttribute| matches!(attribute, LinkAttribute::OperState(State::Up));
            Ok(self.link(device)?.attributes.iter().any(up).then_some(()))
        })
    }
}

/// The group that neighbours ask in for an address (RFC 4291 §2.7.1).
fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., high, low] = address.segments();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | high & 0xff, low)
}

fn name_of(link: &LinkMessage) -> Option<String> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    })
}

/// Talks to the kernel about one namespace.
fn netlink<T: Send>(namespace: &Namespace, talk: impl AsyncFnOnce(Handle) -> Result<T> + Send) -> Result<T> {
    namespace.run(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        runtime.block_on(async {
            let (connection, handle, _) = new_connection()?;
            let connection = tokio::spawn(connection);
            let outcome = talk(handle).await;
            connection.abort();
            outcome
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solicited_node_group_has_the_last_24_bits() {
        let group = solicited_node("2001:db8::1:800:200e:8c6c".parse().unwrap());
        assert_eq!(group.to_string(), "ff02::1:ff0e:8c6c");
    }
}
