//! The daemon put together. [`App::start`] reads as the boot log does.

use crate::admin;
use crate::device::{Device, Offloads, Queues, TX_QUEUE_LEN};
use crate::drain::Drain;
use crate::drop_log::DropLog;
use crate::egress::Merging;
use crate::error::{Error, cause};
use crate::explain;
use crate::forwarding;
use crate::keeper::{self, Keeper};
use crate::lease::SharedPool;
use crate::link::{Link, Netlink, NetlinkError};
use crate::metrics::Sources;
use crate::persist::StateFile;
use crate::pool::Pool;
use crate::reload::{Plan, Prepared, State};
use crate::routes::Routes;
use crate::status::{self, Attachment};
use crate::worker::{Shared, unix_time};
use crate::workers::Workers;
use arc_swap::ArcSwap;
use config::model::Nat64;
use config::{Diff, Gateway, Refusal, Section};
use nix::sys::eventfd::{EfdFlags, EventFd};
use service::{Boot, Capability, Daemon, Latch, Table};
use std::cell::Cell;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How often a device that others bring up is looked at until it is up.
const LINK_POLL_INTERVAL: Duration = Duration::from_millis(200);

/// The running daemon.
pub struct App {
    shared: Shared,
    workers: Workers,
    keeper: Keeper,
    /// Whether the keeper has a file.
    keeps_leases: Cell<bool>,
    drain: Arc<Drain>,
    sweeper: JoinHandle<()>,
    attachment: Attachment,
    sources: Sources,
}

impl Daemon for App {
    const NAME: &'static str = "causeway-nat64";
    const ABOUT: &'static str = "Translates packets between IPv6 and IPv4 on a TUN device";
    const SECTION: Section = Section::Nat64;
    const CAPABILITIES: &'static [Capability] = &[Capability::CAP_NET_ADMIN, Capability::CAP_BPF];
    const EXPLAIN: Option<service::Explain> = Some(explain::COMMAND);
    type Error = Error;
    type Prepared = Prepared;

    fn check(model: &Gateway) -> Vec<Refusal> {
        model.nat64.as_ref().map(swallowed_pool).unwrap_or_default()
    }

    async fn start(model: Arc<Gateway>, boot: &mut Boot<'_>) -> Result<Self, Error> {
        let latch = boot.readiness.latch("data path");
        let nat64 = model.nat64.as_ref().ok_or(Error::Unchecked("[nat64] is missing"))?;
        let plan = Plan::of(&model)?;
        warn_of_closed_switches();

        let (bell, calls) = keeper::bell();
        let ring = bell.clone();
        let pool = Arc::new(SharedPool::new(Pool::new(plan.range.clone()), move || ring.ring()));
        // Before the first packet, which may not take another host's address.
        let file = State::wanted(&plan)?.map(|state| restore(&pool, state));

        let netlink = Netlink::connect()?;
        let device = open_device(&netlink, nat64, &plan).await?;
        let link = netlink.link(&nat64.device).await?.ok_or_else(|| Error::Vanished(nat64.device.clone()))?;

        let shared = share(&plan, Arc::clone(&pool), device.offloads, nat64)?;
        let persist_failures = Arc::default();
        let keeper = Keeper::start(Arc::clone(&pool), &bell, calls, Arc::clone(&persist_failures))
            .map_err(Error::Thread)?;
        let keeps_leases = Cell::new(file.is_some());
        if let Some(file) = file {
            keeper.keep_in(file);
        }
        let attachment = Attachment {
            device: device.name,
            queues: device.queues.len(),
            offloads: device.offloads,
            persistent: device.persistent,
        };
        let workers =
            Workers::start(device.queues, shared.clone(), &boot.failures).await.map_err(Error::Thread)?;
        let sources = Sources {
            workers: workers.counters(),
            merging: Arc::clone(&shared.merging),
            pool: Arc::clone(&pool),
            persist_failures,
        };
        boot.registry.register_collector(Box::new(sources.clone()));

        let routes = if nat64.configure_interface {
            netlink.bring_up(&link, nat64.mtu, TX_QUEUE_LEN).await?;
            let routes = Routes::new(netlink, Link { mtu: nat64.mtu.into(), ..link });
            routes.commit(routes.add(&plan.routes).await?, &plan.routes);
            tracing::info!(
                device = nat64.device,
                routes = plan.routes.len(),
                "the device is up, routes lead to it"
            );
            latch.open();
            Some(routes)
        } else {
            warn_of_mtu(&link, nat64.mtu);
            tokio::spawn(open_when_up(netlink, link, latch));
            None
        };
        let drain = Arc::new(Drain::new(Arc::clone(&shared.translator), pool, routes, plan.routes));
        let sweeping = Arc::clone(&drain);
        let sweeper = tokio::spawn(async move { sweeping.run().await });
        Ok(Self { shared, workers, keeper, keeps_leases, drain, sweeper, attachment, sources })
    }

