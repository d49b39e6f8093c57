use super::health::Status;
use super::line::{Call, Entry, Line, Seat};
use super::*;
use config::model::{AdminState, Check, CheckKind, Member, Passive, Stick};
use std::time::Duration;

type Config = config::model::Pool;

fn member(name: &str) -> Member {
    let last = name.as_bytes()[0];
    Member::new(name, std::net::SocketAddr::from(([192, 0, 2, last], 80)))
}

fn config(members: Vec<Member>) -> Config {
    Config { check: Check { kind: CheckKind::Off, ..Check::default() }, ..Config::new("web", members) }
}

fn pool(config: &Config) -> Arc<Pool> {
    let pool = Arc::new(Pool::new(config, None, None, 1));
    pool.put_in_force();
    pool
}

fn client(last: u16) -> IpAddr {
    IpAddr::from([0x2001, 0xdb8, 0, last, 0, 0, 0, 1])
}

/// Takes a place as a client that belongs to this member and has tried those.
fn take(pool: &Pool, own: Option<usize>, tried: &[usize]) -> Pick {
    let tried: Vec<MemberId> = tried.iter().map(|place| pool.members[*place].id).collect();
    pool.take(&Wanted { client: Some(client(1)), own, tried: &tried, now: Instant::now() }, &mut || 0)
}

/// The name of the member that a place was had at.
fn name(pick: &Pick) -> Option<&str> {
    match pick {
        Pick::Seat(lease) => Some(&lease.member().name),
        Pick::Full(_) | Pick::Nobody => None,
    }
}

fn is_nobody(pick: &Pick) -> bool {
    matches!(pick, Pick::Nobody)
}

#[test]
fn a_member_keeps_its_state_while_name_and_address_stay() {
    let old = Pool::new(&config(vec![member("a"), member("b")]), None, None, 1);
    old.members[0].publish(Some(Status::Down), "refused");
    old.members[1].publish(Some(Status::Down), "refused");
    let moved = Member { address: "192.0.2.3:80".parse().unwrap(), ..member("b") };
    let new = Pool::new(&config(vec![Member { weight: 9, ..member("a") }, moved]), None, Some(&old), 1);
    assert_eq!(new.members[0].status(), Status::Down);
    assert_eq!(new.members[1].status(), Status::Unchecked, "another address is another member");
}

#[test]
fn members_that_are_down_or_tried_are_not_picked() {
    let pool = pool(&config(vec![member("a"), member("b")]));
    pool.members[0].publish(Some(Status::Down), "refused");
    for _ in 0..4 {
        assert_eq!(name(&take(&pool, None, &[])), Some("b"));
    }
    assert!(is_nobody(&take(&pool, None, &[1])));
    assert!(!pool.is_out());
    pool.members[1].publish(Some(Status::Down), "refused");
    assert!(pool.is_out());
}

#[test]
fn a_second_try_takes_nobodys_turn() {
    let pool = pool(&config(vec![member("a"), member("b")]));
    let first: Vec<String> = (0..4)
        .map(|_| {
            let first = name(&take(&pool, None, &[])).unwrap().to_owned();
            let place = usize::from(first == "b");
            assert_ne!(name(&take(&pool, None, &[place])), Some(first.as_str()));
            first
        })
        .collect();
    assert_eq!(first, ["a", "b", "a", "b"]);
}

#[test]
fn load_lasts_as_long_as_its_lease() {
    let pool = pool(&config(vec![member("a")]));
    let pick = take(&pool, None, &[]);
    assert_eq!(pool.members[0].load(), 1);
    drop(pick);
    assert_eq!(pool.members[0].load(), 0);
}

#[test]
fn backups_work_while_no_other_member_does() {
    let backup = |name| Member { backup: true, ..member(name) };
    let pool = pool(&config(vec![backup("b"), member("a"), backup("c")]));
    for _ in 0..4 {
        assert_eq!(name(&take(&pool, None, &[])), Some("a"));
    }
    assert_ne!(name(&take(&pool, None, &[1])), None, "the client has tried all others");
    pool.members[1].publish(Some(Status::Down), "refused");
    let mut names: Vec<String> = (0..4).map(|_| name(&take(&pool, None, &[])).unwrap().to_owned()).collect();
    names.sort();
    assert_eq!(names, ["b", "b", "c", "c"], "all backups share the work");
}

