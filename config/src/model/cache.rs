//! What dns64 remembers, how much of it and for how long.

use std::time::Duration;

/// The keys of `[dns64]` about its cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsCache {
    /// `cache_size` in bytes.
    pub size: u64,
    /// `cache_max_ttl` in whole seconds; 0 keeps nothing.
    pub max_ttl: Duration,
    /// `cache_max_negative_ttl` in whole seconds; 0 keeps no negative answers.
    pub max_negative_ttl: Duration,
    /// `serve_stale` in whole seconds; 0 serves nothing stale.
    pub serve_stale: Duration,
    /// `prefetch`: what is in use is renewed before its time.
    pub prefetch: bool,
}
