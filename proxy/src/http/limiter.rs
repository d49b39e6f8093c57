//! How many requests a rule lets pass: one bucket for each source, or for each value of a header. Pure: time comes in.
//!
//! Workers share it. Whoever is counted is known by a hash with a secret key, so that values of headers are not kept.

use crate::accounts::{Accounts, Bucket, source};
use ::http::StatusCode;
use ::http::header::{HeaderMap, HeaderName};
use config::model::{Rate, RateBy};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Those who are kept account of at one time. About 60 bytes each.
const BOUND: usize = 200_000;
/// Parts of the table, each with its lock.
const SHARDS: usize = 16;

/// The rate of one rule.
#[derive(Debug)]
pub(crate) struct Limiter {
    model: Rate,
    /// How those who come too often are refused.
    pub(crate) status: StatusCode,
    header: Option<HeaderName>,
    bucket: Bucket,
    key: RandomState,
    shards: [Mutex<Accounts<u64, Instant>>; SHARDS],
}

/// Who is counted.
#[derive(Hash)]
enum Who<'a> {
    Source(Option<IpAddr>),
    Value(&'a [u8]),
}

impl Limiter {
    /// The model holds only statuses of three digits and names that are tokens.
    pub(crate) fn new(model: &Rate) -> Self {
        Self {
            model: model.clone(),
            status: StatusCode::from_u16(model.status).unwrap_or(StatusCode::TOO_MANY_REQUESTS),
            header: match &model.by {
                RateBy::Source => None,
                RateBy::Header(name) => HeaderName::from_bytes(name.as_bytes()).ok(),
            },
            bucket: Bucket::new(model.requests, model.per, model.burst),
            key: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::new(Accounts::new(BOUND / SHARDS))),
        }
    }

    /// Whether it counts as another one would of this model.
    pub(crate) fn is_of(&self, model: &Rate) -> bool {
        self.model == *model
    }

    /// Lets a request pass, or says after which time one would.
    pub(crate) fn admit(
        &self,
        client: Option<IpAddr>,
        headers: &HeaderMap,
        now: Instant,
    ) -> Result<(), Duration> {
        let value = self.header.as_ref().and_then(|name| headers.get(name));
        let who = match value {
            Some(value) => Who::Value(value.as_bytes()),
            None => {
                Who::Source(client.map(|client| source(client, self.model.prefix_v6, self.model.prefix_v4)))
            }
        };
        let who = self.key.hash_one(who);
        let shard = &self.shards[usize::try_from(who).unwrap_or_default() % SHARDS];
        // A thread that panicked has left the table whole: it is changed by one call.
        let mut accounts = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let full = accounts.get(&who).copied().unwrap_or(now);
        let full = self.bucket.take(full, now)?;
        // A table that is full has room when those in it have had their bursts back.
        if accounts.put(who, full, now) { Ok(()) } else { Err(self.model.per) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::HeaderValue;

    fn client(address: &str) -> Option<IpAddr> {
        address.parse().ok()
    }

    #[test]
    fn sources_and_values_have_buckets_of_their_own() {
        let start = Instant::now();
        let mut headers = HeaderMap::new();
        let by_source = Limiter::new(&Rate::new(1));
        let admit = |limiter: &Limiter, from: &str, headers: &HeaderMap| {
            limiter.admit(client(from), headers, start).is_ok()
        };
        assert!(admit(&by_source, "2001:db8::1", &headers));
        assert!(!admit(&by_source, "2001:db8::2", &headers), "the same /64");
        assert!(admit(&by_source, "2001:db8:0:1::1", &headers));
        assert!(admit(&by_source, "192.0.2.1", &headers));
        assert!(!admit(&by_source, "::ffff:192.0.2.1", &headers));
        assert!(admit(&by_source, "192.0.2.2", &headers));
        assert!(admit(&by_source, "none: a unix socket", &headers));
        assert!(!admit(&by_source, "none: a unix socket", &headers));
        assert_eq!(by_source.admit(client("192.0.2.2"), &headers, start), Err(Duration::from_secs(1)));
        assert!(by_source.admit(client("192.0.2.2"), &headers, start + Duration::from_secs(1)).is_ok());

        let by_key = Limiter::new(&Rate { by: RateBy::Header("x-key".to_owned()), ..Rate::new(1) });
        headers.insert("x-key", HeaderValue::from_static("a"));
        assert!(admit(&by_key, "192.0.2.1", &headers));
        assert!(!admit(&by_key, "192.0.2.2", &headers));
        headers.insert("x-key", HeaderValue::from_static("b"));
        assert!(admit(&by_key, "192.0.2.1", &headers));
        headers.clear();
        assert!(admit(&by_key, "192.0.2.1", &headers), "without the header the source counts");
        assert!(!admit(&by_key, "192.0.2.1", &headers));
    }
}
