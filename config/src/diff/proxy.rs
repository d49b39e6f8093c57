//! `[proxy]`: which keys are compared, under which path.

mod cookie;
mod rule;

use super::pairing::Listed;
use super::record::Record;
use super::{Changed, Keyed};
use crate::literal::{Literal, Size};
use crate::model::{
    Check, Forwarding, Hsts, Listener, Member, Passive, PerSource, Pool, PoolTls, Proxy, ProxyLog,
    ProxyTimeouts, RequestLimits, SniRoute, Stick, Tls,
};

/// What differs in `[proxy]`; `None` where a key stayed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of model::Proxy")]
pub struct ProxyDiff {
    pub workers: Option<Changed<u16>>,
    pub timeout: Option<Changed<ProxyTimeouts>>,
    pub log: Option<Changed<ProxyLog>>,
    pub listener: Keyed<Listener>,
    pub pool: Keyed<Pool, PoolDiff>,
}

/// What differs in one `[[proxy.pool]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolDiff {
    /// The pool before and after.
    pub pool: Changed<Pool>,
    /// What became of its members.
    pub member: Keyed<Member>,
}

pub(super) fn proxy(record: &mut Record, old: &Proxy, new: &Proxy) -> ProxyDiff {
    ProxyDiff {
        workers: record.key("proxy.workers", &old.workers, &new.workers),
        timeout: timeout(record, "proxy.timeout", old.timeout, new.timeout),
        log: log(record, &old.log, &new.log),
        listener: record.keyed(
            "proxy.listener",
            (&old.listener, &new.listener),
            |listener| listener.name.clone(),
            |listener| format!("{} to pool {}", listener.bind.literal(), listener.pool),
            listener,
        ),
        pool: record.keyed(
            "proxy.pool",
            (&old.pool, &new.pool),
            |pool| pool.name.clone(),
            |pool| match pool.member.len() {
                1 => "1 member".to_owned(),
                many => format!("{many} members"),
            },
            pool,
        ),
    }
}

fn timeout(
    record: &mut Record,
    path: &str,
    old: ProxyTimeouts,
    new: ProxyTimeouts,
) -> Option<Changed<ProxyTimeouts>> {
    record.key(format_args!("{path}.connect"), &old.connect, &new.connect);
    record.key(format_args!("{path}.queue"), &old.queue, &new.queue);
    record.key(format_args!("{path}.client"), &old.client, &new.client);
    record.key(format_args!("{path}.server"), &old.server, &new.server);
    record.key(format_args!("{path}.tunnel"), &old.tunnel, &new.tunnel);
    record.key(format_args!("{path}.client_fin"), &old.client_fin, &new.client_fin);
    record.key(format_args!("{path}.server_fin"), &old.server_fin, &new.server_fin);
    record.key(format_args!("{path}.handshake"), &old.handshake, &new.handshake);
    record.key(format_args!("{path}.request_head"), &old.request_head, &new.request_head);
    record.key(format_args!("{path}.keep_alive"), &old.keep_alive, &new.keep_alive);
    record.key(format_args!("{path}.udp"), &old.udp, &new.udp);
    (old != new).then_some(Changed { old, new })
}

fn log(record: &mut Record, old: &ProxyLog, new: &ProxyLog) -> Option<Changed<ProxyLog>> {
    record.key("proxy.log.format", &old.format, &new.format);
    record.key("proxy.log.to", &old.to, &new.to);
    record.key("proxy.log.facility", &old.facility, &new.facility);
    record.key("proxy.log.tag", &old.tag, &new.tag);
    (old != new).then(|| Changed { old: old.clone(), new: new.clone() })
}

