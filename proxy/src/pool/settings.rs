//! What an operator has set of members, in place of what the file says. Pure.
//!
//! A setting holds through changes of configuration until the file itself changes that key of that member, gives the
//! member another address, which makes it another server, or leaves it out.

use config::model::{AdminState, Member};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// What is wanted of one member, by the file or in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) state: AdminState,
    pub(crate) weight: u16,
    /// Whether an operator has set the state, and not the file.
    pub(crate) state_is_set: bool,
    /// The same of the weight.
    pub(crate) weight_is_set: bool,
}

/// What an operator sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    State(AdminState),
    /// At most 256.
    Weight(u16),
}

/// The settings of the members of one pool, by their names.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings(BTreeMap<String, OfMember>);

#[derive(Clone, Copy, Debug)]
struct OfMember {
    address: SocketAddr,
    state: Option<Instead<AdminState>>,
    weight: Option<Instead<u16>>,
}

/// A value in place of that of the file.
#[derive(Clone, Copy, Debug)]
struct Instead<T> {
    file: T,
    wanted: T,
}

impl<T: Copy + PartialEq> Instead<T> {
    /// The value, as long as the file says what it said then.
    fn over(of: Option<Self>, file: T) -> Option<T> {
        of.filter(|instead| instead.file == file && instead.wanted != file).map(|instead| instead.wanted)
    }
}

impl Settings {
    /// Sets this of a member from here on.
    pub(super) fn add(&mut self, member: &Member, setting: Setting) {
        let fresh = OfMember { address: member.address, state: None, weight: None };
        let settings = self.0.entry(member.name.clone()).or_insert(fresh);
        match setting {
            Setting::State(wanted) => settings.state = Some(Instead { file: member.state, wanted }),
            Setting::Weight(wanted) => settings.weight = Some(Instead { file: member.weight, wanted }),
        }
    }

    /// Forgets what the members of the configuration in force are not concerned by.
    pub(super) fn follow(&mut self, members: &[Member]) {
        self.0.retain(|name, settings| {
            let Some(member) = members.iter().find(|member| member.name == *name) else { return false };
            settings.state =
                settings.state.filter(|state| Instead::over(Some(*state), member.state).is_some());
            settings.weight =
                settings.weight.filter(|weight| Instead::over(Some(*weight), member.weight).is_some());
            settings.address == member.address && (settings.state.is_some() || settings.weight.is_some())
        });
    }

    /// What is wanted of each member.
    pub(super) fn all(&self, members: &[Member]) -> Vec<Terms> {
        members.iter().map(|member| self.of(member)).collect()
    }

    fn of(&self, member: &Member) -> Terms {
        let settings = self.0.get(&member.name).filter(|settings| settings.address == member.address);
        let state = settings.and_then(|settings| Instead::over(settings.state, member.state));
        let weight = settings.and_then(|settings| Instead::over(settings.weight, member.weight));
        Terms {
            state: state.unwrap_or(member.state),
            weight: weight.unwrap_or(member.weight),
            state_is_set: state.is_some(),
            weight_is_set: weight.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AdminState::{Drain, Maintenance, Ready};

    fn member(state: AdminState, weight: u16) -> Member {
        Member { state, weight, ..Member::new("a", SocketAddr::from(([192, 0, 2, 1], 80))) }
    }

    /// What comes of the file under these settings.
    fn check(settings: &Settings, file: &Member, state: (AdminState, bool), weight: (u16, bool)) {
        let terms = settings.of(file);
        assert_eq!(((terms.state, terms.state_is_set), (terms.weight, terms.weight_is_set)), (state, weight));
    }

    #[test]
    fn a_wish_holds_until_the_file_changes_that_key() {
        let mut settings = Settings::default();
        let file = member(Ready, 100);
        settings.add(&file, Setting::State(Drain));
        settings.add(&file, Setting::Weight(7));
        check(&settings, &file, (Drain, true), (7, true));
        let backup = Member { backup: true, ..file.clone() };
        for file in [&backup, &file] {
            settings.follow(std::slice::from_ref(file));
            check(&settings, file, (Drain, true), (7, true));
        }
        let heavier = member(Ready, 200);
        check(&settings, &heavier, (Drain, true), (200, false));
        settings.follow(&[heavier]);
        check(&settings, &file, (Drain, true), (100, false));
        settings.follow(&[member(Maintenance, 200)]);
        check(&settings, &file, (Ready, false), (100, false));
        assert!(settings.0.is_empty());
    }

    #[test]
    fn what_the_file_says_anyway_is_no_wish() {
        let mut settings = Settings::default();
        let file = member(Drain, 100);
        settings.add(&file, Setting::State(Ready));
        check(&settings, &file, (Ready, true), (100, false));
        settings.add(&file, Setting::State(Drain));
        check(&settings, &file, (Drain, false), (100, false));
        settings.follow(&[file]);
        assert!(settings.0.is_empty());
    }

    #[test]
    fn another_server_under_the_name_is_not_concerned() {
        let mut settings = Settings::default();
        settings.add(&member(Ready, 100), Setting::State(Drain));
        let moved = Member { address: SocketAddr::from(([192, 0, 2, 2], 80)), ..member(Ready, 100) };
        check(&settings, &moved, (Ready, false), (100, false));
        settings.follow(&[moved]);
        check(&settings, &member(Ready, 100), (Ready, false), (100, false));
        settings.add(&member(Ready, 100), Setting::State(Drain));
        settings.follow(&[]);
        check(&settings, &member(Ready, 100), (Ready, false), (100, false));
    }
}
