//! What the kernel must send to the translator, and the routes that make it so.
//!
//! Owns which prefixes lead to the device ([`wanted`], pure) and their upkeep through rtnetlink: added before a
//! change takes effect, removed after it, undone at the end. Routes carry a protocol number of their own
//! (`ip route show proto 64`), so that those of a crashed run are known again on a persistent device. The kernel drops
//! the routes of a device that goes down, and the IPv6 ones of a device whose MTU falls below 1280: they are put back
//! when the device is fit for them again.
//!
//! The translator's own addresses are routed to the device and deliberately assigned to none: an assigned address
//! would be answered by the kernel, and the translator could neither answer ping nor be seen in a traceroute under it.
//! So the device has no address at all. Packets of the gateway host itself that go through the device take their
//! source from the host's other interfaces (RFC 6724 §4 for IPv6), which is an address that answers can come back to;
//! an IPv6 one gets a lease from the dynamic pool like any other host.

use crate::error::cause;
use crate::link::{Changes, Link, Netlink, NetlinkError, errno, refused};
use config::model::{Nat64, Prefix};
use futures_util::TryStreamExt as _;
use ipnet::{IpNet, Ipv6Net};
use nix::libc;
use rtnetlink::RouteMessageBuilder;
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope,
};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

/// Whose routes these are: a number that linux/rtnetlink.h and iproute2 give to nobody.
const PROTOCOL: RouteProtocol = RouteProtocol::Other(64);

/// How soon routes that could not be put back are tried again.
const RESTORE_INTERVAL: Duration = Duration::from_secs(1);

/// Why a route does not stand.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// Another device has it.
    #[error("{net} is routed to another device already: remove that route, or change {key}")]
    Taken {
        /// The route.
        net: IpNet,
        /// Where the prefix comes from.
        key: &'static str,
    },
    /// The kernel has IPv6 switched off.
    #[error(
        "IPv6 is off on device {device}: run `sysctl -w net.ipv6.conf.all.disable_ipv6=0 net.ipv6.conf.default.disable_ipv6=0`"
    )]
    Ipv6Off {
        /// The device.
        device: String,
    },
    /// The runtime is shutting down.
    #[error("routes are no longer looked after: the daemon is stopping")]
    Stopped,
    /// The kernel said something else.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
}

/// The prefixes that must lead to the device: the translation prefixes, the pool, the IPv4 side of each explicit
/// map, the own addresses and those that speak for routers. A prefix within another one of the list needs no route of its own.
///
/// The IPv6 side of a map is a real host, which has its route already; but of a map of the whole IPv4 Internet the
/// IPv6 side is the one that stands for something, and the default route stays where it is.
pub fn wanted(nat64: &Nat64, prefix: Option<&Prefix>) -> BTreeSet<IpNet> {
    let prefixes = prefix.map(|prefix| prefix.pref64).into_iter();
    let prefixes = prefixes.chain(nat64.prefix.iter().map(|ranged| ranged.prefix));
    let maps = nat64.map.iter().map(|map| match map.v4.prefix_len() {
        0 => IpNet::V6(map.v6),
        _ => IpNet::V4(map.v4),
    });
    let own = [IpNet::from(IpAddr::V4(nat64.ipv4_addr)), IpNet::from(IpAddr::V6(nat64.ipv6_addr))];
    let all: BTreeSet<IpNet> = own
        .into_iter()
        .chain(prefixes.map(|prefix| IpNet::V6(Ipv6Net::new_assert(prefix.addr(), prefix.prefix_len()))))
        .chain(nat64.icmp_source_v4.iter().copied().map(IpNet::V4))
        .chain(nat64.icmp_source_v6.map(IpNet::V6))
        .chain(nat64.dynamic_pool.map(IpNet::V4))
        .chain(maps)
        .map(|net| net.trunc())
        .collect();
    widest(&all)
}

/// Of `nets` those that lie in no other one.
fn widest(nets: &BTreeSet<IpNet>) -> BTreeSet<IpNet> {
    let is_covered = |net: &IpNet| wider(*net).any(|wider| nets.contains(&wider));
    nets.iter().filter(|net| !is_covered(net)).copied().collect()
}

/// All prefixes that hold `net`, but for itself.
fn wider(net: IpNet) -> impl Iterator<Item = IpNet> {
    std::iter::successors(net.supernet(), IpNet::supernet)
}

/// The key that a prefix comes from, for messages.
fn key(net: IpNet) -> &'static str {
    match net {
        IpNet::V4(net) if net.prefix_len() == 32 => "nat64.ipv4_addr, nat64.icmp_source_v4 or nat64.map",
        IpNet::V4(_) => "nat64.dynamic_pool, nat64.icmp_source_v4 or nat64.map",
        IpNet::V6(net) if net.prefix_len() == 128 => "nat64.ipv6_addr",
        IpNet::V6(_) => "prefix.pref64, nat64.prefix or nat64.icmp_source_v6",
    }
}