fn listener(record: &mut Record, path: &str, old: &Listener, new: &Listener) -> Changed<Listener> {
    record.key(format_args!("{path}.bind"), &old.bind, &new.bind);
    record.key(format_args!("{path}.v6only"), &old.v6only, &new.v6only);
    record.optional(format_args!("{path}.interface"), old.interface.as_ref(), new.interface.as_ref());
    record.key(format_args!("{path}.freebind"), &old.freebind, &new.freebind);
    record.key(format_args!("{path}.socket_mode"), &old.socket_mode, &new.socket_mode);
    record.key(format_args!("{path}.mode"), &old.mode, &new.mode);
    let most = format_args!("{path}.max_connections");
    record.optional(most, old.max_connections.as_ref(), new.max_connections.as_ref());
    record.optional(format_args!("{path}.allow_from"), old.allow_from.as_ref(), new.allow_from.as_ref());
    per_source(record, &format!("{path}.per_source"), old.per_source, new.per_source);
    let proxies = format_args!("{path}.proxy_protocol_from");
    record.key(proxies, &old.proxy_protocol_from, &new.proxy_protocol_from);
    timeout(record, &format!("{path}.timeout"), old.timeout, new.timeout);
    tls(record, &format!("{path}.tls"), old.tls.as_ref(), new.tls.as_ref());
    record.listed(&format!("{path}.sni"), &old.sni, &new.sni);
    record.listed(&format!("{path}.rule"), &old.rule, &new.rule);
    record.key(format_args!("{path}.pool"), &old.pool, &new.pool);
    forwarding(record, path, &old.forwarding, &new.forwarding);
    limits(record, &format!("{path}.limits"), old.limits, new.limits);
    record.key(format_args!("{path}.errors"), &old.errors, &new.errors);
    record.key(format_args!("{path}.compression"), &old.compression, &new.compression);
    hsts(record, &format!("{path}.hsts"), old.hsts, new.hsts);
    Changed { old: old.clone(), new: new.clone() }
}

fn hsts(record: &mut Record, path: &str, old: Option<Hsts>, new: Option<Hsts>) {
    if let (Some(old), Some(new)) = (old, new) {
        record.key(format_args!("{path}.max_age"), &old.max_age, &new.max_age);
        record.key(format_args!("{path}.subdomains"), &old.subdomains, &new.subdomains);
        record.key(format_args!("{path}.preload"), &old.preload, &new.preload);
    } else {
        record.table(path, old.is_some(), new.is_some());
    }
}

fn limits(record: &mut Record, path: &str, old: RequestLimits, new: RequestLimits) {
    record.key(format_args!("{path}.head"), &Size(old.head.into()), &Size(new.head.into()));
    record.key(format_args!("{path}.fields"), &old.fields, &new.fields);
    record.key(format_args!("{path}.line"), &Size(old.line.into()), &Size(new.line.into()));
    record.optional(format_args!("{path}.body_rate"), old.body_rate.as_ref(), new.body_rate.as_ref());
    record.key(format_args!("{path}.streams"), &old.streams, &new.streams);
}

/// `path` is that of the listener, whose own keys they are.
fn forwarding(record: &mut Record, path: &str, old: &Forwarding, new: &Forwarding) {
    record.key(format_args!("{path}.forwarded_for"), &old.forwarded_for, &new.forwarded_for);
    record.key(format_args!("{path}.forwarded_for_header"), &old.header, &new.header);
    record.key(format_args!("{path}.forwarded_for_except"), &old.except, &new.except);
    record.key(format_args!("{path}.forwarded_for_if_none"), &old.if_none, &new.if_none);
    record.key(format_args!("{path}.forwarded_headers"), &old.fields, &new.fields);
    record.key(format_args!("{path}.trusted_proxies"), &old.trusted_proxies, &new.trusted_proxies);
    let hops = format_args!("{path}.trusted_hops");
    record.optional(hops, old.trusted_hops.as_ref(), new.trusted_hops.as_ref());
    record.key(format_args!("{path}.client_certificate_headers"), &old.certificate, &new.certificate);
}

