//! Which member of a pool is next. Pure: turns, chance, health and load come in as arguments.
//!
//! Weighted kinds share one schedule, the smooth weighted round robin over one full cycle: a member of weight 5 beside
//! two of weight 1 is spread out, not taken five times in a row. The schedule belongs to the configuration and never
//! changes with health: a turn that falls on an unusable member is passed over and the next turn is drawn, so what it
//! would have got is spread over all others and not over its neighbour. A member that takes a part of its weight only
//! passes over the other part of its turns in the same way.
//!
//! Deliberately without state: the caller counts turns.

use config::model::Balance;
use std::net::IpAddr;

/// How often is drawn before the usable members are looked for one by one.
const DRAWS: u64 = 8;

/// What a member that takes all of its weight takes.
pub(crate) const WHOLE: u16 = 256;

/// What a pick needs to know of the members at this moment.
pub(crate) trait Field {
    /// Whether the member may be given work.
    fn usable(&self, member: usize) -> bool;
    /// How much of its weight it takes, 1 to [`WHOLE`].
    fn part(&self, member: usize) -> u16;
    /// What the member is busy with: connections or requests.
    fn load(&self, member: usize) -> u64;
}

/// Where a pick draws from.
pub(crate) trait Draw {
    /// A number that counts up by one with every call of any worker.
    fn turn(&mut self) -> u64;
    /// A uniformly random number.
    fn random(&mut self) -> u64;
}

/// A member as the balancer sees it.
#[derive(Clone, Debug)]
pub(crate) struct Share<'a> {
    /// Its name: consistent hashing places it by name, so that the order in the file does not matter.
    pub(crate) name: &'a str,
    /// Its weight; 0 takes no work.
    pub(crate) weight: u16,
}

/// The members of one pool, made ready for picking.
#[derive(Debug)]
pub(crate) struct Balancer {
    kind: Balance,
    weights: Vec<u16>,
    seeds: Vec<u64>,
    /// Members of weight above 0, each as often as its weight over the greatest common divisor of all.
    schedule: Vec<u32>,
}

