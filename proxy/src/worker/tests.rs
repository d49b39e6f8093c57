use super::*;
use crate::capacity::Capacity;
use crate::listener::Admission;
use crate::listener::socket::Listening;
use crate::snapshot::Snapshot;
use crate::snapshot::tests::{ENDLESS, listener, model};
use crate::translated::Translated;
use config::model::Mode;

fn local() -> Rc<Local> {
    local_with(ENDLESS)
}

fn local_with(capacity: Capacity) -> Rc<Local> {
    let snapshot = Snapshot::new(&model(vec![], &[]), None, 1);
    let shared = Shared::new(snapshot, 1, capacity);
    Rc::new(Local::new(0, Arc::new(shared)))
}

/// What a connection has of a listener without limits.
fn held() -> Held {
    let web = listener("web", "127.82.0.4:80", Mode::Tcp, "web");
    let admission = Admission::new(&web, &Translated::new([]), None);
    (admission.take_place().unwrap(), None)
}

/// A connection that does this and ends.
fn acts(connection: impl Future<Output = ()> + 'static) -> Acts {
    Box::pin(connection.map(|()| None))
}

/// Runs a future as a worker's thread does.
fn on_a_worker(future: impl Future<Output = ()>) {
    crate::thread::runtime().unwrap().block_on(future);
}

#[test]
fn a_panic_in_one_connection_is_counted_and_disturbs_no_other() {
    on_a_worker(async {
        let local = local();
        let counts = Arc::new(ListenerCounts::new(1));
        let (go, wait) = oneshot::channel::<()>();
        let served = Rc::new(Cell::new(false));
        let seen = Rc::clone(&served);
        local.spawn(
            Arc::clone(&counts),
            held(),
            acts(async move {
                wait.await.unwrap();
                seen.set(true);
            }),
        );
        local.spawn(
            Arc::clone(&counts),
            held(),
            acts(async move {
                // Dropped by the panic, which ends the wait of the other connection with an error if it were shared.
                panic!("a fault of this one connection");
            }),
        );
        local.connection_ended().await;
        assert_eq!((counts.failures(Failure::Panic), counts.active()), (1, 1));
        go.send(()).unwrap();
        local.idle().await;
        assert!(served.get());
        assert_eq!((counts.failures(Failure::Panic), counts.active()), (1, 0));
    });
}

#[test]
fn refusals_are_told_apart_by_listener_and_reason() {
    let local = local();
    let check = |listener: &str, reason: Failure, expect: Option<u64>| {
        assert_eq!(local.admit_refusal(listener, reason), expect, "{listener} {}", reason.label());
    };
    check("web", Failure::TlsMalformed, Some(0));
    check("web", Failure::TlsMalformed, None);
    check("web", Failure::TlsClientCertificate, Some(0));
    check("mail", Failure::TlsMalformed, Some(0));
    check("mail", Failure::TlsMalformed, None);
}

#[test]
fn a_worker_without_connections_is_idle_at_once() {
    on_a_worker(async { local().idle().await });
}

#[test]
fn a_worker_is_full_until_one_of_its_connections_ends() {
    on_a_worker(async {
        // Room for one connection, whatever there is.
        let local = local_with(Capacity { files: 0, memory: 0 });
        let counts = Arc::new(ListenerCounts::new(1));
        assert!(local.has_room(0));
        let (go, wait) = oneshot::channel::<()>();
        local.spawn(Arc::clone(&counts), held(), acts(async move { wait.await.unwrap() }));
        assert!(!local.has_room(0));
        go.send(()).unwrap();
        local.connection_ended().await;
        assert!(local.has_room(0));
        local.spawn(counts, held(), acts(async { panic!("a fault of this one connection") }));
        assert!(!local.has_room(0));
        local.idle().await;
        assert!(local.has_room(0), "a panic gives the place back");
    });
}

