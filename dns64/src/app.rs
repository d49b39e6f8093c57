//! The composition root: builds the daemon in the order of its boot log.

use crate::admin;
use crate::certificate;
use crate::encryption::Encryption;
use crate::error::Error;
use crate::explain;
use crate::flush;
use crate::gate::Gate;
use crate::hosts::source::Sources;
use crate::hosts::watch;
use crate::listen::{self, Endpoint};
use crate::metrics::Metrics;
use crate::own_address;
use crate::query_log::{self, Note};
use crate::reload::Prepared;
use crate::resolver::Shared;
use crate::snapshot::{self, Snapshot};
use crate::status;
use crate::upstream::probe;
use crate::worker::Worker;
use config::model::Dns64;
use config::{Diff, Gateway, Refusal, Section};
use service::tls;
use service::{Boot, Capability, Daemon, Explain, Order, Table};
use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The daemon.
#[derive(Debug)]
pub struct App {
    pub(crate) shared: Arc<Shared>,
    pub(crate) workers: Vec<Worker>,
    pub(crate) encryption: Arc<Encryption>,
    /// What every worker listens on.
    pub(crate) listening: RefCell<Vec<Endpoint>>,
    prober: JoinHandle<()>,
    /// Reads hosts files and leases again.
    pub(crate) watcher: RefCell<JoinHandle<()>>,
    rotation: JoinHandle<()>,
    logger: query_log::Writer,
}

impl Daemon for App {
    const NAME: &'static str = "causeway-dns64";
    const ABOUT: &'static str = "Answers AAAA questions for names that only have A records (DNS64, RFC 6147)";
    const SECTION: Section = Section::Dns64;
    const CAPABILITIES: &'static [Capability] = &[Capability::CAP_NET_BIND_SERVICE];
    const EXPLAIN: Option<Explain> = Some(explain::COMMAND);
    const ORDERS: &'static [Order] = &[flush::COMMAND];
    type Error = Error;
    type Prepared = Prepared;

    fn check(_model: &Gateway) -> Vec<Refusal> {
        Vec::new()
    }

    fn check_files(model: &Gateway) -> Vec<Refusal> {
        let Some(dns64) = &model.dns64 else { return Vec::new() };
        let mut refusals = certificate::refusals(dns64);
        refusals.extend(snapshot::untrusted(dns64));
        refusals.extend(own_address::refusals(dns64));
        refusals
    }

    fn advise(model: &Gateway) -> Vec<String> {
        let Some(dns64) = &model.dns64 else { return Vec::new() };
        let mut advice = open_to_strangers(dns64);
        advice.extend(tls::warnings(&dns64.certificates));
        advice
    }

    async fn start(model: Arc<Gateway>, boot: &mut Boot<'_>) -> Result<Self, Error> {
        let serving = boot.readiness.latch("listeners");
        let prefix = model.prefix.as_ref().ok_or(Error::Section("prefix"))?;
        let dns64 = model.dns64.as_ref().ok_or(Error::Section("dns64"))?;

        let metrics = Arc::new(Metrics::new(boot.registry));
        let bundles = certificate::load(dns64)?;
        let snapshot = Snapshot::new(prefix, dns64, Arc::clone(&metrics), None)?.designating(dns64, &bundles);
        let gate = Gate::new(random()?, random()?);
        let shared = Arc::new(Shared::new(snapshot, gate, metrics));
        let mut sources = Sources::new(&dns64.names);
        let hosts = sources.load();
        tracing::info!(names = hosts.fixed.len(), leases = hosts.leases.len(), "hosts read");
        shared.serve_hosts(Arc::new(hosts));
        tracing::info!(pref64 = %prefix.pref64, upstreams = dns64.upstream.len(), "policy and upstreams ready");

        certificate::announce(&bundles, shared.metrics());
        let encryption = Arc::new(Encryption::new(bundles)?);

        let workers = listen(dns64, &shared, &encryption, &boot.failures).await?;
        let prober = tokio::spawn({
            let shared = Arc::clone(&shared);
            probe::run(move || shared.snapshot().upstreams.members().to_vec())
        });
        let watcher = RefCell::new(tokio::spawn(watch::run(Arc::clone(&shared), sources)));
        let rotation = tokio::spawn(change_secrets(Arc::clone(&shared)));
        let logger =
            query_log::Writer::start(Arc::clone(shared.query_log()), Note::write).map_err(Error::QueryLog)?;
        serving.open();
        let listening = RefCell::new(listen::endpoints(dns64));
        Ok(Self { shared, workers, encryption, listening, prober, watcher, rotation, logger })
    }

    fn stale(&self, model: &Gateway) -> Vec<String> {
        let Some(dns64) = &model.dns64 else { return Vec::new() };
        let mut lines = certificate::changed(dns64, &self.encryption.certificates);
        if self.shared.snapshot().upstreams.is_trust_stale(dns64.upstream_ca.as_deref()) {
            lines.push("dns64.upstream_ca: others may vouch for upstreams".to_owned());
        }
        lines
    }

    async fn prepare(&self, model: Arc<Gateway>, _diff: &Diff) -> Result<Prepared, Error> {
        self.prepare_change(&model)
    }