/// The routes to one device that this process answers for.
///
/// A task of its own works off additions and removals in the order in which they were asked for, so that a removal
/// nobody waits for never overtakes a later addition of the same route.
#[derive(Debug)]
pub struct Routes {
    commands: UnboundedSender<Command>,
    ours: Mutex<BTreeSet<IpNet>>,
}

/// Routes that were added for a change that is not yet in force. Dropping it removes them again.
#[derive(Debug)]
pub struct Added {
    nets: Vec<IpNet>,
    commands: UnboundedSender<Command>,
}

#[derive(Debug)]
enum Command {
    Add(IpNet, oneshot::Sender<Result<Owner, RouteError>>),
    Remove(IpNet),
    SetMtu(u16),
    Flush(oneshot::Sender<()>),
}

/// Whose a route is that leads to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// This daemon's, of this or of a crashed run.
    Us,
    /// The operator's: it stays when the daemon goes.
    Operator,
}

impl Routes {
    /// No routes yet. Spawns the task that works on them.
    pub fn new(netlink: Netlink, link: Link) -> Self {
        let (commands, queue) = unbounded_channel();
        let changes = Changes::listen();
        if let Err(error) = &changes {
            tracing::warn!(%error, cause = cause(error), "routes that the kernel drops will not be put back");
        }
        let table = Table { netlink, link, stands: BTreeSet::new(), is_incomplete: false };
        tokio::spawn(table.serve(queue, changes.ok()));
        Self { commands, ours: Mutex::default() }
    }

    /// Adds what of `wanted` is not there. When one route cannot be added, those before it are gone again on return:
    /// the process may end next, and a persistent device would keep them.
    pub async fn add(&self, wanted: &BTreeSet<IpNet>) -> Result<Added, RouteError> {
        let mut added = Added { nets: Vec::new(), commands: self.commands.clone() };
        if let Err(error) = self.add_to(&mut added, wanted).await {
            drop(added);
            self.flush().await;
            return Err(error);
        }
        Ok(added)
    }

    async fn add_to(&self, added: &mut Added, wanted: &BTreeSet<IpNet>) -> Result<(), RouteError> {
        let missing: Vec<IpNet> = wanted.difference(&self.ours()).copied().collect();
        for net in missing {
            let (reply, answer) = oneshot::channel();
            let _ = self.commands.send(Command::Add(net, reply));
            if answer.await.map_err(|_| RouteError::Stopped)?? == Owner::Us {
                added.nets.push(net);
            }
        }
        Ok(())
    }

    /// Keeps what was added and removes what is not in `wanted`.
    pub fn commit(&self, mut added: Added, wanted: &BTreeSet<IpNet>) {
        self.ours().extend(std::mem::take(&mut added.nets));
        self.retain(wanted);
    }

    /// Removes what is not in `wanted`.
    pub fn retain(&self, wanted: &BTreeSet<IpNet>) {
        let mut ours = self.ours();
        let stale: Vec<IpNet> = ours.difference(wanted).copied().collect();
        for net in stale {
            ours.remove(&net);
            let _ = self.commands.send(Command::Remove(net));
        }
    }

    /// Gives the device another MTU, in bytes.
    pub fn set_mtu(&self, mtu: u16) {
        let _ = self.commands.send(Command::SetMtu(mtu));
    }

    /// Removes all that are ours.
    pub async fn close(&self) {
        self.retain(&BTreeSet::new());
        self.flush().await;
    }

    /// No panic leaves the set half changed.
    fn ours(&self) -> MutexGuard<'_, BTreeSet<IpNet>> {
        self.ours.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns once everything asked for before is done.
    async fn flush(&self) {
        let (done, finished) = oneshot::channel();
        let _ = self.commands.send(Command::Flush(done));
        let _ = finished.await;
    }
}

impl Drop for Added {
    fn drop(&mut self) {
        for net in self.nets.drain(..) {
            let _ = self.commands.send(Command::Remove(net));
        }
    }
}

/// The kernel's main routing table, as far as it leads to the device.
struct Table {
    netlink: Netlink,
    link: Link,
    /// What was added and not removed.
    stands: BTreeSet<IpNet>,
    /// Some of it is missing and could not be put back.
    is_incomplete: bool,
}