    async fn prepare(&self, model: Arc<Gateway>, diff: &Diff) -> Result<Prepared, Error> {
        let plan = Plan::of(&model)?;
        let state = if self.keeps_leases.get() { None } else { State::wanted(&plan)? };
        let added = self.drain.prepare(&plan.routes).await?;
        let unmanaged = match self.drain.routes() {
            Some(_) => None,
            None => Netlink::connect()?.link(&self.attachment.device).await?,
        };
        let mtu = diff.nat64.changed().and_then(|nat64| nat64.mtu.as_ref()).map(|mtu| mtu.new);
        Ok(Prepared { plan, state, mtu, added, unmanaged })
    }

    fn commit(&self, Prepared { plan, state, mtu, added, unmanaged }: Prepared) {
        if let Some(mtu) = mtu {
            match (self.drain.routes(), unmanaged) {
                (Some(routes), _) => routes.set_mtu(mtu),
                (None, Some(link)) => warn_of_mtu(&link, mtu),
                // The workers report a device that is gone.
                (None, None) => {}
            }
        }
        let mut file = None;
        self.drain.commit(plan.range, plan.translator, plan.routes, added, unix_time(), |pool| {
            file = state.map(|state| restore(pool, state));
        });
        self.shared.drop_log.set(plan.drop_log);
        if let Some(file) = file {
            self.keeper.keep_in(file);
            self.keeps_leases.set(true);
        }
    }

    fn sync(&self) {
        self.keeper.write();
    }

    fn routes(&self) -> axum::Router {
        admin::routes(self.sources.clone())
            .merge(explain::routes(Arc::clone(&self.shared.translator), self.sources.clone()))
    }

    fn tables(&self) -> Box<dyn Fn() -> Vec<Table> + Send + Sync> {
        let (attachment, sources) = (self.attachment.clone(), self.sources.clone());
        Box::new(move || status::tables(&attachment, &sources))
    }

    async fn drain(self) {
        self.sweeper.abort();
        // A device that vanishes takes its routes along; one that stays would go on collecting packets for nobody.
        if let Some(routes) = self.drain.routes().filter(|_| self.attachment.persistent) {
            routes.close().await;
        }
        let (workers, keeper) = (self.workers, self.keeper);
        let stopped = tokio::task::spawn_blocking(move || {
            workers.stop();
            keeper.stop();
        });
        if stopped.await.is_err() {
            tracing::error!("the workers could not be stopped in order");
        }
    }
}

/// Takes back the leases of an earlier run and returns the file that is to keep them.
fn restore(pool: &SharedPool, State { file, leases }: State) -> StateFile {
    let misfits = pool.restore(&leases, unix_time());
    for (lease, misfit) in &misfits {
        tracing::debug!(v4 = %lease.v4, v6 = %lease.v6, %misfit, "a lease of an earlier run is given up");
    }
    let path = file.path().display();
    tracing::info!(%path, leases = leases.len() - misfits.len(), given_up = misfits.len(), "leases restored");
    file
}

/// What the workers share.
fn share(plan: &Plan, pool: Arc<SharedPool>, offloads: Offloads, nat64: &Nat64) -> Result<Shared, Error> {
    let stop = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK);
    let (drop_log, printer) = DropLog::new(nat64.drop_log);
    tokio::spawn(printer.run());
    Ok(Shared {
        translator: Arc::new(ArcSwap::from_pointee(plan.translator.clone())),
        pool,
        merging: Arc::new(Merging::new(offloads.merge(), warn_of_refusal)),
        drop_log,
        stop: Arc::new(stop.map_err(|errno| Error::EventFd(errno.into()))?),
    })
}