#[test]
fn another_member_is_one_with_room_that_is_no_backup_of_those_tried() {
    let narrow = Member { max_connections: Some(1), ..member("b") };
    let backup = Member { backup: true, ..member("c") };
    let pool = pool(&config(vec![member("a"), narrow, backup]));
    let check = |tried: &[usize], expect: bool| {
        let tried: Vec<MemberId> = tried.iter().map(|place| pool.members[*place].id).collect();
        assert_eq!(pool.has_another(&tried, Instant::now()), expect, "{tried:?}");
    };
    check(&[0], true);
    check(&[0, 1], false);
    let full = take(&pool, Some(1), &[]);
    check(&[0], false);
    drop(full);
    check(&[0], true);
    pool.members[0].publish(Some(Status::Down), "refused");
    pool.members[1].publish(Some(Status::Down), "refused");
    check(&[0, 1], true);
    check(&[2], false);
}

#[test]
fn drained_members_and_those_of_weight_zero_keep_their_own_clients() {
    let drained = Member { state: AdminState::Drain, ..member("a") };
    let weightless = Member { weight: 0, ..member("b") };
    let closed = Member { state: AdminState::Maintenance, ..member("c") };
    let pool = pool(&config(vec![drained, weightless, closed, member("d")]));
    for _ in 0..4 {
        assert_eq!(name(&take(&pool, None, &[])), Some("d"));
    }
    assert_eq!(name(&take(&pool, Some(0), &[])), Some("a"));
    assert_eq!(name(&take(&pool, Some(1), &[])), Some("b"));
    assert_eq!(name(&take(&pool, Some(2), &[])), Some("d"), "maintenance takes nobody");
}

#[test]
fn an_ejected_member_is_left_out_unless_it_is_the_last() {
    let passive = Passive { failures: 2, window: Duration::from_secs(60), ejection: Duration::from_secs(60) };
    let pool = pool(&Config { passive: Some(passive), ..config(vec![member("a"), member("b")]) });
    let now = Instant::now();
    assert_eq!(pool.members[0].failed_a_client(&passive, now), None);
    assert_eq!(pool.members[0].failed_a_client(&passive, now), Some(passive.ejection));
    for own in [None, Some(0)] {
        assert_eq!(name(&take(&pool, own, &[])), Some("b"));
    }
    assert_eq!(pool.members[0].ejections(), 1);
    pool.members[1].publish(Some(Status::Down), "refused");
    assert_eq!(name(&take(&pool, None, &[])), Some("a"));
}

#[test]
fn a_member_that_comes_back_starts_slowly() {
    let slow = Config { slow_start: Duration::from_secs(3600), ..config(vec![member("a"), member("b")]) };
    let pool = pool(&slow);
    pool.members[1].publish(Some(Status::Up), "accepted");
    pool.members[0].publish(Some(Status::Down), "refused");
    pool.members[0].publish(Some(Status::Up), "accepted");
    let mut chance = 0_u64;
    let mut count = [0, 0];
    for _ in 0..1_000 {
        let wanted = Wanted { client: Some(client(1)), own: None, tried: &[], now: Instant::now() };
        let pick = pool.take(&wanted, &mut || {
            chance += 1;
            balance::mix(chance)
        });
        count[usize::from(name(&pick) == Some("b"))] += 1;
    }
    assert!(count[0] < 20, "{count:?}: a member that never was away takes nearly all");
}

