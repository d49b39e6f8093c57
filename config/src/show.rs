//! The effective configuration as TOML: every key written out, defaults included.
//!
//! What [`show`] writes, [`crate::parse`] reads back to the same model. Choice: `dns64.client.mapped` is written at
//! each prefix it applies to, since that is where the model has it.

mod proxy;

use crate::literal::{ExcludeAaaa, Literal, Size};
use crate::model::{Dns64, DnsClient, Forward, Gateway, Host, Nat64, SynthesisRules};

/// `model` as a gateway.toml with every default filled in.
pub fn show(model: &Gateway) -> String {
    let mut page = Page::default();
    if let Some(prefix) = &model.prefix {
        page.table("prefix");
        page.key("pref64", &prefix.pref64);
        page.key("allow_private_ipv4", &prefix.allow_private_ipv4);
    }
    if let Some(section) = &model.nat64 {
        nat64(&mut page, section);
    }
    if let Some(section) = &model.dns64 {
        dns64(&mut page, section);
    }
    if let Some(section) = &model.proxy {
        proxy::write(&mut page, section);
    }
    page.table("admin");
    page.key("socket", &model.admin.socket);
    page.key("listen", &model.admin.listen);
    page.optional("token_file", model.admin.token_file.as_ref());
    page.table("log");
    page.key("level", &model.log.level);
    page.key("format", &model.log.format);
    page.text
}

fn nat64(page: &mut Page, nat64: &Nat64) {
    page.table("nat64");
    page.key("device", &nat64.device);
    page.key("ipv4_addr", &nat64.ipv4_addr);
    page.key("ipv6_addr", &nat64.ipv6_addr);
    page.optional("dynamic_pool", nat64.dynamic_pool.as_ref());
    page.key("state_dir", &nat64.state_dir);
    page.key("workers", &nat64.workers);
    page.key("offload", &nat64.offload);
    page.key("udp_zero_checksum", &nat64.udp_zero_checksum);
    page.key("ipv6_min_mtu", &nat64.ipv6_min_mtu);
    page.key("mtu", &nat64.mtu);
    page.optional("ipv4_mtu", nat64.ipv4_mtu.as_ref());
    page.optional("ipv6_mtu", nat64.ipv6_mtu.as_ref());
    page.key("tcp_mss_clamp", &nat64.tcp_mss_clamp);
    page.key("tos", &nat64.tos);
    page.key("traffic_class", &nat64.traffic_class);
    page.key("icmp_error_rate", &nat64.icmp_error_rate);
    page.key("configure_interface", &nat64.configure_interface);
    page.key("drop_log", &nat64.drop_log);
    page.key("hairpin", &nat64.hairpin);
    page.key("icmp_source_v4", &nat64.icmp_source_v4);
    page.optional("icmp_source_v6", nat64.icmp_source_v6.as_ref());
    for prefix in &nat64.prefix {
        page.element("nat64.prefix");
        page.key("pref64", &prefix.prefix);
        page.key("ipv4", &prefix.ipv4);
    }
    for map in &nat64.map {
        page.element("nat64.map");
        page.key("v4", &map.v4);
        page.key("v6", &map.v6);
    }
}

fn dns64(page: &mut Page, dns64: &Dns64) {
    page.table("dns64");
    page.key("listen", &dns64.listen);
    page.key("listen_tls", &dns64.listen_tls);
    page.key("listen_https", &dns64.listen_https);
    page.key("listen_quic", &dns64.listen_quic);
    page.key("https_path", &dns64.https_path);
    page.key("upstream", &dns64.upstream);
    page.optional("upstream_ca", dns64.upstream_ca.as_ref());
    page.key("exclude_aaaa", &ExcludeAaaa(dns64.exclude_aaaa.clone()));
    page.key("cache_size", &Size(dns64.cache.size));
    page.key("cache_max_ttl", &dns64.cache.max_ttl);
    page.key("cache_max_negative_ttl", &dns64.cache.max_negative_ttl);
    page.key("serve_stale", &dns64.cache.serve_stale);
    page.key("prefetch", &dns64.cache.prefetch);
    page.key("workers", &dns64.workers);
    page.key("rebind_protection", &dns64.rebind_protection);
    page.key("query_log", &dns64.query_log);
    page.key("private_domains", &dns64.private_domains);
    synthesis(page, dns64);
    let admission = &dns64.admission;
    page.optional("allow_from", admission.allow_from.as_ref());
    page.key("denied", &admission.denied);
    page.key("response_rate", &admission.response_rate);
    page.key("cookies", &admission.cookies);
    page.optional("nsid", admission.nsid.as_ref());
    let names = &dns64.names;
    page.key("hosts_files", &names.hosts_files);
    page.key("lease_files", &names.lease_files);
    page.optional("hosts_domain", names.hosts_domain.as_ref());
    page.key("hosts_ttl", &names.hosts_ttl);
    page.key("local_domains", &names.local_domains);
    page.key("domain_needed", &names.domain_needed);
    page.key("private_zones", &names.private_zones);
    if !dns64.certificates.is_empty() {
        page.table("dns64.tls");
        page.key("certificates", &dns64.certificates);
    }
    for Forward { domains, upstream } in &dns64.forward {
        page.element("dns64.forward");
        page.key("domains", domains);
        page.key("upstream", upstream);
    }
    for one in &dns64.client {
        client(page, one);
    }
    for one in &dns64.names.host {
        host(page, one);
    }
}

fn synthesis(page: &mut Page, dns64: &Dns64) {
    page.key("force", &dns64.force);
    page.key("forbid", &dns64.forbid);
    let SynthesisRules { on_aaaa_error, on_nxdomain, signed, trust_ad, reverse, reverse_prefixes, .. } =
        &dns64.rules;
    page.key("on_aaaa_error", on_aaaa_error);
    page.key("on_nxdomain", on_nxdomain);
    page.key("signed", signed);
    page.key("trust_ad", trust_ad);
    page.key("reverse", reverse);
    page.key("reverse_prefixes", reverse_prefixes);
    page.key("strip_ipv4hint", &dns64.rules.strip_ipv4hint);
}

fn client(page: &mut Page, client: &DnsClient) {
    page.element("dns64.client");
    page.key("from", &client.from);
    page.key("synthesize", &client.synthesize);
    page.key("prefixes", &client.prefixes);
    page.key("exclude_aaaa", &ExcludeAaaa(client.exclude_aaaa.clone()));
    page.key("force", &client.force);
    page.key("forbid", &client.forbid);
}

fn host(page: &mut Page, host: &Host) {
    page.element("dns64.host");
    page.key("name", &host.name);
    page.key("addresses", &host.addresses);
    page.key("ttl", &host.ttl);
}

/// The text so far.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn table(&mut self, path: &str) {
        self.header(&["[", path, "]\n"]);
    }

    fn element(&mut self, path: &str) {
        self.header(&["[[", path, "]]\n"]);
    }

    fn header(&mut self, header: &[&str]) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(&header.concat());
    }

    fn key(&mut self, key: &str, value: &dyn Literal) {
        for part in [key, " = ", &value.literal(), "\n"] {
            self.text.push_str(part);
        }
    }

    fn optional<T: Literal>(&mut self, key: &str, value: Option<&T>) {
        if let Some(value) = value {
            self.key(key, value);
        }
    }
}
