//! `[[proxy.listener.rule]]`.

use super::Page;
use crate::literal::{HeaderConditions, Literal};
use crate::model::{Auth, Conditions, FixedAnswer, Rate, Redirect, Rule};

pub(super) fn write(page: &mut Page, rule: &Rule) {
    page.element("proxy.listener.rule");
    page.optional("name", rule.name.as_ref());
    conditions(page, &rule.when);
    list(page, "request_path", &rule.request_path);
    list(page, "request_query", &rule.request_query);
    list(page, "request_headers", &rule.request_headers);
    list(page, "response_headers", &rule.response_headers);
    page.optional("pool", rule.pool());
    page.optional("deny", rule.deny());
    if let Some(Rate { requests, per, burst, by, prefix_v6, prefix_v4, status }) = &rule.rate {
        page.table("proxy.listener.rule.rate");
        page.key("requests", requests);
        page.key("per", per);
        page.key("burst", burst);
        page.key("by", by);
        page.key("prefix_v6", prefix_v6);
        page.key("prefix_v4", prefix_v4);
        page.key("status", status);
    }
    if let Some(Auth { realm, users, forward }) = &rule.auth {
        page.table("proxy.listener.rule.auth");
        page.key("users", users);
        page.key("realm", realm);
        page.key("forward", forward);
    }
    if let Some(Redirect { to, status }) = rule.redirect() {
        page.table("proxy.listener.rule.redirect");
        page.key("to", to);
        page.key("status", status);
    }
    if let Some(FixedAnswer { status, content_type, body }) = rule.answer() {
        page.table("proxy.listener.rule.answer");
        page.key("status", status);
        page.key("content_type", content_type);
        page.key("body", body);
    }
}

fn conditions(page: &mut Page, when: &Conditions) {
    let Conditions { host, path, path_prefix, path_suffix, path_regex, method, header, sni, source } = when;
    list(page, "host", host);
    list(page, "path", path);
    list(page, "path_prefix", path_prefix);
    list(page, "path_suffix", path_suffix);
    list(page, "path_regex", path_regex);
    list(page, "method", method);
    page.optional("header", HeaderConditions::of(header).as_ref());
    list(page, "sni", sni);
    list(page, "source", source);
}

/// A condition that the rule has.
fn list<T: Literal + Clone>(page: &mut Page, key: &str, list: &[T]) {
    if !list.is_empty() {
        page.key(key, &list.to_vec());
    }
}
