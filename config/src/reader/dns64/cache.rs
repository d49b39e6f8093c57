//! The keys about what dns64 remembers.

use super::super::{Read, Table, Value};
use super::names::ttl;
use crate::defaults;
use crate::model::DnsCache;
use std::ops::RangeInclusive;

/// Below, there is no room for a handful of answers; above, no machine has the memory.
const SIZE_RANGE: RangeInclusive<u64> = 64 << 10..=1 << 40;

pub(super) fn read(table: &Table<'_>) -> Read<DnsCache> {
    let size = table.or("cache_size", defaults::CACHE_SIZE, |value| value.size(SIZE_RANGE));
    let max_ttl = table.or("cache_max_ttl", defaults::CACHE_MAX_TTL, ttl);
    let max_negative_ttl = table.or("cache_max_negative_ttl", defaults::CACHE_MAX_NEGATIVE_TTL, ttl);
    let serve_stale = table.or("serve_stale", defaults::SERVE_STALE, ttl);
    let prefetch = table.or("prefetch", defaults::PREFETCH, Value::boolean);
    Ok(DnsCache {
        size: size?,
        max_ttl: max_ttl?,
        max_negative_ttl: max_negative_ttl?,
        serve_stale: serve_stale?,
        prefetch: prefetch?,
    })
}
