//! The kernel's network interfaces through rtnetlink: what a link is, and its MTU, queue and state.
//!
//! Owns the netlink connection and the words for its errors. Routes are [`crate::routes`].

use futures_util::StreamExt as _;
use rtnetlink::packet_core::{NetlinkPayload, Nla as _};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::{
    AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoData, InfoKind, InfoTun, LinkAttribute, LinkFlags,
    LinkInfo, LinkMessage,
};
use rtnetlink::{Handle, LinkUnspec, MulticastGroup};
use std::io;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinHandle;

/// `IFLA_TUN_TYPE`, whose value is `IFF_TUN` or `IFF_TAP` (`linux/if_link.h`).
const IFLA_TUN_TYPE: u16 = 3;
/// `IFLA_TUN_NUM_QUEUES`: how many descriptors are attached.
const IFLA_TUN_NUM_QUEUES: u16 = 8;
/// `IFF_TAP`.
const IFF_TAP: u8 = 2;

/// A failed request to the kernel.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// No netlink socket could be had.
    #[error("cannot open a netlink socket")]
    Socket(#[source] io::Error),
    /// The kernel may not be asked this.
    #[error(
        "cannot {action}: run with the capability CAP_NET_ADMIN, or set nat64.configure_interface = false"
    )]
    NotCapable {
        /// What was tried.
        action: String,
    },
    /// The kernel said no.
    #[error("cannot {action}")]
    Refused {
        /// What was tried.
        action: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The answer was none.
    #[error("cannot {action}: the kernel's answer makes no sense ({answer})")]
    Answer {
        /// What was tried.
        action: String,
        /// What came.
        answer: String,
    },
}

/// A connection to the kernel's routing netlink, in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Netlink {
    handle: Handle,
    connection: JoinHandle<()>,
}

/// The kernel's news of interfaces, from when it was made on.
#[derive(Debug)]
pub struct Changes {
    links: UnboundedReceiver<Link>,
    tasks: [JoinHandle<()>; 2],
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// What it is, such as `veth`; `network device` for what has no kind.
    pub kind: String,
    /// What only TUN and TAP devices have.
    pub tun: Option<Tun>,
    /// Bytes of the longest packet.
    pub mtu: u32,
    /// Packets that the kernel may queue.
    pub tx_queue_len: u32,
    /// Whether it is up.
    pub is_up: bool,
}

/// What only TUN and TAP devices have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tun {
    /// A TAP device, which carries Ethernet frames.
    pub is_tap: bool,
    /// How many descriptors are attached.
    pub attached_queues: u32,
}

impl Netlink {
    /// Connects. Needs a tokio runtime, which drives the connection until the value is dropped.
    pub fn connect() -> Result<Self, NetlinkError> {
        let (connection, handle, _) = rtnetlink::new_connection().map_err(NetlinkError::Socket)?;
        Ok(Self { handle, connection: tokio::spawn(connection) })
    }

    /// For requests.
    pub const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The interface with this name, if there is one.
    pub async fn link(&self, name: &str) -> Result<Option<Link>, NetlinkError> {
        use futures_util::TryStreamExt as _;
        let found = self.handle.link().get().match_name(name).execute().try_next().await;
        match found {
            Ok(message) => Ok(message.map(|message| Link::from_message(&message))),
            Err(error) if errno(&error) == Some(nix::libc::ENODEV) => Ok(None),
            Err(error) => Err(refused(format!("look for device {name}"), &error)),
        }
    }

