//! The keys about the cases on which resolvers differ, and the lists that clients may have of their own.

use super::super::{Placed, Read, Table, Value, shared::twice, unique, values};
use crate::defaults::{self, EXCLUDE_AAAA};
use crate::domain::Domain;
use crate::model::SynthesisRules;
use addr::Prefix64;
use ipnet::Ipv6Net;

/// The lists that stand in `[dns64]` for all clients and in an entry for its own.
#[derive(Clone, Debug)]
pub(super) struct Lists {
    pub(super) exclude_aaaa: Vec<Ipv6Net>,
    pub(super) force: Vec<Domain>,
    pub(super) forbid: Vec<Domain>,
}

impl Default for Lists {
    fn default() -> Self {
        Self { exclude_aaaa: EXCLUDE_AAAA.into(), force: Vec::new(), forbid: Vec::new() }
    }
}

/// The lists of a table; those of `usual` where it has none.
pub(super) fn lists(table: &Table<'_>, usual: &Lists) -> Read<Lists> {
    let exclude_aaaa = exclude_aaaa(table);
    let force = domains(table, "force");
    let forbid = domains(table, "forbid");
    let (exclude_aaaa, force, forbid) = (exclude_aaaa?, force?, forbid?);
    if let (Some(force), Some(forbid)) = (&force, &forbid) {
        apart(force, forbid)?;
    }
    let or = |list: Option<Vec<Placed<'_, Domain>>>, other: Option<&[Domain]>, usual: &[Domain]| match list {
        Some(list) => values(list),
        // A name that this table has on the one list is not on the other by the usual lists.
        None => usual.iter().filter(|name| !other.unwrap_or_default().contains(name)).cloned().collect(),
    };
    let names = |list: &Option<Vec<Placed<'_, Domain>>>| -> Option<Vec<Domain>> {
        list.as_ref().map(|list| list.iter().map(|placed| placed.value.clone()).collect())
    };
    let (forced, forbidden) = (names(&force), names(&forbid));
    Ok(Lists {
        exclude_aaaa: exclude_aaaa.unwrap_or_else(|| usual.exclude_aaaa.clone()),
        force: or(force, forbidden.as_deref(), &usual.force),
        forbid: or(forbid, forced.as_deref(), &usual.forbid),
    })
}

/// Domains, each once; `None` if they are not given.
fn domains<'a>(table: &Table<'a>, key: &str) -> Read<Option<Vec<Placed<'a, Domain>>>> {
    let Some(list) = table.list(key, Value::domain)? else { return Ok(None) };
    unique(&list, |domain| Some(domain.clone()), twice)?;
    Ok(Some(list))
}

/// Refuses names that are both forced and forbidden.
fn apart(force: &[Placed<'_, Domain>], forbid: &[Placed<'_, Domain>]) -> Read<()> {
    let mut outcome = Ok(());
    for name in forbid {
        if let Some(forced) = force.iter().find(|forced| forced.value == name.value) {
            let message = format!("{} is forced as well, at {}", name.value, forced.at.place());
            outcome = Err(name.at.refuse(message, "remove one of the two"));
        }
    }
    outcome
}

/// The networks given and the default, unless they hold it or take it out.
fn exclude_aaaa(table: &Table<'_>) -> Read<Option<Vec<Ipv6Net>>> {
    let Some(list) = table.list("exclude_aaaa", excluded)? else { return Ok(None) };
    let mut default: Vec<Ipv6Net> = EXCLUDE_AAAA.into();
    let mut nets = Vec::new();
    for placed in list {
        match placed.value {
            Some(net) => {
                default.retain(|default| !net.contains(default));
                nets.push(net);
            }
            None => default.clear(),
        }
    }
    nets.extend(default);
    Ok(Some(nets))
}

/// A network, or `None` where the default is taken out.
fn excluded(value: &Value<'_>) -> Read<Option<Ipv6Net>> {
    const EXPECTED: &str = "an IPv6 network such as \"2001:db8::/64\", or \"!::ffff:0:0/96\"";
    let text = value.text(EXPECTED)?;
    match text.strip_prefix('!') {
        None => value.network().map(Some),
        Some(net) if EXCLUDE_AAAA.iter().any(|default| net.parse() == Ok(*default)) => Ok(None),
        Some(_) => {
            let help = "only ::ffff:0:0/96 can be taken out: nothing else is excluded by itself";
            Err(value.mismatch_but(EXPECTED, help))
        }
    }
}

pub(super) fn rules(table: &Table<'_>) -> Read<SynthesisRules> {
    let on_aaaa_error = table.or("on_aaaa_error", defaults::ON_AAAA_ERROR, Value::choice);
    let on_nxdomain = table.or("on_nxdomain", defaults::ON_NXDOMAIN, Value::choice);
    let signed = table.or("signed", defaults::SIGNED, Value::choice);
    let trust_ad = table.or("trust_ad", defaults::TRUST_AD, Value::boolean);
    let reverse = table.or("reverse", defaults::REVERSE, Value::choice);
    let reverse_prefixes = reverse_prefixes(table);
    let strip_ipv4hint = table.or("strip_ipv4hint", defaults::STRIP_IPV4HINT, Value::boolean);
    Ok(SynthesisRules {
        on_aaaa_error: on_aaaa_error?,
        on_nxdomain: on_nxdomain?,
        signed: signed?,
        trust_ad: trust_ad?,
        reverse: reverse?,
        reverse_prefixes: reverse_prefixes?,
        strip_ipv4hint: strip_ipv4hint?,
    })
}

fn reverse_prefixes(table: &Table<'_>) -> Read<Vec<Prefix64>> {
    let list = table.list("reverse_prefixes", Value::prefix64)?.unwrap_or_default();
    unique(&list, |prefix| Some(*prefix), twice)?;
    Ok(values(list))
}