fn per_source(record: &mut Record, path: &str, old: PerSource, new: PerSource) {
    record.optional(format_args!("{path}.connections"), old.connections.as_ref(), new.connections.as_ref());
    record.optional(format_args!("{path}.rate"), old.rate.as_ref(), new.rate.as_ref());
    record.key(format_args!("{path}.prefix_v6"), &old.prefix_v6, &new.prefix_v6);
    record.key(format_args!("{path}.prefix_v4"), &old.prefix_v4, &new.prefix_v4);
}

fn tls(record: &mut Record, path: &str, old: Option<&Tls>, new: Option<&Tls>) {
    match (old, new) {
        (Some(old), Some(new)) => {
            record.key(format_args!("{path}.certificates"), &old.certificates, &new.certificates);
            record.key(format_args!("{path}.alpn"), &old.alpn, &new.alpn);
            record.optional(format_args!("{path}.client_ca"), old.client_ca.as_ref(), new.client_ca.as_ref());
            record.key(format_args!("{path}.client_auth"), &old.client_auth, &new.client_auth);
            record.key(format_args!("{path}.min_version"), &old.min_version, &new.min_version);
        }
        (None, None) => {}
        (old, new) => {
            let brief = |tls: &Tls| tls.certificates.literal();
            record.present(path, old.map(brief), new.map(brief));
        }
    }
}

/// A name stands once among all of them, so that their order decides nothing.
impl Listed for SniRoute {
    const ORDER_DECIDES: bool = false;

    fn is_like(&self, other: &Self) -> bool {
        self.names.iter().any(|name| other.names.contains(name))
    }

    fn brief(&self) -> String {
        format!("{} to pool {}", self.names.literal(), self.pool)
    }

    fn compare(&self, new: &Self, record: &mut Record, path: &str) {
        record.key(format_args!("{path}.names"), &self.names, &new.names);
        record.key(format_args!("{path}.pool"), &self.pool, &new.pool);
    }
}

fn pool(record: &mut Record, path: &str, old: &Pool, new: &Pool) -> PoolDiff {
    record.key(format_args!("{path}.balance"), &old.balance, &new.balance);
    record.key(format_args!("{path}.source_prefix_v6"), &old.source_prefix_v6, &new.source_prefix_v6);
    record.key(format_args!("{path}.retries"), &old.retries, &new.retries);
    record.key(format_args!("{path}.redispatch"), &old.redispatch, &new.redispatch);
    record.key(format_args!("{path}.max_queue"), &old.max_queue, &new.max_queue);
    record.key(format_args!("{path}.slow_start"), &old.slow_start, &new.slow_start);
    record.key(format_args!("{path}.proxy_protocol"), &old.proxy_protocol, &new.proxy_protocol);
    record.key(format_args!("{path}.protocol"), &old.protocol, &new.protocol);
    record.key(format_args!("{path}.http_reuse"), &old.http_reuse, &new.http_reuse);
    pool_tls(record, &format!("{path}.tls"), old.tls.as_ref(), new.tls.as_ref());
    cookie::compare(record, &format!("{path}.cookie"), old.cookie.as_ref(), new.cookie.as_ref());
    let app_cookies = (old.app_cookie.as_ref(), new.app_cookie.as_ref());
    cookie::compare_app(record, &format!("{path}.app_cookie"), app_cookies.0, app_cookies.1);
    stick(record, &format!("{path}.stick"), old.stick, new.stick);
    passive(record, &format!("{path}.passive"), old.passive, new.passive);
    check(record, &format!("{path}.check"), &old.check, &new.check);
    let member = record.keyed(
        &format!("{path}.member"),
        (&old.member, &new.member),
        |member| member.name.clone(),
        |member| member.address.literal(),
        member,
    );
    PoolDiff { pool: Changed { old: old.clone(), new: new.clone() }, member }
}

