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

/// Sources, and values, that are kept account of at one time. At most 60 bytes each.
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
    sources: Table,
    /// Of values of the header, apart from sources: clients invent them, and no source may lack room for that.
    values: Table,
}

/// Accounts, by the hashes of those who they are of.
#[derive(Debug)]
struct Table([Mutex<Accounts<u64, Instant>>; SHARDS]);

/// Why a request does not pass.
enum Refused {
    /// The bucket is empty for so long.
    Spent(Duration),
    /// Whoever asks is new, and there is no room for an account.
    Full,
}

impl Table {
    fn new() -> Self {
        Self(std::array::from_fn(|_| Mutex::new(Accounts::new(BOUND / SHARDS))))
    }

    fn take(&self, who: u64, bucket: Bucket, now: Instant) -> Result<(), Refused> {
        let shard = &self.0[usize::try_from(who).unwrap_or_default() % SHARDS];
        // A thread that panicked has left the table whole: it is changed by one call.
        let mut accounts = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let full = accounts.get(&who).copied().unwrap_or(now);
        let full = bucket.take(full, now).map_err(Refused::Spent)?;
        if accounts.put(who, full, now) { Ok(()) } else { Err(Refused::Full) }
    }
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
            sources: Table::new(),
            values: Table::new(),
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
        if let Some(value) = value {
            match self.values.take(self.key.hash_one(value.as_bytes()), self.bucket, now) {
                Ok(()) => return Ok(()),
                Err(Refused::Spent(wait)) => return Err(wait),
                // So many values are invented, more likely than not: new ones have no more than their source has.
                Err(Refused::Full) => {}
            }
        }
        let source = client.map(|client| source(client, self.model.prefix_v6, self.model.prefix_v4));
        self.sources.take(self.key.hash_one(source), self.bucket, now).map_err(|refused| match refused {
            Refused::Spent(wait) => wait,
            // There is room when those in the table have had their bursts back.
            Refused::Full => self.model.per,
        })
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

    #[test]
    fn invented_values_lock_nobody_out() {
        let start = Instant::now();
        let rate = Rate { by: RateBy::Header("x-key".to_owned()), burst: 2, ..Rate::new(2) };
        let limiter = Limiter::new(&rate);
        let mut headers = HeaderMap::new();
        let mut refused = 0;
        for number in 0..2 * BOUND {
            headers.insert("x-key", HeaderValue::from(number));
            refused += usize::from(limiter.admit(client("192.0.2.1"), &headers, start).is_err());
        }
        assert!(refused > BOUND / 2, "values beyond what the table holds count by their source: {refused}");
        let mut admit = |from: &str, value: Option<&'static str>| {
            headers.clear();
            headers.extend(
                value.map(|value| (HeaderName::from_static("x-key"), HeaderValue::from_static(value))),
            );
            limiter.admit(client(from), &headers, start).is_ok()
        };
        assert!(
            admit("192.0.2.2", Some("new")) && admit("192.0.2.3", None) && admit("192.0.2.2", Some("other"))
        );
        assert!(!admit("192.0.2.2", Some("third")), "they have had the source's part");
        assert!(!admit("192.0.2.1", None));
        let bytes_of_one = size_of::<(u64, Instant)>() + 1;
        let room: usize =
            limiter.values.0.iter().map(|shard| shard.lock().unwrap().entries().capacity()).sum();
        assert!((BOUND..=60 * BOUND / bytes_of_one).contains(&room), "room for {room}");
    }
}