#[test]
fn a_pool_that_sticks_remembers_networks_over_a_change() {
    let sticky = Config { stick: Some(Stick::default()), ..config(vec![member("a"), member("b")]) };
    let old = pool(&sticky);
    let now = Instant::now();
    old.bind(client(1), &old.members[1], now);
    assert_eq!((old.own(client(1), now), old.own(client(2), now)), (Some(1), None));
    let turned = Config { member: vec![member("c"), member("b"), member("a")], ..sticky };
    let new = Arc::new(Pool::new(&turned, None, Some(&old), 1));
    new.put_in_force();
    assert_eq!((new.own(client(1), now), new.state.bound()), (Some(1), 1));
}

#[test]
fn ipv6_clients_of_one_prefix_are_one_to_the_balance() {
    let many = (0..16).map(|number| member(&char::from(b'a' + number).to_string())).collect();
    let hashed = Config { balance: Balance::Hash, source_prefix_v6: 48, ..config(many) };
    let pool = pool(&hashed);
    let at = |last: u16| {
        let wanted = Wanted { client: Some(client(last)), own: None, tried: &[], now: Instant::now() };
        name(&pool.take(&wanted, &mut || 0)).map(str::to_owned)
    };
    assert!((2..50).all(|last| at(last) == at(1)));
}

/// A pool of two members with one place each.
fn narrow() -> Config {
    let one = |name| Member { max_connections: Some(1), ..member(name) };
    config(vec![one("a"), one("b")])
}

fn enter(pool: &Arc<Pool>, own: Option<usize>) -> Entry {
    Line::enter(pool, 10, || take(pool, own, &[]))
}

/// What somebody who waits was called with, as far as they were.
fn call(entry: &mut Entry) -> Option<Call> {
    use futures_util::FutureExt;
    let Entry::Wait(waiting) = entry else { panic!("{entry:?} does not wait") };
    waiting.called().now_or_never()
}

fn seat(entry: &mut Entry) -> Lease {
    match call(entry) {
        Some(Call::Seat(seat)) => seat.lease,
        other => panic!("{other:?} is no place"),
    }
}

#[test]
fn full_members_are_passed_over_and_then_waited_for_in_order() {
    let pool = pool(&narrow());
    let (first, second) = (take(&pool, None, &[]), take(&pool, None, &[]));
    assert_eq!((name(&first), name(&second)), (Some("a"), Some("b")));
    let mut waiting = [enter(&pool, None), enter(&pool, Some(0)), enter(&pool, None)];
    assert_eq!((pool.state.line.length(), pool.state.line.joined()), (3, 3));
    drop(second);
    let lease = seat(&mut waiting[0]);
    assert_eq!(lease.member().name, "b");
    assert!(call(&mut waiting[1]).is_none() && call(&mut waiting[2]).is_none());
    drop(first);
    assert_eq!(seat(&mut waiting[1]).member().name, "a");
    assert_eq!(seat(&mut waiting[2]).member().name, "a", "the one before is done");
    assert_eq!((pool.state.line.length(), pool.members[0].load()), (0, 0));
    drop(lease);
}

#[test]
fn a_place_given_to_one_who_leaves_goes_to_the_next() {
    let pool = pool(&narrow());
    let (first, second) = (take(&pool, None, &[]), take(&pool, None, &[]));
    let (leaves, gone, mut stays) = (enter(&pool, None), enter(&pool, None), enter(&pool, None));
    drop(gone);
    drop(first);
    drop(leaves);
    drop(seat(&mut stays));
    drop(second);
    assert_eq!((pool.members[0].load(), pool.members[1].load(), pool.state.line.length()), (0, 0, 0));
}

#[test]
fn who_waits_for_a_member_that_goes_down_looks_again() {
    let pool = pool(&narrow());
    let _held = (take(&pool, None, &[]), take(&pool, None, &[]));
    let (mut own, mut any) = (enter(&pool, Some(0)), enter(&pool, None));
    pool.members[0].publish(Some(Status::Down), "refused");
    assert!(matches!(call(&mut own), Some(Call::Again)));
    assert!(call(&mut any).is_none());
    pool.members[1].publish(Some(Status::Down), "refused");
    assert!(matches!(call(&mut any), Some(Call::Again)), "nobody is left to wait for");
}