fn pool_tls(record: &mut Record, path: &str, old: Option<&PoolTls>, new: Option<&PoolTls>) {
    if let (Some(old), Some(new)) = (old, new) {
        record.optional(
            format_args!("{path}.server_name"),
            old.server_name.as_ref(),
            new.server_name.as_ref(),
        );
        record.optional(format_args!("{path}.ca"), old.ca.as_ref(), new.ca.as_ref());
        record.key(format_args!("{path}.verify"), &old.verify, &new.verify);
        record.optional(
            format_args!("{path}.certificate"),
            old.certificate.as_ref(),
            new.certificate.as_ref(),
        );
    } else {
        record.table(path, old.is_some(), new.is_some());
    }
}

fn stick(record: &mut Record, path: &str, old: Option<Stick>, new: Option<Stick>) {
    if let (Some(old), Some(new)) = (old, new) {
        record.key(format_args!("{path}.size"), &old.size, &new.size);
        record.key(format_args!("{path}.expire"), &old.expire, &new.expire);
        record.key(format_args!("{path}.prefix_v6"), &old.prefix_v6, &new.prefix_v6);
        record.key(format_args!("{path}.prefix_v4"), &old.prefix_v4, &new.prefix_v4);
    } else {
        record.table(path, old.is_some(), new.is_some());
    }
}

fn passive(record: &mut Record, path: &str, old: Option<Passive>, new: Option<Passive>) {
    if let (Some(old), Some(new)) = (old, new) {
        record.key(format_args!("{path}.failures"), &old.failures, &new.failures);
        record.key(format_args!("{path}.window"), &old.window, &new.window);
        record.key(format_args!("{path}.ejection"), &old.ejection, &new.ejection);
    } else {
        record.table(path, old.is_some(), new.is_some());
    }
}

fn check(record: &mut Record, path: &str, old: &Check, new: &Check) {
    record.key(format_args!("{path}.kind"), &old.kind, &new.kind);
    record.key(format_args!("{path}.interval"), &old.interval, &new.interval);
    record.key(format_args!("{path}.fast_interval"), &old.fast_interval, &new.fast_interval);
    record.key(format_args!("{path}.timeout"), &old.timeout, &new.timeout);
    record.key(format_args!("{path}.rise"), &old.rise, &new.rise);
    record.key(format_args!("{path}.fall"), &old.fall, &new.fall);
    record.optional(format_args!("{path}.port"), old.port.as_ref(), new.port.as_ref());
    record.optional(format_args!("{path}.address"), old.address.as_ref(), new.address.as_ref());
    record.key(format_args!("{path}.proxy_protocol"), &old.proxy_protocol, &new.proxy_protocol);
    record.optional(format_args!("{path}.server_name"), old.server_name.as_ref(), new.server_name.as_ref());
    let (old, new) = (&old.http, &new.http);
    record.key(format_args!("{path}.protocol"), &old.protocol, &new.protocol);
    record.key(format_args!("{path}.method"), &old.method, &new.method);
    record.key(format_args!("{path}.path"), &old.path, &new.path);
    record.optional(format_args!("{path}.host"), old.host.as_ref(), new.host.as_ref());
    record.key(format_args!("{path}.headers"), &old.headers, &new.headers);
    record.key(format_args!("{path}.expect_status"), &old.expect_status, &new.expect_status);
    record.optional(format_args!("{path}.expect_body"), old.expect_body.as_ref(), new.expect_body.as_ref());
}

fn member(record: &mut Record, path: &str, old: &Member, new: &Member) -> Changed<Member> {
    record.key(format_args!("{path}.address"), &old.address, &new.address);
    record.key(format_args!("{path}.weight"), &old.weight, &new.weight);
    record.key(format_args!("{path}.backup"), &old.backup, &new.backup);
    let most = format_args!("{path}.max_connections");
    record.optional(most, old.max_connections.as_ref(), new.max_connections.as_ref());
    record.key(format_args!("{path}.state"), &old.state, &new.state);
    record.optional(format_args!("{path}.cookie"), old.cookie.as_ref(), new.cookie.as_ref());
    Changed { old: old.clone(), new: new.clone() }
}
