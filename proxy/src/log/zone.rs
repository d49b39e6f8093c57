//! How far the clocks of this machine are ahead of UTC. Pure.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use std::sync::atomic::{AtomicU64, Ordering};

/// A time zone that knows the answer it gave last: within one second it does not change.
#[derive(Debug)]
pub(super) struct Zone {
    zone: TimeZone,
    /// The second and what the offset is then, in 32 bits each.
    last: AtomicU64,
}

impl Zone {
    pub(super) fn new(zone: TimeZone) -> Self {
        let first = zone.to_offset(Timestamp::UNIX_EPOCH);
        Self { zone, last: AtomicU64::new(pack(0, first)) }
    }

    /// What the offset is at this time.
    pub(super) fn offset(&self, time: Timestamp) -> Offset {
        let Ok(second) = u32::try_from(time.as_second()) else { return self.zone.to_offset(time) };
        let known = unpack(self.last.load(Ordering::Relaxed));
        if let Some((_, offset)) = known.filter(|(known, _)| *known == second) {
            return offset;
        }
        let offset = self.zone.to_offset(time);
        self.last.store(pack(second, offset), Ordering::Relaxed);
        offset
    }
}

fn pack(second: u32, offset: Offset) -> u64 {
    u64::from(second) << 32 | u64::from(offset.seconds().cast_unsigned())
}

fn unpack(packed: u64) -> Option<(u32, Offset)> {
    let second = u32::try_from(packed >> 32).ok()?;
    let offset = u32::try_from(packed & u64::from(u32::MAX)).ok()?;
    Some((second, Offset::from_seconds(offset.cast_signed()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_those_of_the_zone() {
        let posix = "CET-1CEST,M3.5.0,M10.5.0/3";
        let zone = TimeZone::posix(posix).unwrap();
        let known = Zone::new(zone.clone());
        // About the change to summer time of 2026.
        let change = 1_774_746_000;
        for second in [0, 1, change - 1, change - 1, change, change, change - 1, -1, 0] {
            let time = Timestamp::from_second(second).unwrap();
            assert_eq!(known.offset(time), zone.to_offset(time), "{second}");
        }
        let offset = |second| known.offset(Timestamp::from_second(second).unwrap()).seconds();
        assert_eq!((offset(change - 1), offset(change)), (3600, 7200));
    }
}