impl Balancer {
    pub(crate) fn new(kind: Balance, members: &[Share<'_>]) -> Self {
        let weights: Vec<u16> = members.iter().map(|member| member.weight).collect();
        let seeds = members.iter().map(|member| hash_name(member.name)).collect();
        Self { kind, schedule: smooth(&weights), weights, seeds }
    }

    /// The member for a client, or `None` if none is usable. A client without an address is as if a new one each time.
    pub(crate) fn pick(
        &self,
        client: Option<IpAddr>,
        field: &impl Field,
        draw: &mut impl Draw,
    ) -> Option<usize> {
        let mut key = || client.map_or_else(|| draw.random(), hash_address);
        match self.kind {
            Balance::Roundrobin => self.in_turn(field, draw).or_else(|| self.nth_usable(draw.turn(), field)),
            Balance::Leastconn => self.least_loaded(field, draw.turn()),
            Balance::Source => self.by_source(key(), field),
            Balance::Random => {
                self.better_of_two(field, draw).or_else(|| self.nth_usable(draw.random(), field))
            }
            Balance::Hash => self.highest_score(key(), field),
        }
    }

    fn usable(&self, member: usize, field: &impl Field) -> bool {
        self.weights[member] > 0 && field.usable(member)
    }

    /// The member whose place in the schedule this number falls on.
    fn at(&self, number: u64) -> usize {
        let place = number % self.schedule.len() as u64;
        self.schedule[usize::try_from(place).expect("the remainder is below a length")] as usize
    }

    /// Whether the member takes this turn, for a number whose upper eight bits are by chance.
    fn takes(&self, member: usize, number: u64, field: &impl Field) -> bool {
        self.usable(member, field) && number >> 56 < u64::from(field.part(member))
    }

    fn in_turn(&self, field: &impl Field, draw: &mut impl Draw) -> Option<usize> {
        for drawn in 0..self.schedule.len() as u64 {
            // Where all are full, nobody draws the whole schedule to find that out.
            if drawn == DRAWS && !(0..self.weights.len()).any(|member| self.usable(member, field)) {
                return None;
            }
            let member = self.at(draw.turn());
            if self.takes(member, draw.random(), field) {
                return Some(member);
            }
        }
        None
    }

    /// Load is compared per weight and counts the work about to be given, so that weights matter on idle members
    /// too. Equals take turns.
    fn least_loaded(&self, field: &impl Field, turn: u64) -> Option<usize> {
        let count = self.weights.len();
        let first = usize::try_from(turn % (count.max(1) as u64)).expect("the remainder is below a length");
        (0..count)
            .map(|step| (first + step) % count)
            .filter(|&member| self.usable(member, field))
            .reduce(|best, member| if self.lighter(member, best, field) { member } else { best })
    }

    /// Whether load per weight is lower: the fractions are compared crosswise.
    fn lighter(&self, member: usize, than: usize, field: &impl Field) -> bool {
        let busy = |member| u128::from(field.load(member).saturating_add(1));
        let share = |member: usize| u128::from(self.weights[member]) * u128::from(field.part(member));
        busy(member) * share(than) < busy(than) * share(member)
    }

    fn by_source(&self, key: u64, field: &impl Field) -> Option<usize> {
        if self.schedule.is_empty() {
            return None;
        }
        (0..DRAWS)
            .map(|draw| mix(key.wrapping_add(draw)))
            .map(|number| (self.at(number), number))
            .find(|&(member, number)| self.takes(member, number, field))
            .map(|(member, _)| member)
            .or_else(|| self.nth_usable(mix(key.wrapping_add(DRAWS)), field))
    }

    fn better_of_two(&self, field: &impl Field, draw: &mut impl Draw) -> Option<usize> {
        if self.schedule.is_empty() {
            return None;
        }
        let mut first = None;
        for _ in 0..DRAWS {
            let number = draw.random();
            let member = self.at(number);
            match first {
                _ if !self.takes(member, number, field) => {}
                None => first = Some(member),
                Some(held) if held == member => {}
                Some(held) => return Some(if self.lighter(member, held, field) { member } else { held }),
            }
        }
        first
    }

    /// Rendezvous hashing with weights: the highest of one score per member and client. A member that goes takes only
    /// its own clients with it, one that comes takes its share from all.
    #[expect(clippy::cast_precision_loss, reason = "53 bits of a hash are as good as 64")]
    fn highest_score(&self, key: u64, field: &impl Field) -> Option<usize> {
        let score = |member: usize| {
            let uniform = ((mix(key ^ self.seeds[member]) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
            f64::from(self.weights[member]) * f64::from(field.part(member)) / -uniform.ln()
        };
        (0..self.weights.len())
            .filter(|&member| self.usable(member, field))
            .map(|member| (member, score(member)))
            .reduce(|best, other| if other.1 > best.1 { other } else { best })
            .map(|(member, _)| member)
    }

    /// Where drawing has met unusable members only: each usable one with the same chance.
    fn nth_usable(&self, number: u64, field: &impl Field) -> Option<usize> {
        let usable: Vec<usize> =
            (0..self.weights.len()).filter(|&member| self.usable(member, field)).collect();
        let place = number.checked_rem(usable.len() as u64)?;
        usable.get(usize::try_from(place).ok()?).copied()
    }
}

/// One cycle of the smooth weighted round robin: at each step every member gains its weight, and the richest is taken
/// and pays what all gained together.
fn smooth(weights: &[u16]) -> Vec<u32> {
    let divisor = weights.iter().copied().fold(0, greatest_common_divisor).max(1);
    let members: Vec<(u32, i64)> = (0..)
        .zip(weights)
        .filter(|(_, weight)| **weight > 0)
        .map(|(m, w)| (m, i64::from(w / divisor)))
        .collect();
    let cycle: i64 = members.iter().map(|(_, weight)| weight).sum();
    let mut purses = vec![0_i64; members.len()];
    (0..cycle)
        .filter_map(|_| {
            let mut richest: Option<usize> = None;
            for (place, (_, weight)) in members.iter().enumerate() {
                purses[place] += weight;
                if richest.is_none_or(|held| purses[place] > purses[held]) {
                    richest = Some(place);
                }
            }
            richest.map(|place| {
                purses[place] -= cycle;
                members[place].0
            })
        })
        .collect()
}

const fn greatest_common_divisor(a: u16, b: u16) -> u16 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// Choice: unkeyed, so that gateways side by side and restarts agree where a client belongs.
fn hash_address(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(v4) => mix(u64::from(v4.to_bits())),
        IpAddr::V6(v6) => v6.segments().into_iter().fold(0, |hash, part| mix(hash ^ u64::from(part))),
    }
}

fn hash_name(name: &str) -> u64 {
    name.bytes().fold(mix(name.len() as u64), |hash, byte| mix(hash ^ u64::from(byte)))
}

/// The finalizer of `SplitMix64` with its increment: a bijection in which every input bit reaches every output bit.
pub(crate) const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
