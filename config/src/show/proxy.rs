//! `[proxy]`.

mod cookie;
mod rule;

use super::Page;
use crate::literal::Size;
use crate::model::{
    Check, CheckKind, Endpoint, Forwarding, Listener, Member, Mode, Pool, Proxy, ProxyTimeouts, SniRoute,
};

pub(super) fn write(page: &mut Page, proxy: &Proxy) {
    page.table("proxy");
    page.key("workers", &proxy.workers);
    page.table("proxy.timeout");
    timeouts(page, &proxy.timeout);
    page.table("proxy.log");
    page.key("format", &proxy.log.format);
    page.key("to", &proxy.log.to);
    page.key("facility", &proxy.log.facility);
    page.key("tag", &proxy.log.tag);
    for one in &proxy.listener {
        listener(page, one);
    }
    for one in &proxy.pool {
        pool(page, one);
    }
}

fn timeouts(page: &mut Page, timeout: &ProxyTimeouts) {
    page.key("connect", &timeout.connect);
    page.key("queue", &timeout.queue);
    page.key("client", &timeout.client);
    page.key("server", &timeout.server);
    page.key("tunnel", &timeout.tunnel);
    page.key("client_fin", &timeout.client_fin);
    page.key("server_fin", &timeout.server_fin);
    page.key("handshake", &timeout.handshake);
    page.key("request_head", &timeout.request_head);
    page.key("keep_alive", &timeout.keep_alive);
    page.key("udp", &timeout.udp);
}

fn listener(page: &mut Page, listener: &Listener) {
    page.element("proxy.listener");
    page.key("name", &listener.name);
    page.key("bind", &listener.bind);
    page.key("v6only", &listener.v6only);
    page.optional("interface", listener.interface.as_ref());
    page.key("freebind", &listener.freebind);
    if listener.bind.iter().any(|endpoint| matches!(endpoint, Endpoint::Unix(_))) {
        page.key("socket_mode", &listener.socket_mode);
    }
    page.key("mode", &listener.mode);
    page.optional("max_connections", listener.max_connections.as_ref());
    page.optional("allow_from", listener.allow_from.as_ref());
    page.key("proxy_protocol_from", &listener.proxy_protocol_from);
    page.key("pool", &listener.pool);
    forwarding(page, &listener.forwarding, listener.mode);
    if listener.mode == Mode::Http {
        page.key("errors", &listener.errors);
        page.key("compression", &listener.compression);
    }
    page.table("proxy.listener.per_source");
    page.optional("connections", listener.per_source.connections.as_ref());
    page.optional("rate", listener.per_source.rate.as_ref());
    page.key("prefix_v6", &listener.per_source.prefix_v6);
    page.key("prefix_v4", &listener.per_source.prefix_v4);
    if listener.mode == Mode::Http {
        page.table("proxy.listener.limits");
        page.key("head", &Size(listener.limits.head.into()));
        page.key("fields", &listener.limits.fields);
        page.key("line", &Size(listener.limits.line.into()));
        page.optional("body_rate", listener.limits.body_rate.as_ref());
        page.key("streams", &listener.limits.streams);
    }
    if let Some(hsts) = &listener.hsts {
        page.table("proxy.listener.hsts");
        page.key("max_age", &hsts.max_age);
        page.key("subdomains", &hsts.subdomains);
        page.key("preload", &hsts.preload);
    }
    page.table("proxy.listener.timeout");
    timeouts(page, &listener.timeout);
    if let Some(tls) = &listener.tls {
        page.table("proxy.listener.tls");
        page.key("certificates", &tls.certificates);
        page.key("alpn", &tls.alpn);
        page.optional("client_ca", tls.client_ca.as_ref());
        page.key("client_auth", &tls.client_auth);
        page.key("min_version", &tls.min_version);
    }
    for SniRoute { names, pool } in &listener.sni {
        page.element("proxy.listener.sni");
        page.key("names", names);
        page.key("pool", pool);
    }
    for one in &listener.rule {
        rule::write(page, one);
    }
}

fn forwarding(page: &mut Page, forwarding: &Forwarding, mode: Mode) {
    page.key("forwarded_for", &forwarding.forwarded_for);
    page.key("trusted_proxies", &forwarding.trusted_proxies);
    if mode == Mode::Http {
        page.key("forwarded_for_header", &forwarding.header);
        page.key("forwarded_for_except", &forwarding.except);
        page.key("forwarded_for_if_none", &forwarding.if_none);
        page.key("forwarded_headers", &forwarding.fields);
        page.optional("trusted_hops", forwarding.trusted_hops.as_ref());
        page.key("client_certificate_headers", &forwarding.certificate);
    }
}

fn pool(page: &mut Page, pool: &Pool) {
    page.element("proxy.pool");
    page.key("name", &pool.name);
    page.key("balance", &pool.balance);
    page.key("source_prefix_v6", &pool.source_prefix_v6);
    page.key("retries", &pool.retries);
    page.key("redispatch", &pool.redispatch);
    page.key("max_queue", &pool.max_queue);
    page.key("slow_start", &pool.slow_start);
    page.key("proxy_protocol", &pool.proxy_protocol);
    page.key("protocol", &pool.protocol);
    page.key("http_reuse", &pool.http_reuse);
    if let Some(tls) = &pool.tls {
        page.table("proxy.pool.tls");
        page.optional("server_name", tls.server_name.as_ref());
        page.optional("ca", tls.ca.as_ref());
        page.key("verify", &tls.verify);
        page.optional("certificate", tls.certificate.as_ref());
    }
    if let Some(one) = &pool.cookie {
        cookie::write(page, one);
    }
    if let Some(one) = &pool.app_cookie {
        cookie::write_app(page, one);
    }
    if let Some(stick) = &pool.stick {
        page.table("proxy.pool.stick");
        page.key("size", &stick.size);
        page.key("expire", &stick.expire);
        page.key("prefix_v6", &stick.prefix_v6);
        page.key("prefix_v4", &stick.prefix_v4);
    }
    if let Some(passive) = &pool.passive {
        page.table("proxy.pool.passive");
        page.key("failures", &passive.failures);
        page.key("window", &passive.window);
        page.key("ejection", &passive.ejection);
    }
    check(page, &pool.check);
    for Member { name, address, weight, backup, max_connections, state, cookie } in &pool.member {
        page.element("proxy.pool.member");
        page.key("name", name);
        page.key("address", address);
        page.key("weight", weight);
        page.key("backup", backup);
        page.optional("max_connections", max_connections.as_ref());
        page.key("state", state);
        page.optional("cookie", cookie.as_ref());
    }
}

fn check(page: &mut Page, check: &Check) {
    page.table("proxy.pool.check");
    page.key("kind", &check.kind);
    page.key("interval", &check.interval);
    page.key("fast_interval", &check.fast_interval);
    page.key("timeout", &check.timeout);
    page.key("rise", &check.rise);
    page.key("fall", &check.fall);
    page.optional("port", check.port.as_ref());
    page.optional("address", check.address.as_ref());
    page.key("proxy_protocol", &check.proxy_protocol);
    page.optional("server_name", check.server_name.as_ref());
    if check.kind == CheckKind::Http {
        page.key("protocol", &check.http.protocol);
        page.key("method", &check.http.method);
        page.key("path", &check.http.path);
        page.optional("host", check.http.host.as_ref());
        page.key("headers", &check.http.headers);
        page.key("expect_status", &check.http.expect_status);
        page.optional("expect_body", check.http.expect_body.as_ref());
    }
}
