use super::*;
use crate::snapshot::tests::{ENDLESS, listener, model};
use crate::snapshot::{Shared, Snapshot};
use config::model::Mode;
use std::time::Duration;

/// A crossing in front of one member, which the test is.
struct Bench {
    crossing: Crossing,
    inbox: Inbox,
    member: std::net::UdpSocket,
}

impl Bench {
    /// `most`: flows that the member may have.
    fn new(most: Option<u32>) -> Self {
        let member = socket();
        let mut model = model(vec![listener("games", "127.0.0.1:5000", Mode::Udp, "games")], &["games"]);
        let only = &mut model.pool[0].member[0];
        (only.address, only.max_connections) = (member.local_addr().unwrap(), most);
        let snapshot = Snapshot::new(&model, None, 1);
        let (site, route) =
            snapshot.sites().map(|(site, route)| (Arc::new(site.clone()), Arc::clone(route))).next().unwrap();
        let local = Rc::new(Local::new(0, Arc::new(Shared::new(snapshot, 1, ENDLESS))));
        let front = socket();
        front.set_nonblocking(true).unwrap();
        let crossing = Crossing::new(local, site, route, UdpSocket::from_std(front).unwrap()).unwrap();
        Self { crossing, inbox: Inbox::new(), member }
    }

    fn client(&self) -> std::net::UdpSocket {
        let client = socket();
        client.connect(self.crossing.socket().local_addr().unwrap()).unwrap();
        client
    }

    /// The client asks, and its question is passed on.
    async fn ask(&mut self, client: &std::net::UdpSocket) {
        client.send(b"question").unwrap();
        self.crossing.socket().readable().await.unwrap();
        self.crossing.upward(&mut self.inbox).unwrap();
    }

    /// The member answers its latest question this often, and the answers are passed on.
    async fn answer(&mut self, times: usize) {
        let (_, peer) = self.member.recv_from(&mut [0; 64]).unwrap();
        for _ in 0..times {
            self.member.send_to(b"answer", peer).unwrap();
        }
        self.crossing.answers().await;
        self.crossing.downward(&mut self.inbox).unwrap();
    }
}

fn socket() -> std::net::UdpSocket {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

#[tokio::test]
async fn a_member_has_spoken_however_much_it_says_at_once() {
    for burst in [1, inbox::FEW, BATCH] {
        let mut bench = Bench::new(None);
        let client = bench.client();
        bench.ask(&client).await;
        assert_eq!(bench.crossing.flows.asking(), 1);
        bench.answer(burst).await;
        assert_eq!(bench.crossing.flows.asking(), 0, "a burst of {burst}");
        for _ in 0..burst {
            assert_eq!(client.recv(&mut [0; 64]).unwrap(), b"answer".len());
        }
    }
}

#[tokio::test]
async fn loose_flows_give_their_places_at_a_full_member_to_new_clients() {
    let mut bench = Bench::new(Some(2));
    let [talk, loose, new, last] = [(); 4].map(|()| bench.client());
    for client in [&talk, &talk, &loose, &new, &new] {
        bench.ask(client).await;
        bench.answer(1).await;
        assert_eq!(client.recv(&mut [0; 64]).unwrap(), b"answer".len());
    }
    let counts = Arc::clone(&bench.crossing.route.counts);
    assert_eq!((bench.crossing.flows.len(), counts.flows_evicted()), (2, 1));
    assert_eq!(counts.losses(Loss::MembersFull), 0);
    // Both that are left are conversations.
    bench.ask(&last).await;
    assert_eq!((bench.crossing.flows.len(), counts.flows_evicted()), (2, 1));
    assert_eq!(counts.losses(Loss::MembersFull), 1);
}