/// A pool whose every address is explicitly mapped has none to give.
fn swallowed_pool(nat64: &Nat64) -> Vec<Refusal> {
    let Some(pool) = nat64.dynamic_pool else { return Vec::new() };
    let wider = nat64.map.iter().enumerate().filter(|(_, map)| map.v4.contains(&pool));
    wider
        .map(|(index, map)| Refusal {
            path: format!("nat64.map[{index}].v4"),
            message: format!(
                "{} holds all of nat64.dynamic_pool ({pool}), and maps go before the pool",
                map.v4
            ),
            help: "map fewer addresses, or move the pool".into(),
        })
        .collect()
}

fn warn_of_closed_switches() {
    for switch in forwarding::switched_off() {
        tracing::warn!(switch, "the kernel does not pass packets on: run `sysctl -w {switch}=1`");
    }
}

async fn open_device(netlink: &Netlink, nat64: &Nat64, plan: &Plan) -> Result<Device, Error> {
    let wanted = match nat64.workers {
        0 => service::cores(),
        workers => workers.into(),
    };
    let existing = netlink.link(&nat64.device).await?;
    let main = plan.translator.params().prefixes.iter().next();
    let prefix = main.map_or(Ipv6Addr::UNSPECIFIED, |prefix| prefix.embed(Ipv4Addr::UNSPECIFIED));
    let queues = Queues { count: wanted, prefix };
    let device = Device::open(&nat64.device, existing.as_ref(), queues, nat64.offload)?;
    let queues = device.queues.len();
    if let Some(limit) = &device.limit {
        tracing::warn!(device = device.name, wanted, %limit, "the device has one queue, and so one worker");
    }
    let Offloads { checksum, tcp, udp } = device.offloads;
    tracing::info!(
        device = device.name,
        queues,
        checksum,
        tcp,
        udp,
        persistent = device.persistent,
        "attached to the device"
    );
    // Nothing below loads a program.
    service::give_up(Capability::CAP_BPF).map_err(Error::Privileges)?;
    Ok(device)
}

/// Said once, by the worker that meets the first super-packet that the kernel refuses.
fn warn_of_refusal() {
    tracing::warn!(
        "the kernel refuses a super-packet that it should take: packets are no longer merged, and what it refuses \
         is cut; a newer kernel, or nat64.offload = \"off\", saves that work"
    );
}

/// Where others look after the device, its MTU may not be what the translator goes by.
fn warn_of_mtu(link: &Link, configured: u16) {
    if link.mtu != u32::from(configured) {
        tracing::warn!(
            device = link.name,
            mtu = link.mtu,
            configured,
            "the device's MTU is not nat64.mtu: packets too big for one or the other will be lost"
        );
    }
}

/// Says that packets can come, once somebody has brought the device up.
async fn open_when_up(netlink: Netlink, link: Link, latch: Latch) {
    let mut ticks = tokio::time::interval(LINK_POLL_INTERVAL);
    let mut watch = Watch::default();
    loop {
        ticks.tick().await;
        match watch.judge(&link.name, netlink.link(&link.name).await) {
            Sight::Up => break,
            Sight::Waiting => {}
            // The workers report a device that is gone.
            Sight::Gone => return,
        }
    }
    tracing::info!(device = link.name, "the device is up");
    latch.open();
}

/// What a look at a device says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sight {
    Up,
    Waiting,
    Gone,
}

/// What has been said of a device that is not up, so that it is said once.
#[derive(Default)]
struct Watch {
    is_announced: bool,
    is_failing: bool,
}

impl Watch {
    /// A failed look says nothing about the device: the next one may succeed.
    fn judge(&mut self, device: &str, found: Result<Option<Link>, NetlinkError>) -> Sight {
        let has_failed = std::mem::replace(&mut self.is_failing, found.is_err());
        match found {
            Ok(Some(link)) if link.is_up => return Sight::Up,
            Ok(None) => return Sight::Gone,
            Ok(Some(_)) if !self.is_announced => {
                tracing::info!(device, "waiting for the device to be brought up");
                self.is_announced = true;
            }
            Err(error) if !has_failed => {
                tracing::warn!(device, %error, cause = cause(&error), "cannot see whether the device is up: trying on");
            }
            Ok(Some(_)) | Err(_) => {}
        }
        Sight::Waiting
    }
}

#[cfg(test)]
mod tests;
