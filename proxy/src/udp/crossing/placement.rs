//! Which member each flow of a crossing has, and whether there is room for one flow more.

use super::super::flow::Flow;
use super::super::flows::FlowId;
use super::super::line::FlowLine;
use super::super::loss::is_of_an_earlier;
use super::super::path::Path;
use super::Crossing;
use crate::counts::Loss;
use crate::listener::Place;
use crate::pool::{Bond, MemberId, MemberState, Pick, Wanted};
use crate::record::{By, Phase, State};
use crate::shortage::{Shortage, is_shortage};
use crate::worker::FlowPlace;
use nix::errno::Errno;
use std::io;
use std::net::IpAddr;
use std::time::Instant;

impl Crossing {
    /// Gives a new client a flow.
    pub(super) fn open(&mut self, path: &Path, now: Instant) -> Result<FlowId, Loss> {
        let client = path.client().ok_or(Loss::Unsendable)?.ip();
        let ticket = self.route.admission.judge(Some(client), now)?;
        let client = self.route.translated.counted(client);
        let place = self.make_room()?;
        let mut flow = match self.reach(path, client, &mut Vec::new(), now) {
            // One is enough, unless somebody else is quicker: then those who are left need not go for nothing.
            Err(Loss::MembersFull) if self.evict() => self.reach(path, client, &mut Vec::new(), now)?,
            reached => reached?,
        };
        flow.tell_by(FlowLine::begin(&self.local, (&self.route, &self.site), path, self.bound));
        let held = (self.flows.len(), &self.beyond);
        let place = FlowPlace::new(&self.local, &self.route.counts, held, (place, ticket));
        let id = self.flows.open(*path, (flow, place), now);
        self.listen_to(id)?;
        Ok(id)
    }

    /// Sees to it that there is room for one flow more, for which loose ones may have to go.
    fn make_room(&mut self) -> Result<Place, Loss> {
        loop {
            if self.local.has_room_for_flow(self.flows.len(), &self.beyond)
                && let Some(place) = self.route.admission.take_place()
            {
                return Ok(place);
            }
            if !self.evict() {
                if let Some(more) = self.local.admit_shortage(Shortage::Flows) {
                    let listener = &self.route.name;
                    tracing::warn!(listener, more, "as many flows as may be; new clients are turned away");
                }
                return Err(Loss::FlowsFull);
            }
        }
    }

    /// Ends the loose flow that has been silent for longest, if there is any.
    fn evict(&mut self) -> bool {
        let Some((flow, _)) = self.flows.evict() else { return false };
        flow.end_by(State::new(By::Shortage, Phase::Data));
        self.route.counts.flow_evicted(self.local.index());
        true
    }

    /// A connected socket to the next member for this client.
    fn reach(
        &self,
        path: &Path,
        client: IpAddr,
        tried: &mut Vec<MemberId>,
        now: Instant,
    ) -> Result<Flow, Loss> {
        let (pool, worker) = (&self.route.pool, self.local.index());
        let own = pool.own(client, now).filter(|_| tried.is_empty());
        for made in 0..=pool.config.retries {
            let wanted = Wanted { client: Some(client), own, tried, now };
            let lease = match pool.take(&wanted, &mut || self.local.random()) {
                Pick::Seat(lease) => lease,
                Pick::Full(_) => return Err(Loss::MembersFull),
                Pick::Nobody if made == 0 => return Err(Loss::NoMember),
                Pick::Nobody => return Err(Loss::Unreachable),
            };
            lease.member().counts.chosen(worker);
            match Flow::open(lease, &self.route, path, self.bound) {
                Ok(flow) => {
                    flow.lease().member().counts.connected(worker);
                    pool.bind(client, flow.lease().member(), now);
                    return Ok(flow);
                }
                Err((_, error)) if is_shortage(&error) => {
                    if let Some(more) = self.local.admit_shortage(Shortage::FlowSocket) {
                        tracing::warn!(%error, listener = self.route.name, more, "no socket for a new flow");
                    }
                    return Err(Loss::Shortage);
                }
                Err((lease, error)) => {
                    self.blame(lease.member(), &error, now);
                    tried.push(lease.member().id);
                }
            }
        }
        Err(Loss::Unreachable)
    }

    /// Waits for what the member of a flow says; a flow that cannot be heard ends.
    fn listen_to(&mut self, id: FlowId) -> Result<(), Loss> {
        let Some((_, (flow, _))) = self.flows.get(id) else { return Err(Loss::FlowsFull) };
        if self.members.add(flow.socket(), id).is_ok() {
            return Ok(());
        }
        self.flows.close(id);
        Err(Loss::Shortage)
    }

    /// Has the flow stay with its member if that still takes it, and else go to another one.
    pub(super) fn hold(&mut self, id: FlowId, now: Instant) -> Result<(), Loss> {
        let Some((_, (flow, _))) = self.flows.get(id) else { return Ok(()) };
        match self.route.pool.bond(flow.member(), now) {
            Bond::Kept => Ok(()),
            Bond::Loose => {
                // An ejected member is better than none.
                let _ = self.transfer(id, now);
                Ok(())
            }
            Bond::Cut => self.transfer(id, now).inspect_err(|_| {
                if let Some((flow, _)) = self.flows.close(id) {
                    flow.end_by(State::new(By::Member, Phase::Data));
                }
            }),
        }
    }

    /// The member of a flow has refused what it was sent.
    pub(super) fn refused(&mut self, id: FlowId, errno: Errno, now: Instant) {
        let Some((_, (flow, _))) = self.flows.get(id) else { return };
        let moves = flow.moves;
        self.blame(flow.lease().member(), &errno.into(), now);
        if is_of_an_earlier(errno) {
            self.lost(Loss::Unreachable, 1);
        }
        if self.route.pool.config.redispatch && moves < self.route.pool.config.retries {
            // Where no other takes it, this one may do so again.
            let _ = self.transfer(id, now);
        }
    }

    /// A member cannot be reached, or refuses what it was sent.
    fn blame(&self, member: &MemberState, error: &io::Error, now: Instant) {
        let (pool, name) = (&member.pool, &member.name);
        tracing::debug!(%error, pool, member = name, "member takes no datagrams");
        let mut refusals = self.refusals.get();
        if let Some(more) = refusals.admit(now) {
            tracing::warn!(%error, pool, member = name, more, "member takes no datagrams");
        }
        self.refusals.set(refusals);
        member.counts.refused(self.local.index());
        self.route.pool.blame(member, now);
    }

    /// Gives a flow another member than the one it has, which it keeps where there is none.
    fn transfer(&mut self, id: FlowId, now: Instant) -> Result<(), Loss> {
        let Some((path, (flow, _))) = self.flows.get(id) else { return Ok(()) };
        let (path, moves) = (*path, flow.moves + 1);
        let client = path.client().ok_or(Loss::Unsendable)?.ip();
        let mut next =
            self.reach(&path, self.route.translated.counted(client), &mut vec![flow.member()], now)?;
        next.moves = moves;
        if let Some((flow, _)) = self.flows.get_mut(id) {
            next.tell_by(flow.take_line());
            *flow = next;
        }
        self.listen_to(id)
    }
}
