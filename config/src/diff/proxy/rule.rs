//! `[[proxy.listener.rule]]`.

use super::super::pairing::Listed;
use super::super::record::Record;
use crate::literal::{HeaderConditions, Literal};
use crate::model::{Auth, Conditions, FixedAnswer, Rate, Redirect, Rule, RuleAction};

impl Listed for Rule {
    const ORDER_DECIDES: bool = true;

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// All but a name that came or went.
    fn is_like(&self, other: &Self) -> bool {
        let nameless = |rule: &Self| Self { name: None, ..rule.clone() };
        (self.name.is_none() || other.name.is_none()) && nameless(self) == nameless(other)
    }

    fn brief(&self) -> String {
        match &self.action {
            Some(RuleAction::Pool(pool)) => format!("to pool {pool}"),
            Some(RuleAction::Redirect(redirect)) => format!("redirect to {}", redirect.to.literal()),
            Some(RuleAction::Deny(status)) => format!("deny with {status}"),
            Some(RuleAction::Answer(answer)) => format!("answer with {}", answer.status),
            None if self.auth.is_some() => "have clients log in".to_owned(),
            None if self.rate.is_some() => "limit the rate".to_owned(),
            None => "edit".to_owned(),
        }
    }

    fn compare(&self, new: &Self, record: &mut Record, path: &str) {
        if self != new {
            rule(record, path, self, new);
        }
    }
}

fn rule(record: &mut Record, path: &str, old: &Rule, new: &Rule) {
    record.optional(format_args!("{path}.name"), old.name.as_ref(), new.name.as_ref());
    conditions(record, path, &old.when, &new.when);
    rate(record, &format!("{path}.rate"), old.rate.as_ref(), new.rate.as_ref());
    auth(record, &format!("{path}.auth"), old.auth.as_ref(), new.auth.as_ref());
    list(record, &format!("{path}.request_path"), &old.request_path, &new.request_path);
    list(record, &format!("{path}.request_query"), &old.request_query, &new.request_query);
    list(record, &format!("{path}.request_headers"), &old.request_headers, &new.request_headers);
    list(record, &format!("{path}.response_headers"), &old.response_headers, &new.response_headers);
    record.optional(format_args!("{path}.pool"), old.pool(), new.pool());
    record.optional(format_args!("{path}.deny"), old.deny(), new.deny());
    redirect(record, &format!("{path}.redirect"), old.redirect(), new.redirect());
    answer(record, &format!("{path}.answer"), old.answer(), new.answer());
}

fn conditions(record: &mut Record, path: &str, old: &Conditions, new: &Conditions) {
    list(record, &format!("{path}.host"), &old.host, &new.host);
    list(record, &format!("{path}.path"), &old.path, &new.path);
    list(record, &format!("{path}.path_prefix"), &old.path_prefix, &new.path_prefix);
    list(record, &format!("{path}.path_suffix"), &old.path_suffix, &new.path_suffix);
    list(record, &format!("{path}.path_regex"), &old.path_regex, &new.path_regex);
    list(record, &format!("{path}.method"), &old.method, &new.method);
    let (before, after) = (HeaderConditions::of(&old.header), HeaderConditions::of(&new.header));
    record.optional(format_args!("{path}.header"), before.as_ref(), after.as_ref());
    list(record, &format!("{path}.sni"), &old.sni, &new.sni);
    list(record, &format!("{path}.source"), &old.source, &new.source);
}

/// An empty list is a condition that the rule does not have.
fn list<T: Literal + PartialEq + Clone>(record: &mut Record, path: &str, old: &Vec<T>, new: &Vec<T>) {
    let present = |list: &Vec<T>| (!list.is_empty()).then(|| list.clone());
    record.optional(path, present(old).as_ref(), present(new).as_ref());
}

fn redirect(record: &mut Record, path: &str, old: Option<&Redirect>, new: Option<&Redirect>) {
    if let (Some(old), Some(new)) = (old, new) {
        record.key(format_args!("{path}.to"), &old.to, &new.to);
        record.key(format_args!("{path}.status"), &old.status, &new.status);
    } else {
        record.table(path, old.is_some(), new.is_some());
    }
}

fn answer(record: &mut Record, path: &str, old: Option<&FixedAnswer>, new: Option<&FixedAnswer>) {
    if let (Some(old), Some(new)) = (old, new) {
        record.key(format_args!("{path}.status"), &old.status, &new.status);
        record.key(format_args!("{path}.content_type"), &old.content_type, &new.content_type);
        record.key(format_args!("{path}.body"), &old.body, &new.body);
    } else {
        record.table(path, old.is_some(), new.is_some());
    }
}

fn rate(record: &mut Record, path: &str, old: Option<&Rate>, new: Option<&Rate>) {
    let (Some(old), Some(new)) = (old, new) else {
        return record.table(path, old.is_some(), new.is_some());
    };
    record.key(format_args!("{path}.requests"), &old.requests, &new.requests);
    record.key(format_args!("{path}.per"), &old.per, &new.per);
    record.key(format_args!("{path}.burst"), &old.burst, &new.burst);
    record.key(format_args!("{path}.by"), &old.by, &new.by);
    record.key(format_args!("{path}.prefix_v6"), &old.prefix_v6, &new.prefix_v6);
    record.key(format_args!("{path}.prefix_v4"), &old.prefix_v4, &new.prefix_v4);
    record.key(format_args!("{path}.status"), &old.status, &new.status);
}

fn auth(record: &mut Record, path: &str, old: Option<&Auth>, new: Option<&Auth>) {
    let (Some(old), Some(new)) = (old, new) else {
        return record.table(path, old.is_some(), new.is_some());
    };
    record.key(format_args!("{path}.users"), &old.users, &new.users);
    record.key(format_args!("{path}.realm"), &old.realm, &new.realm);
    record.key(format_args!("{path}.forward"), &old.forward, &new.forward);
}
