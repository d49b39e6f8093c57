//! `[prefix]`.

use super::{Read, Table, Value};
use crate::defaults;
use crate::model::Prefix;
use toml::de::DeValue;

pub(super) fn read(table: &Table<'_>) -> Read<Prefix> {
    let pref64 = table.need("pref64", Value::prefix64);
    let allow_private_ipv4 = table.or("allow_private_ipv4", defaults::ALLOW_PRIVATE_IPV4, Value::boolean);
    Ok(Prefix { pref64: pref64?, allow_private_ipv4: allow_private_ipv4? })
}

/// The prefix, which may be missing only if no section derives from it: explicit maps and
/// prefixes of nat64's own need none.
pub(super) fn required(root: &Table<'_>, prefix: Option<Prefix>) -> Read<Option<Prefix>> {
    if prefix.is_some() {
        return Ok(prefix);
    }
    if let Some(reported) = root.slip("prefix") {
        return Err(reported);
    }
    for section in ["nat64", "dns64"] {
        let stands_alone = |value: &Value<'_>| section == "nat64" && translates_alone(value);
        if let Some(value) = root.value(section).filter(|value| !stands_alone(value)) {
            return Err(value.at.lacks(
                format!("[{section}] translates with [prefix], which is missing"),
                "add [prefix] with pref64 = \"64:ff9b::/96\", or with the prefix that is routed to this gateway",
            ));
        }
    }
    Ok(None)
}

fn translates_alone(nat64: &Value<'_>) -> bool {
    matches!(nat64.value, DeValue::Table(table) if table.contains_key("map") || table.contains_key("prefix"))
}
