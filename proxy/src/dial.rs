//! From a pool to a connection: waits for a place at a member, connects, and tries again where that fails.
//!
//! A client waits for `timeout.queue` in all, and for one connect timeout and one pause per attempt at worst. Whoever
//! waits while the configuration changes goes by the new one from then on.

use crate::clock::now;
use crate::origination::Secured;
use crate::pool::attempts::{self, Next};
use crate::pool::line::{Call, Entry, Line, Seat};
use crate::pool::{Lease, MemberId, MemberState, Pick, Pool, Stranger, Wanted};
use crate::record::Path;
use crate::shortage::{Shortage, is_shortage};
use crate::stream::{Socket, Stream};
use crate::worker::Local;
use config::model::ProxyTimeouts;
use std::cell::Cell;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{self, Instant};

/// The search for a member on behalf of one client.
pub(crate) struct Dial<'a> {
    local: &'a Local,
    pool: Arc<Pool>,
    timeout: &'a ProxyTimeouts,
    /// None: it has no address, so nothing can be remembered of it.
    client: Option<IpAddr>,
    /// The place of the member to have, if it takes the client.
    own: Option<usize>,
    tried: Vec<MemberId>,
    /// The member of the latest attempt.
    last: Option<MemberId>,
    /// Attempts so far.
    made: u32,
    /// Whether the latest attempt failed for a shortage of ours.
    short: Cell<bool>,
    /// What is left of the time that the client waits for a place.
    patience: Duration,
    pub(crate) path: Path,
}

/// What a member is sent before all else.
#[derive(Debug, Default)]
pub(crate) struct First {
    /// A PROXY header, in plain even to a member that speaks TLS.
    pub(crate) header: Vec<u8>,
    /// Octets of the client.
    pub(crate) ahead: Vec<u8>,
}

/// Why no member could be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoMember {
    /// None takes work.
    AllOut,
    /// None of the attempts succeeded.
    AllTried,
    /// The same, the last one for a shortage of ours.
    Shortage,
    /// All are full, and so is the queue.
    QueueFull,
    /// All were full for too long.
    QueueTimeout,
}

impl<'a> Dial<'a> {
    /// `client` is the address that it counts under.
    pub(crate) fn new(
        local: &'a Local,
        pool: &'a Arc<Pool>,
        timeout: &'a ProxyTimeouts,
        client: Option<IpAddr>,
    ) -> Self {
        let own = client.and_then(|client| pool.own(client, now()));
        Self {
            local,
            pool: Arc::clone(pool),
            timeout,
            client,
            own,
            tried: Vec::new(),
            last: None,
            made: 0,
            short: Cell::new(false),
            patience: timeout.queue,
            path: Path::default(),
        }
    }

    /// The worker that looks.
    pub(crate) fn local(&self) -> &Local {
        self.local
    }

    /// Has the client go to this member first, if the pool has it and it takes its own.
    pub(crate) fn prefer(&mut self, member: MemberId) {
        self.own = self.pool.place(member).or(self.own);
    }

    /// A place at the next member for this client. Asked again, the attempt at the one before has failed.
    pub(crate) async fn next(&mut self) -> Result<Lease, NoMember> {
        let again = self.made > 0;
        if again {
            self.prepare_another().await?;
        }
        let lease = self.seat().await?;
        let member = lease.member();
        let same = self.last.map(|last| last == member.id);
        if again {
            self.pool.state.tried_again(same == Some(true));
        }
        self.path.seated(same, now());
        self.made += 1;
        self.last = Some(member.id);
        self.tried.push(member.id);
        member.counts.chosen(self.local.index());
        Ok(lease)
    }

    /// Connects to a member, over TLS where the pool has it.
    pub(crate) async fn connect(&self, member: &MemberState, first: &First) -> io::Result<Stream> {
        let secured = self.secured(member).map_err(io::Error::other)?;
        self.reach(member, open(member, first, secured)).await
    }

