//! `tun-up`, `tun-ip` and `tun-route`: what the file asks to be done to the device.

use crate::error::Error;
use crate::link::{Netlink, NetlinkError, refused};
use config::import::tayga::Conf;
use ipnet::IpNet;
use rtnetlink::packet_route::route::{RouteMessage, RouteScope};
use rtnetlink::{LinkUnspec, RouteMessageBuilder};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Brings the device up and gives it its addresses and routes, in this order: routes need a device that is up.
pub(super) async fn configure(conf: &Conf) -> Result<(), Error> {
    let up = conf.tun_up.is_some_and(|(_, up)| up);
    if !up && conf.tun_ip.is_empty() && conf.tun_route.is_empty() {
        return Ok(());
    }
    let device = &conf.tun_device.1;
    let netlink = Netlink::connect()?;
    let link = netlink.link(device).await?.ok_or_else(|| Error::Vanished(device.clone()))?;
    let handle = netlink.handle();
    let failed = |action: String| move |error: rtnetlink::Error| -> NetlinkError { refused(action, &error) };
    if up {
        let message = LinkUnspec::new_with_index(link.index).up().build();
        handle.link().change(message).execute().await.map_err(failed(format!("bring {device} up")))?;
    }
    for (_, net) in &conf.tun_ip {
        let request = handle.address().add(link.index, net.addr(), net.prefix_len()).replace();
        request.execute().await.map_err(failed(format!("add {net} to {device}")))?;
    }
    for (_, net) in &conf.tun_route {
        let request = handle.route().add(route(net.trunc(), link.index)).replace();
        request.execute().await.map_err(failed(format!("route {net} to {device}")))?;
    }
    Ok(())
}

fn route(net: IpNet, index: u32) -> RouteMessage {
    match net {
        IpNet::V4(net) => RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(net.network(), net.prefix_len())
            .output_interface(index)
            .scope(RouteScope::Link)
            .build(),
        IpNet::V6(net) => RouteMessageBuilder::<Ipv6Addr>::new()
            .destination_prefix(net.network(), net.prefix_len())
            .output_interface(index)
            .build(),
    }
}
