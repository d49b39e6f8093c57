//! What `options` alone says: where named listens, whom it never hears, and what it tells of itself.

use super::super::draft::Spot;
use super::acl::Acl;
use super::dns64::boolean;
use super::scope::{self, Clause, Reading, port};
use super::statement::Statement;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The clauses of `options` that no view has.
#[derive(Debug, Default)]
pub(super) struct Server {
    pub(super) v4: Listening,
    pub(super) v6: Listening,
    pub(super) blackhole: Option<(Spot, Acl)>,
    pub(super) cookies: Option<(Spot, bool)>,
    /// What clients are told that ask which server it is.
    pub(super) id: Option<(Spot, String)>,
}

/// Where named listens in one family.
#[derive(Debug, Default)]
pub(super) struct Listening {
    /// Where the first clause about it stands; without one named listens at every address.
    pub(super) spot: Option<Spot>,
    pub(super) list: Vec<SocketAddr>,
}

/// The clauses that are honoured.
const CLAUSES: &[Clause<Server>] = &[
    ("listen-on", |server, clause, reading| {
        listen(&mut server.v4, clause, reading, "listen-on", IpAddr::is_ipv4)
    }),
    ("listen-on-v6", |server, clause, reading| {
        listen(&mut server.v6, clause, reading, "listen-on-v6", IpAddr::is_ipv6)
    }),
    // It is read before all others, which go by it.
    ("port", |_, _, _| Ok(())),
    ("blackhole", |server, clause, reading| {
        server.blackhole = Some((clause.spot.clone(), reading.list(clause, "blackhole")?));
        Ok(())
    }),
    ("answer-cookie", |server, clause, _| {
        server.cookies = Some((clause.spot.clone(), boolean(clause)?));
        Ok(())
    }),
    ("server-id", |server, clause, reading| {
        match clause.value()? {
            "none" => {}
            "hostname" => {
                reading.lose(&clause.spot, "server-id", "hostname is not honoured: write it to dns64.nsid");
            }
            name => server.id = Some((clause.spot.clone(), name.to_owned())),
        }
        Ok(())
    }),
];

impl Server {
    /// Takes `clause`; `false` says that it is none of these.
    pub(super) fn take(&mut self, clause: &Statement, reading: &mut Reading<'_, '_>) -> bool {
        scope::take(CLAUSES, self, clause, reading)
    }
}

/// The names of the clauses that are honoured.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    CLAUSES.iter().map(|(name, _)| *name)
}

/// `listen-on [ port N ] [ tls NAME ] [ http NAME ] { LIST }`: single addresses, or all of a family.
fn listen(
    own: &mut Listening,
    clause: &Statement,
    reading: &mut Reading<'_, '_>,
    directive: &'static str,
    of_family: fn(&IpAddr) -> bool,
) -> Result<(), String> {
    own.spot.get_or_insert_with(|| clause.spot.clone());
    let words = clause.words();
    let kind = words.iter().find(|word| ["tls", "http"].contains(word) && !words.contains(&"none"));
    if let Some(kind) = kind {
        let key = if *kind == "tls" && !words.contains(&"http") { "listen_tls" } else { "listen_https" };
        let why = format!("{kind} is not honoured: set dns64.{key} and dns64.tls.certificates");
        reading.lose(&clause.spot, directive, why);
        return Ok(());
    }
    let port = port(clause, &words, reading.port)?;
    let acl = reading.list(clause, directive)?;
    for (net, allow) in acl.rules.iter().filter(|(net, _)| of_family(&net.addr())) {
        let place = match (net.prefix_len(), allow) {
            (0, true) => Ok(net.addr()),
            (len, true) if len == net.max_prefix_len() => Ok(net.addr()),
            (_, true) if net.contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)) && net.addr().is_loopback() => {
                Ok(Ipv4Addr::LOCALHOST.into())
            }
            // What else is not listened at is left out all the same.
            (_, false) if acl.rules.iter().all(|(_, allow)| !allow) => continue,
            (_, false) => Err(format!("!{net} is not honoured: list the addresses to listen at")),
            (_, true) => Err(format!("{net} is not honoured: list this machine's addresses in it")),
        };
        match place {
            Ok(ip) if own.list.contains(&SocketAddr::new(ip, port)) => {}
            Ok(ip) => own.list.push(SocketAddr::new(ip, port)),
            Err(why) => reading.lose(&clause.spot, directive, why),
        }
    }
    Ok(())
}