    /// Does all that a member has to be reached by, within the limit, counted and logged.
    pub(crate) async fn reach<T>(
        &self,
        member: &MemberState,
        opening: impl Future<Output = io::Result<T>>,
    ) -> io::Result<T> {
        let (limit, worker) = (self.timeout.connect, self.local.index());
        let reached = match self.local.alarms.before(Instant::now() + limit, opening).await {
            Some(reached) => reached,
            None => Err(io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {limit:?}"))),
        };
        match &reached {
            Ok(_) => {
                member.counts.connected(worker);
                self.reached(member);
            }
            // That is no fault of the member.
            Err(error) if is_shortage(error) => {
                self.local.upstreams.give_up();
                if let Some(more) = self.local.admit_shortage(Shortage::Member) {
                    let (pool, member) = (&member.pool, &member.name);
                    tracing::warn!(%error, pool, member, more, "no socket for a connection to a member");
                }
            }
            Err(error) => {
                member.counts.refused(worker);
                self.blame(member);
                tracing::debug!(%error, pool = member.pool, member = member.name, "member cannot be reached");
            }
        }
        self.short.set(reached.as_ref().is_err_and(is_shortage));
        reached
    }

    /// The member of the latest attempt has left the request to others, which is nobody's failure: another attempt
    /// follows as if there had been none, at that member only where no other takes it that is no backup of it.
    pub(crate) fn was_left_alone(&mut self) {
        self.made = self.made.saturating_sub(1);
        if !self.pool.has_another(&self.tried, now()) {
            self.tried.clear();
        }
    }

    /// The pool that the latest place is of. Members are told of clients as it says.
    pub(crate) const fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// What a connection to the member needs beside its address, see [`Pool::secured`].
    pub(crate) fn secured(&self, member: &MemberState) -> Result<Option<&Arc<Secured>>, Stranger> {
        self.pool.secured(member.id)
    }

    /// The client is served by this member, and belongs to it from here on if the pool is sticky.
    pub(crate) fn reached(&self, member: &MemberState) {
        if let Some(client) = self.client {
            self.pool.bind(client, member, now());
        }
    }

    /// The member has failed the client: not reached, or no whole answer came.
    pub(crate) fn blame(&self, member: &MemberState) {
        let Some(ejected_for) = self.pool.blame(member, now()) else { return };
        let state = Arc::clone(&self.pool.state);
        // Nothing else tells those who wait that the member is back.
        tokio::task::spawn_local(async move {
            time::sleep(ejected_for).await;
            state.line.look_again();
        });
    }

    /// Decides where the next attempt goes.
    async fn prepare_another(&mut self) -> Result<(), NoMember> {
        let config = &self.pool.config;
        let last = self.last.and_then(|id| self.pool.place(id));
        let is_own = last.is_some() && last == self.own;
        match attempts::after(self.made, is_own, config.retries, config.redispatch) {
            Next::GiveUp if self.short.get() => return Err(NoMember::Shortage),
            Next::GiveUp => return Err(NoMember::AllTried),
            Next::Same => {
                self.own = last;
                self.pause().await;
            }
            Next::Another => {
                self.own = None;
                if self.pool.has_all_tried(&self.tried, now()) {
                    self.start_over().await;
                }
            }
        }
        self.path.tries_again();
        Ok(())
    }

    /// All were tried: each of them may be tried again, after a pause.
    async fn start_over(&mut self) {
        self.pause().await;
        self.tried.clear();
    }

    async fn pause(&self) {
        time::sleep(attempts::PAUSE.min(self.timeout.connect)).await;
    }

    async fn seat(&mut self) -> Result<Lease, NoMember> {
        loop {
            let entry = if self.pool.state.line.is_empty() {
                match self.take() {
                    Pick::Seat(lease) => return Ok(lease),
                    Pick::Nobody => Entry::Nobody,
                    Pick::Full(_) => self.enter(),
                }
            } else {
                self.enter()
            };
            let mut waiting = match entry {
                Entry::Seat(lease) => return Ok(lease),
                // The last of the others went while the client waited: those that it tried are what is left.
                Entry::Nobody if !self.tried.is_empty() && !self.pool.is_out() => {
                    self.start_over().await;
                    continue;
                }
                Entry::Nobody if self.made == 0 => return Err(NoMember::AllOut),
                Entry::Nobody => return Err(NoMember::AllTried),
                Entry::Full => return Err(NoMember::QueueFull),
                Entry::Changed(pool) => {
                    self.follow(pool);
                    continue;
                }
                Entry::Wait(waiting) => waiting,
            };
            let (at_a_member, began) = (waiting.is_at_a_member(), Instant::now());
            let called = time::timeout(self.patience, waiting.called()).await;
            self.patience = self.patience.saturating_sub(began.elapsed());
            match called {
                Ok(Call::Seat(Seat { lease, pool, number })) => {
                    self.follow(pool);
                    self.path.left_queue(at_a_member, number);
                    return Ok(lease);
                }
                Ok(Call::Again) => {}
                Err(_) => {
                    self.path.left_queue(at_a_member, waiting.give_up().unwrap_or_default());
                    self.path.waited_in_vain(now());
                    return Err(NoMember::QueueTimeout);
                }
            }
        }
    }

    fn enter(&self) -> Entry {
        let bound = usize::try_from(self.pool.config.max_queue).unwrap_or(usize::MAX);
        Line::enter(&self.pool, bound, || self.take())
    }

    /// Goes by this configuration of the pool from here on.
    fn follow(&mut self, pool: Arc<Pool>) {
        let named = |own: usize| pool.members.iter().position(|m| m.name == self.pool.members[own].name);
        self.own = self.own.and_then(named);
        self.pool = pool;
    }

    fn take(&self) -> Pick {
        let wanted = Wanted { client: self.client, own: self.own, tried: &self.tried, now: now() };
        self.pool.take(&wanted, &mut || self.local.random())
    }
}

/// A connection to the member, over TLS where it is `secured`, on which `first` has been sent.
pub(crate) async fn open(
    member: &MemberState,
    first: &First,
    secured: Option<&Arc<Secured>>,
) -> io::Result<Stream> {
    let mut socket = Socket::from(TcpStream::connect(member.address).await?);
    socket.set_nodelay();
    socket.write_all(&first.header).await?;
    let mut stream = match secured {
        // Few pools need its room, and every connection would have it.
        Some(secured) => Box::pin(shake_hands(member, secured, socket)).await?,
        None => socket.into(),
    };
    stream.write_all(&first.ahead).await?;
    Ok(stream)
}

async fn shake_hands(member: &MemberState, secured: &Secured, socket: Socket) -> io::Result<Stream> {
    let shaken = secured.handshake(socket).await;
    if let Err(error) = &shaken
        && let Some(more) = secured.admit_failure()
    {
        let (pool, member) = (&member.pool, &member.name);
        tracing::warn!(pool, member, more, %error, "clients cannot be passed on to this member");
    }
    shaken
}