    fn commit(&self, prepared: Prepared) {
        self.commit_change(prepared);
    }

    fn routes(&self) -> axum::Router {
        admin::routes(Arc::clone(&self.shared))
    }

    fn tables(&self) -> Box<dyn Fn() -> Vec<Table> + Send + Sync> {
        let shared = Arc::clone(&self.shared);
        Box::new(move || status::tables(&shared))
    }

    async fn drain(self) {
        self.prober.abort();
        self.watcher.borrow().abort();
        self.rotation.abort();
        let draining: Vec<_> = self.workers.into_iter().map(Worker::drain).collect();
        for drained in draining {
            // A worker that is gone has nothing left to finish.
            let _ = drained.await;
        }
        self.logger.end(LAST_LINES_LIMIT).await;
    }
}

/// How long the log of queries may take for the lines that wait at the end.
const LAST_LINES_LIMIT: Duration = Duration::from_secs(1);

/// How long the secret of cookies stays; cookies of the one before count as long again (RFC 7873 §7.1).
const SECRET_LIFETIME: Duration = Duration::from_secs(86_400);

/// Changes the secret of cookies from time to time.
async fn change_secrets(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(SECRET_LIFETIME).await;
        match random() {
            Ok(fresh) => shared.gate().rotate(fresh),
            Err(error) => tracing::warn!(%error, "the secret of DNS cookies stays"),
        }
    }
}

fn random<const LEN: usize>() -> Result<[u8; LEN], Error> {
    let mut octets = [0; LEN];
    getrandom::fill(&mut octets).map_err(|error| Error::Random(error.into()))?;
    Ok(octets)
}

/// Where anybody may ask: answers to forged questions are a weapon (RFC 5358).
fn open_to_strangers(dns64: &Dns64) -> Vec<String> {
    if dns64.admission.allow_from.is_some() {
        return Vec::new();
    }
    let open = listen::endpoints(dns64).into_iter().filter(|endpoint| is_reachable(endpoint.address.ip()));
    open.map(|Endpoint { kind, address }| {
        format!("{}: anybody who reaches {address} may ask; name the clients in dns64.allow_from", kind.key())
    })
    .collect()
}

/// Whether strangers may reach a socket at `ip`.
fn is_reachable(ip: IpAddr) -> bool {
    match ip {
        _ if ip.is_unspecified() => true,
        IpAddr::V4(v4) => addr::special::is_global_v4(v4),
        // 2000::/3, all that is given out as global unicast (RFC 4291 §2.4).
        IpAddr::V6(v6) => v6.octets()[0] >> 5 == 1,
    }
}

/// Binds every address for every worker, starts the workers, and waits until all of them serve.
async fn listen(
    dns64: &Dns64,
    shared: &Arc<Shared>,
    encryption: &Arc<Encryption>,
    failures: &mpsc::UnboundedSender<String>,
) -> Result<Vec<Worker>, Error> {
    let count = worker_count(dns64);
    let endpoints = listen::endpoints(dns64);
    let sockets = listen::bind_all(&endpoints, &[], count)?;
    let start = |index| Worker::start(index, Arc::clone(shared), Arc::clone(encryption), failures.clone());
    let workers = (0..count).map(start).collect::<Result<Vec<_>, _>>()?;
    let mut serving = Vec::new();
    for bound in sockets {
        serving.extend(workers.iter().zip(bound).map(|(worker, bound)| worker.serve(bound)));
    }
    for served in serving {
        served.await.map_err(|_| Error::WorkerGone)?;
    }
    tracing::info!(addresses = endpoints.len(), workers = count, "listening");
    Ok(workers)
}

/// How many workers `dns64.workers` asks for.
fn worker_count(dns64: &Dns64) -> usize {
    match dns64.workers {
        0 => service::cores(),
        count => usize::from(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_of_every_kind_that_strangers_reach_are_warned_of_unless_the_file_says_who_may_ask() {
        let advice = |more: &str| {
            let text = format!(
                "[prefix]\npref64 = \"64:ff9b::/96\"\n[dns64]\nupstream = [\"192.0.2.53\"]\n\
                 tls = {{ certificates = [\"/x.pem\"] }}\n{more}"
            );
            let model = config::parse(&text, "gateway.toml").unwrap_or_else(|error| panic!("{error}")).model;
            open_to_strangers(&model.dns64.unwrap())
        };
        let listeners = "listen = [\"10.0.0.1\"]\nlisten_tls = [\"[::]\"]\nlisten_https = [\"9.9.9.9\"]\n\
                         listen_quic = [\"[2620:fe::1]\", \"[fd00::1]\"]\n";
        let said = advice(listeners);
        assert_eq!(said.len(), 3, "{said:#?}");
        for (line, parts) in said.iter().zip([
            ["dns64.listen_tls", "[::]:853"],
            ["dns64.listen_https", "9.9.9.9:443"],
            ["dns64.listen_quic", "[2620:fe::1]:853"],
        ]) {
            assert!(parts.iter().all(|part| line.contains(part)), "{parts:?} in {line}");
        }
        assert_eq!(advice(&format!("{listeners}allow_from = [\"10.0.0.0/8\"]\n")), [""; 0]);
        assert_eq!(advice(""), [""; 0], "the default is this host alone");
    }
}