impl Table {
    async fn serve(mut self, mut queue: UnboundedReceiver<Command>, mut changes: Option<Changes>) {
        loop {
            let news = async {
                match &mut changes {
                    Some(changes) => changes.next().await,
                    None => None,
                }
            };
            tokio::select! {
                command = queue.recv() => match command {
                    Some(command) => self.obey(command).await,
                    None => return,
                },
                Some(link) = news => self.heed(&link).await,
                () = tokio::time::sleep(RESTORE_INTERVAL), if self.is_incomplete => self.restore().await,
            }
        }
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Add(net, reply) => {
                let added = self.add(net).await;
                if matches!(added, Ok(Owner::Us)) {
                    self.stands.insert(net);
                }
                let _ = reply.send(added);
            }
            Command::Remove(net) => {
                self.stands.remove(&net);
                self.remove(net).await;
            }
            Command::SetMtu(mtu) => {
                self.link.mtu = mtu.into();
                if let Err(error) = self.netlink.set_mtu(&self.link, mtu).await {
                    tracing::warn!(%error, cause = cause(&error), "the device keeps its MTU");
                }
            }
            Command::Flush(done) => {
                let _ = done.send(());
            }
        }
    }

    /// Looks at what the kernel says of an interface.
    async fn heed(&mut self, link: &Link) {
        if link.index != self.link.index {
            return;
        }
        if link.mtu != self.link.mtu {
            tracing::warn!(
                device = link.name,
                before = self.link.mtu,
                mtu = link.mtu,
                "somebody has changed the device's MTU: packets too big for it or for nat64.mtu will be lost"
            );
            self.link.mtu = link.mtu;
        }
        if link.is_up {
            self.restore().await;
        }
    }

    /// Puts back what the kernel has dropped.
    async fn restore(&mut self) {
        let mut restored = 0_usize;
        let mut failure = None;
        for net in &self.stands {
            match self.netlink.handle().route().add(self.message(*net)).execute().await {
                Ok(()) => restored += 1,
                Err(error) if errno(&error) == Some(libc::EEXIST) => {}
                Err(error) => failure = Some((*net, error)),
            }
        }
        if restored > 0 {
            tracing::info!(
                device = self.link.name,
                routes = restored,
                "routes that the kernel dropped are back"
            );
        }
        let was_incomplete = std::mem::replace(&mut self.is_incomplete, failure.is_some());
        if let Some((net, error)) = failure.filter(|_| !was_incomplete) {
            tracing::warn!(%net, device = self.link.name, %error, "a route that the kernel dropped cannot be put back: trying on");
        }
    }

    async fn add(&self, net: IpNet) -> Result<Owner, RouteError> {
        let Err(error) = self.netlink.handle().route().add(self.message(net)).execute().await else {
            return Ok(Owner::Us);
        };
        match errno(&error) {
            Some(libc::EEXIST) => self.owner(net).await?.ok_or(RouteError::Taken { net, key: key(net) }),
            Some(libc::EACCES | libc::EAFNOSUPPORT) if matches!(net, IpNet::V6(_)) => {
                Err(RouteError::Ipv6Off { device: self.link.name.clone() })
            }
            _ => Err(refused(format!("route {net} to device {}", self.link.name), &error).into()),
        }
    }

    /// A route that is gone already, perhaps with its device, is as good as removed.
    async fn remove(&self, net: IpNet) {
        match self.netlink.handle().route().del(self.message(net)).execute().await {
            Ok(()) => {}
            Err(error) if matches!(errno(&error), Some(libc::ESRCH | libc::ENODEV)) => {}
            Err(error) => {
                tracing::warn!(%net, device = self.link.name, %error, "a route could not be removed");
            }
        }
    }

    /// Who owns the route to `net`, if it leads to the device.
    async fn owner(&self, net: IpNet) -> Result<Option<Owner>, RouteError> {
        let any = match net {
            IpNet::V4(_) => RouteMessageBuilder::<Ipv4Addr>::new().build(),
            IpNet::V6(_) => RouteMessageBuilder::<Ipv6Addr>::new().build(),
        };
        let mut routes = pin!(self.netlink.handle().route().get(any).execute());
        let mut owner = None;
        while let Some(route) =
            routes.try_next().await.map_err(|error| refused("read the routing table".into(), &error))?
        {
            if route.header.table == RouteHeader::RT_TABLE_MAIN && leads(&route, net, self.link.index) {
                owner = Some(if route.header.protocol == PROTOCOL { Owner::Us } else { Owner::Operator });
            }
        }
        Ok(owner)
    }

    fn message(&self, net: IpNet) -> RouteMessage {
        match net {
            IpNet::V4(net) => RouteMessageBuilder::<Ipv4Addr>::new()
                .destination_prefix(net.network(), net.prefix_len())
                .output_interface(self.link.index)
                .scope(RouteScope::Link)
                .protocol(PROTOCOL)
                .build(),
            IpNet::V6(net) => RouteMessageBuilder::<Ipv6Addr>::new()
                .destination_prefix(net.network(), net.prefix_len())
                .output_interface(self.link.index)
                .protocol(PROTOCOL)
                .build(),
        }
    }
}

/// Whether `route` is the one to `net` through the device with this index.
fn leads(route: &RouteMessage, net: IpNet, index: u32) -> bool {
    let destination = match net {
        IpNet::V4(net) => RouteAddress::Inet(net.network()),
        IpNet::V6(net) => RouteAddress::Inet6(net.network()),
    };
    route.header.destination_prefix_length == net.prefix_len()
        && route.attributes.contains(&RouteAttribute::Destination(destination))
        && route.attributes.contains(&RouteAttribute::Oif(index))
}

#[cfg(test)]
mod tests;