    /// Sets the MTU in bytes, makes the kernel's queue at least `tx_queue_len` packets long, keeps the kernel from
    /// making a link-local address, which no translator could answer for, and brings the link up.
    pub async fn bring_up(&self, link: &Link, mtu: u16, tx_queue_len: u32) -> Result<(), NetlinkError> {
        self.set_mtu(link, mtu).await?;
        let queue = LinkUnspec::new_with_index(link.index)
            .append_extra_attribute(LinkAttribute::TxQueueLen(link.tx_queue_len.max(tx_queue_len)));
        self.change(queue.build(), || format!("set the queue length of device {}", link.name)).await?;
        let no_address = AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(In6AddrGenMode::None)]);
        let quiet = LinkUnspec::new_with_index(link.index)
            .append_extra_attribute(LinkAttribute::AfSpecUnspec(vec![no_address]));
        self.change(quiet.build(), || format!("keep device {} without an IPv6 address", link.name)).await?;
        let up = LinkUnspec::new_with_index(link.index).up();
        self.change(up.build(), || format!("bring device {} up", link.name)).await
    }

    /// Sets the MTU in bytes.
    pub async fn set_mtu(&self, link: &Link, mtu: u16) -> Result<(), NetlinkError> {
        let message = LinkUnspec::new_with_index(link.index).mtu(mtu.into()).build();
        self.change(message, || format!("set the MTU of device {} to {mtu}", link.name)).await
    }

    async fn change(
        &self,
        message: LinkMessage,
        action: impl FnOnce() -> String,
    ) -> Result<(), NetlinkError> {
        let changed = self.handle.link().change(message).execute().await;
        changed.map_err(|error| refused(action(), &error))
    }
}

impl Changes {
    /// Listens. Needs a tokio runtime, as [`Netlink::connect`] does.
    pub fn listen() -> Result<Self, NetlinkError> {
        let connected = rtnetlink::new_multicast_connection(&[MulticastGroup::Link]);
        let (connection, _, mut messages) = connected.map_err(NetlinkError::Socket)?;
        let (sender, links) = unbounded_channel();
        let reading = async move {
            while let Some((message, _)) = messages.next().await {
                if let NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) = message.payload {
                    // Nobody listens any more when the daemon ends.
                    let _ = sender.send(Link::from_message(&link));
                }
            }
        };
        Ok(Self { links, tasks: [tokio::spawn(connection), tokio::spawn(reading)] })
    }

    /// The next interface that is new or another than before; for ever none once the connection broke.
    pub async fn next(&mut self) -> Option<Link> {
        self.links.recv().await
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Drop for Netlink {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Link {
    fn from_message(message: &LinkMessage) -> Self {
        let mut link = Self {
            index: message.header.index,
            name: String::new(),
            kind: "network device".into(),
            tun: None,
            mtu: 0,
            tx_queue_len: 0,
            is_up: message.header.flags.contains(LinkFlags::Up),
        };
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name.clone_from(name),
                LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
                LinkAttribute::TxQueueLen(len) => link.tx_queue_len = *len,
                LinkAttribute::LinkInfo(infos) => link.take_infos(infos),
                _ => {}
            }
        }
        link
    }

    fn take_infos(&mut self, infos: &[LinkInfo]) {
        for info in infos {
            match info {
                LinkInfo::Kind(InfoKind::Tun) => {
                    self.kind = "TUN device".into();
                    self.tun.get_or_insert_default();
                }
                LinkInfo::Kind(kind) => self.kind = kind.to_string(),
                LinkInfo::Data(InfoData::Tun(attributes)) => {
                    let tun = self.tun.get_or_insert_default();
                    for attribute in attributes {
                        tun.take(attribute);
                    }
                }
                _ => {}
            }
        }
    }
}

impl Tun {
    fn take(&mut self, attribute: &InfoTun) {
        let mut value = [0; 4];
        let value = &mut value[..attribute.value_len().min(4)];
        if attribute.value_len() <= value.len() {
            attribute.emit_value(value);
        }
        match (attribute.kind(), &*value) {
            (IFLA_TUN_TYPE, [IFF_TAP]) => self.is_tap = true,
            (IFLA_TUN_NUM_QUEUES, &[a, b, c, d]) => self.attached_queues = u32::from_ne_bytes([a, b, c, d]),
            _ => {}
        }
    }
}

/// The error number the kernel answered with.
pub(crate) fn errno(error: &rtnetlink::Error) -> Option<i32> {
    match error {
        rtnetlink::Error::NetlinkError(message) => Some(message.raw_code().abs()),
        _ => None,
    }
}

/// Puts `action` in front of what the kernel said.
pub(crate) fn refused(action: String, error: &rtnetlink::Error) -> NetlinkError {
    match errno(error) {
        Some(nix::libc::EPERM) => NetlinkError::NotCapable { action },
        Some(code) => NetlinkError::Refused { action, source: io::Error::from_raw_os_error(code) },
        None => NetlinkError::Answer { action, answer: error.to_string() },
    }
}
