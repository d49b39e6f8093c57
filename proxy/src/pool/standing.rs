//! What a member may be given at this moment, from its configuration and what is known of it. Pure.
//!
//! | | a client that belongs to it | any client |
//! |---|---|---|
//! | ready, weight above 0 | yes | yes, in turn of the tiers |
//! | drain, or weight 0 | yes | no |
//! | ejected | no | only if no other is left |
//! | maintenance, or down by its checks | no | no |
//!
//! A client belongs to a member by an entry of the stick table. So a drained member runs empty without a session torn,
//! as in HAProxy, where weight 0 and drain mean the same.

use super::balance::WHOLE;
use super::health::Status;
use config::model::AdminState;
use std::time::Duration;

/// One member at this moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) state: AdminState,
    pub(crate) weight: u16,
    pub(crate) backup: bool,
    pub(crate) status: Status,
    pub(crate) ejected: bool,
}

/// In which order members are fallen back to: a later one gets work only while no member of an earlier one takes any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tier {
    /// The ordinary case.
    First,
    /// Members with `backup`, all of them at once.
    Backup,
    /// An ejected member is better than none: passive ejection alone never empties a pool.
    Ejected,
    /// An ejected backup.
    EjectedBackup,
}

impl Standing {
    /// Whether it takes clients that belong to it.
    pub(crate) fn takes_its_own(self) -> bool {
        self.is_in_service() && !self.ejected
    }

    /// Where it stands for clients that belong to nobody; `None` takes none.
    pub(crate) fn tier(self) -> Option<Tier> {
        let takes = self.is_in_service() && self.state == AdminState::Ready && self.weight > 0;
        takes.then_some(match (self.ejected, self.backup) {
            (false, false) => Tier::First,
            (false, true) => Tier::Backup,
            (true, false) => Tier::Ejected,
            (true, true) => Tier::EjectedBackup,
        })
    }

    /// Whether it serves anybody at all, ejected or not.
    pub(crate) fn is_in_service(self) -> bool {
        self.state != AdminState::Maintenance && self.status != Status::Down
    }
}

/// The part of its weight, 1 to [`WHOLE`], that a member takes so long after it came back.
pub(crate) fn part(back_for: Option<Duration>, slow_start: Duration) -> u16 {
    let Some(back_for) = back_for.filter(|back_for| *back_for < slow_start) else { return WHOLE };
    let part = back_for.as_nanos() * u128::from(WHOLE) / slow_start.as_nanos();
    u16::try_from(part).unwrap_or(WHOLE).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: Standing =
        Standing { state: AdminState::Ready, weight: 100, backup: false, status: Status::Up, ejected: false };

    fn check(standing: Standing, own: bool, tier: Option<Tier>) {
        assert_eq!((standing.takes_its_own(), standing.tier()), (own, tier), "{standing:?}");
    }

    #[test]
    fn members_take_what_their_state_allows() {
        check(READY, true, Some(Tier::First));
        check(Standing { status: Status::Unchecked, ..READY }, true, Some(Tier::First));
        check(Standing { status: Status::Down, ..READY }, false, None);
        check(Standing { state: AdminState::Maintenance, ..READY }, false, None);
    }

    #[test]
    fn drain_and_weight_zero_keep_those_who_belong_to_the_member() {
        check(Standing { state: AdminState::Drain, ..READY }, true, None);
        check(Standing { weight: 0, ..READY }, true, None);
        check(Standing { weight: 0, status: Status::Down, ..READY }, false, None);
    }

    #[test]
    fn backups_and_the_ejected_stand_behind() {
        check(Standing { backup: true, ..READY }, true, Some(Tier::Backup));
        check(Standing { ejected: true, ..READY }, false, Some(Tier::Ejected));
        check(Standing { ejected: true, backup: true, ..READY }, false, Some(Tier::EjectedBackup));
        assert!(Tier::First < Tier::Backup && Tier::Backup < Tier::Ejected);
    }

    #[test]
    fn a_member_that_is_back_warms_up_evenly() {
        let seconds = Duration::from_secs;
        let check = |back_for: Option<u64>, expect: u16| {
            assert_eq!(part(back_for.map(seconds), seconds(64)), expect, "{back_for:?}");
        };
        check(None, WHOLE);
        check(Some(0), 1);
        check(Some(1), 4);
        check(Some(32), WHOLE / 2);
        check(Some(63), 252);
        check(Some(64), WHOLE);
        check(Some(9_999), WHOLE);
        assert_eq!(part(Some(seconds(0)), seconds(0)), WHOLE, "without slow start");
    }
}