#[test]
fn a_change_of_configuration_serves_those_who_wait() {
    let old = pool(&narrow());
    let (first, _second) = (take(&old, None, &[]), take(&old, None, &[]));
    let (mut one, mut other) = (enter(&old, None), enter(&old, None));
    let grown = Config { member: [narrow().member, vec![member("c")]].concat(), ..narrow() };
    let new = Arc::new(Pool::new(&grown, None, Some(&old), 1));
    assert!(call(&mut one).is_none(), "what is only prepared changes nothing");
    new.put_in_force();
    let leases = [seat(&mut one), seat(&mut other)];
    assert!(leases.iter().all(|lease| lease.member().name == "c"));
    drop(first);
    assert_eq!(name(&take(&new, Some(0), &[])), Some("a"));
}

#[test]
fn those_of_a_removed_pool_are_served_by_what_it_was() {
    let pool = pool(&narrow());
    let (first, second) = (take(&pool, None, &[]), take(&pool, None, &[]));
    let next = Arc::new(Pool::new(&Config { max_queue: 7, ..narrow() }, None, Some(&pool), 1));
    next.put_in_force();
    let mut waiting = enter(&next, None);
    drop(next);
    drop(first);
    assert!(matches!(call(&mut waiting), Some(Call::Again)));
    let mut again = enter(&pool, Some(1));
    drop(second);
    assert_eq!(seat(&mut again).member().name, "b");
}

#[test]
fn who_comes_by_an_older_configuration_waits_by_the_one_in_force() {
    let old = pool(&narrow());
    let _held = (take(&old, None, &[]), take(&old, None, &[]));
    let new = Arc::new(Pool::new(&Config { max_queue: 7, ..narrow() }, None, Some(&old), 1));
    assert!(matches!(enter(&old, None), Entry::Wait(_)), "the new one is only prepared");
    new.put_in_force();
    assert!(matches!(enter(&old, None), Entry::Changed(pool) if Arc::ptr_eq(&pool, &new)));
    // A worker may see it a moment before it is in force.
    let newest = Arc::new(Pool::new(&narrow(), None, Some(&new), 1));
    assert!(matches!(enter(&newest, None), Entry::Wait(_)));
}

#[test]
fn a_place_comes_with_the_configuration_that_gives_it() {
    let old = pool(&narrow());
    let (_first, _second) = (take(&old, None, &[]), take(&old, None, &[]));
    let mut waiting = enter(&old, None);
    let grown = Config { member: [narrow().member, vec![member("c")]].concat(), ..narrow() };
    let new = Arc::new(Pool::new(&grown, None, Some(&old), 1));
    new.put_in_force();
    let Some(Call::Seat(Seat { lease, pool, .. })) = call(&mut waiting) else { panic!("no place") };
    assert!(Arc::ptr_eq(&pool, &new));
    let id = lease.member().id;
    assert!(
        pool.secured(id).is_ok() && old.secured(id).is_err(),
        "the old one cannot say how c is spoken to"
    );
}

#[test]
fn workers_together_keep_to_the_limit_and_serve_everyone() {
    const CLIENTS: usize = 200;
    let pool = pool(&Config { balance: Balance::Leastconn, ..narrow() });
    let served = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                for number in 0..CLIENTS / 4 {
                    let own = (number % 3 == 0).then_some(number % 2);
                    let lease = loop {
                        match enter(&pool, own) {
                            Entry::Seat(lease) => break lease,
                            Entry::Wait(mut waiting) => match runtime.block_on(waiting.called()) {
                                Call::Seat(seat) => break seat.lease,
                                Call::Again => {}
                            },
                            other => panic!("{other:?}: there is room in the queue"),
                        }
                    };
                    assert!(lease.member().load() <= 1);
                    served.fetch_add(1, Ordering::Relaxed);
                    std::thread::yield_now();
                }
            });
        }
    });
    assert_eq!(served.into_inner(), CLIENTS);
    assert_eq!((pool.state.line.length(), pool.members[0].load(), pool.members[1].load()), (0, 0, 0));
}