#[test]
fn each_socket_for_datagrams_has_its_share_and_all_keep_to_the_limit() {
    let mut dns = listener("dns", "127.82.0.4:53", Mode::Udp, "dns");
    let ports = ["127.82.0.4:53", "127.82.0.4:54"];
    dns.bind = ports.iter().map(|port| port.parse::<std::net::SocketAddr>().unwrap().into()).collect();
    let snapshot = Snapshot::new(&model(vec![dns], &["dns"]), None, 1);
    let route = Arc::clone(&snapshot.listeners["dns"]);
    // Besides what is kept back there is room for eight flows.
    let capacity = Capacity { files: 37 + 24, memory: u64::MAX };
    let local = Rc::new(Local::new(0, Arc::new(Shared::new(snapshot, 1, capacity))));
    let fill = |held: &mut Vec<FlowPlace>, beyond: &Rc<Cell<usize>>| {
        while local.has_room_for_flow(held.len(), beyond) {
            let place = (route.admission.take_place().unwrap(), None);
            held.push(FlowPlace::new(&local, &route.counts, (held.len(), beyond), place));
        }
        held.len()
    };
    let (mut one, mut two) = ((Vec::new(), Rc::default()), (Vec::new(), Rc::default()));
    assert_eq!((fill(&mut one.0, &one.1), fill(&mut two.0, &two.1)), (6, 2));
    // Whichever ends makes room for another one.
    drop(one.0.remove(0));
    assert_eq!(fill(&mut one.0, &one.1), 6);
    one.0.clear();
    assert_eq!(fill(&mut two.0, &two.1), 6);
}

#[test]
fn random_numbers_of_two_workers_differ() {
    let (one, two) = (local(), local());
    assert_ne!((one.random(), one.random()), (two.random(), two.random()));
}

#[test]
fn an_address_that_was_closed_is_free_once_that_is_reported() {
    let bind = "[2001:db8::80]:80";
    let snapshot = Snapshot::new(&model(vec![listener("web", bind, Mode::Tcp, "web")], &["web"]), None, 1);
    let route = Arc::clone(&snapshot.listeners["web"]);
    let shared = Arc::new(Shared::new(snapshot, 1, ENDLESS));
    let worker = Worker::start(0, shared, mpsc::unbounded_channel().0).unwrap();
    // Nothing else uses this address, so its port stays free.
    let mut address: std::net::SocketAddr = "127.82.0.1:0".parse().unwrap();
    on_a_worker(async {
        // A single round could be won by luck.
        for _ in 0..50 {
            let socket = std::net::TcpListener::bind(address).expect("nobody listens here");
            socket.set_nonblocking(true).unwrap();
            address = socket.local_addr().unwrap();
            let site = Site::Inet(address.into());
            let sockets = worker.register(vec![Bound::Stream(Listening::Tcp(socket))]).unwrap();
            worker.order(Order::Open { site: Arc::new(site.clone()), route: Arc::clone(&route), sockets });
            worker.order(Order::Close(site));
            worker.reported().await;
        }
    });
}

/// More than the runtime lets one task take before others have their turn.
const CROWD: usize = 320;

/// A listener at which a crowd waits that it turns away.
struct Crowded {
    local: Rc<Local>,
    site: Arc<Site>,
    route: Arc<Route>,
    socket: Option<Bound>,
    _crowd: Vec<std::net::TcpStream>,
}

impl Crowded {
    fn new() -> Self {
        let mut web = listener("web", "127.82.0.2:80", Mode::Tcp, "web");
        web.allow_from = Some(vec!["192.0.2.0/24".parse().unwrap()]);
        let snapshot = Snapshot::new(&model(vec![web], &["web"]), None, 1);
        let (site, route) =
            snapshot.sites().map(|(site, route)| (site.clone(), Arc::clone(route))).next().unwrap();
        let local = Rc::new(Local::new(0, Arc::new(Shared::new(snapshot, 1, ENDLESS))));
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&"127.82.0.2:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
        socket.listen(1024).unwrap();
        socket.set_nonblocking(true).unwrap();
        let socket = std::net::TcpListener::from(socket);
        let address = socket.local_addr().unwrap();
        let crowd = (0..CROWD).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
        let socket = Some(Bound::Stream(Listening::Tcp(socket)));
        Self { local, site: Arc::new(site), route, socket, _crowd: crowd }
    }

    fn open(&mut self) -> Accepting {
        let sockets = self.socket.take().into_iter().map(|socket| Registered::new(socket).unwrap()).collect();
        Accepting::start(&self.local, &self.site, &self.route, sockets)
    }

    fn turned_away(&self) -> usize {
        usize::try_from(self.route.counts.failures(Failure::NotAllowed)).unwrap()
    }
}

/// Without a limit to its turns it would take 128 at a time, which is where the runtime stops it.
#[test]
fn a_crowd_at_one_listener_leaves_turns_to_others() {
    let mut crowded = Crowded::new();
    on_a_worker(async {
        let accepting = crowded.open();
        let mut turns = 0;
        while crowded.turned_away() < CROWD {
            tokio::task::yield_now().await;
            turns += 1;
        }
        assert!(turns >= CROWD / 32, "{turns} turns");
        accepting.stop.send_replace(true);
        let _ = accepting.closed.await;
    });
}

#[test]
fn all_who_wait_at_a_listener_that_leaves_are_still_taken() {
    let check = |turns: usize| {
        let mut crowded = Crowded::new();
        on_a_worker(async {
            let accepting = crowded.open();
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            accepting.stop.send_replace(true);
            let _ = accepting.closed.await;
            assert_eq!(crowded.turned_away(), CROWD, "after {turns} turns");
        });
    };
    // Before the runtime has looked at the socket, and after it has.
    check(0);
    check(3);
}

/// Time is that of the test: what waits only for time to pass takes none.
#[test]
fn sockets_that_wait_for_answers_are_closed_side_by_side() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let ports = ["127.82.0.3:1001", "127.82.0.3:1002", "127.82.0.3:1003", "127.82.0.3:1004"];
    let mut dns = listener("dns", ports[0], Mode::Udp, "dns");
    dns.bind = ports.iter().map(|port| port.parse::<std::net::SocketAddr>().unwrap().into()).collect();
    let mut model = model(vec![dns], &["dns"]);
    model.pool[0].member[0].address = silent.local_addr().unwrap();
    let snapshot = Snapshot::new(&model, None, 1);
    let sites: Vec<_> = snapshot.sites().map(|(site, route)| (site.clone(), Arc::clone(route))).collect();
    let local = Local::new(0, Arc::new(Shared::new(snapshot, 1, ENDLESS)));
    let (orders, queue) = mpsc::unbounded_channel();
    let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let order = |order| orders.send(order).unwrap();
    on_a_worker(async {
        for (site, route) in &sites {
            let socket = std::net::UdpSocket::bind("127.82.0.3:0").unwrap();
            socket.set_nonblocking(true).unwrap();
            client.send_to(b"question", socket.local_addr().unwrap()).unwrap();
            let (site, route) = (Arc::new(site.clone()), Arc::clone(route));
            let sockets = vec![Registered::new(Bound::Datagram(socket)).unwrap()];
            order(Order::Open { site, route, sockets });
        }
        for (site, _) in &sites {
            order(Order::Close(site.clone()));
        }
        let (done, reported) = oneshot::channel();
        order(Order::Report(done));
        tokio::time::pause();
        let start = Instant::now();
        tokio::task::spawn_local(run(local, queue));
        reported.await.unwrap();
        let seconds = start.elapsed().as_secs_f32();
        assert!((0.5..1.5).contains(&seconds), "{seconds} s");
    });
    silent.set_nonblocking(true).unwrap();
    for _ in ports {
        silent.recv(&mut [0; 16]).expect("each was asked");
    }
}

#[test]
fn a_socket_that_cannot_be_registered_is_an_error() {
    let ended = {
        let runtime = crate::thread::runtime().unwrap();
        runtime.handle().clone()
    };
    let thread = Running { runtime: ended, ended: standard::channel().1 };
    let worker = Worker { orders: mpsc::unbounded_channel().0, thread };
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    assert!(worker.register(vec![Bound::Datagram(socket)]).is_err());
}
