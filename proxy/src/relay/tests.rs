use super::*;
use crate::origination::Secured;
use crate::snapshot::tests::{ENDLESS, listener, model};
use crate::snapshot::{Shared, Snapshot};
use crate::stream::Stream;
use config::model::{Mode, ProxyTimeouts};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

mod paused;

/// A client and a member, and between them a relay.
struct Bench {
    local: Rc<Local>,
    route: Arc<Route>,
}

impl Bench {
    fn new() -> Self {
        Self::with(ProxyTimeouts::default())
    }

    fn with(timeout: ProxyTimeouts) -> Self {
        let mut model = model(vec![listener("web", "[2001:db8::80]:80", Mode::Tcp, "web")], &["web"]);
        model.listener[0].timeout = timeout;
        let snapshot = Snapshot::new(&model, None, 1);
        let route = Arc::clone(&snapshot.listeners["web"]);
        let shared = Shared::new(snapshot, 1, ENDLESS);
        Self { local: Rc::new(Local::new(0, Arc::new(shared))), route }
    }

    fn relay(&self, client: Stream, member: Stream) -> Relay {
        Relay::new(Rc::clone(&self.local), Arc::clone(&self.route), client, member, None)
    }

    async fn beside_alarms<F: Future>(&self, future: F) -> F::Output {
        tokio::select! {
            () = self.local.alarms.tend() => unreachable!("it rings forever"),
            output = future => output,
        }
    }

    /// Runs the relay beside `ends`, which gets the client's and the member's end.
    async fn run<F: Future>(&self, ends: impl FnOnce(TcpStream, TcpStream) -> F) -> (End, F::Output) {
        let (client, client_side) = pair().await;
        let (member, member_side) = pair().await;
        self.beside_alarms(async {
            tokio::join!(self.relay(client_side.into(), member_side.into()), ends(client, member))
        })
        .await
    }

    fn free_buffers(&self) -> usize {
        self.local.buffers.free()
    }
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("[::1]:0").await.unwrap();
    let (one, two) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (one.unwrap(), two.unwrap().0)
}

/// The two ends of a connection over TLS, the client's first.
async fn encrypted() -> (Stream, tokio_rustls::server::TlsStream<TcpStream>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["web.example".to_owned()]).unwrap();
    let chain = vec![params.self_signed(&key).unwrap().der().clone()];
    let config = rustls::ServerConfig::builder_with_provider(service::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    let (one, other) = pair().await;
    let secured = Secured::unverified(None, other.peer_addr().unwrap().ip()).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let (one, other) = tokio::join!(secured.handshake(one.into()), acceptor.accept(other));
    (one.unwrap(), other.unwrap())
}

fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|place| crate::pool::balance::mix(place as u64).to_le_bytes()[0]).collect()
}

#[tokio::test]
async fn the_end_of_one_direction_leaves_the_other_open() {
    let bench = Bench::new();
    let (asked, answered) = (noise(3 << 20), noise((2 << 20) + 7));
    let (question, answer) = (asked.clone(), answered.clone());
    let (end, (at_member, at_client)) = bench
        .run(|mut client, mut member| async move {
            let client_ends = async {
                client.write_all(&question).await.unwrap();
                client.shutdown().await.unwrap();
                let mut got = Vec::new();
                client.read_to_end(&mut got).await.unwrap();
                got
            };
            let member_ends = async {
                let mut got = Vec::new();
                // The end of the request is seen before a byte of the answer is sent.
                member.read_to_end(&mut got).await.unwrap();
                member.write_all(&answer).await.unwrap();
                member.shutdown().await.unwrap();
                got
            };
            let (at_client, at_member) = tokio::join!(client_ends, member_ends);
            (at_member, at_client)
        })
        .await;
    assert_eq!(end, End::Whole);
    assert!(at_member == asked && at_client == answered, "bytes arrive as they were sent");
    assert_eq!(bench.route.counts.bytes_received(), asked.len() as u64);
    assert_eq!(bench.route.counts.bytes_sent(), answered.len() as u64);
}

#[tokio::test]
async fn the_member_may_end_first() {
    let (end, got) = Bench::new()
        .run(|mut client, mut member| async move {
            member.write_all(b"hello").await.unwrap();
            member.shutdown().await.unwrap();
            let mut hello = Vec::new();
            client.read_to_end(&mut hello).await.unwrap();
            client.write_all(b"goodbye").await.unwrap();
            client.shutdown().await.unwrap();
            let mut goodbye = Vec::new();
            member.read_to_end(&mut goodbye).await.unwrap();
            (hello, goodbye)
        })
        .await;
    assert_eq!(end, End::Whole);
    assert_eq!(got, (b"hello".to_vec(), b"goodbye".to_vec()));
}

#[tokio::test]
async fn an_idle_connection_holds_no_buffer() {
    let bench = Bench::new();
    let (_, free) = bench
        .run(|mut client, mut member| {
            let bench = &bench;
            async move {
                client.write_all(b"ping").await.unwrap();
                let mut ping = [0; 4];
                member.read_exact(&mut ping).await.unwrap();
                let free = bench.free_buffers();
                drop((client, member));
                free
            }
        })
        .await;
    assert_eq!(free, 1, "the one buffer that was borrowed is back");
}

/// Whether the client has said all before or not, it gets all, and then the end.
#[tokio::test]
async fn a_member_may_end_without_the_word_of_tls() {
    for client_ends_first in [true, false] {
        let bench = Bench::new();
        let (mut client, client_side) = pair().await;
        let (member_side, mut member) = encrypted().await;
        let ends = async {
            client.write_all(b"ask").await.unwrap();
            member.read_exact(&mut [0; 3]).await.unwrap();
            if client_ends_first {
                client.shutdown().await.unwrap();
                assert_eq!(member.read(&mut [0; 1]).await.unwrap(), 0);
            }
            member.write_all(b"answer").await.unwrap();
            member.flush().await.unwrap();
            // The socket closes, and nothing is said in TLS.
            drop(member);
            let mut got = Vec::new();
            client.read_to_end(&mut got).await.unwrap();
            client.shutdown().await.unwrap();
            got
        };
        let relay = bench.relay(client_side.into(), member_side);
        let (end, got) = bench.beside_alarms(async { tokio::join!(relay, ends) }).await;
        assert_eq!((end, got.as_slice()), (End::Whole, b"answer".as_slice()), "{client_ends_first}");
    }
}

#[tokio::test]
async fn a_reset_of_the_member_is_passed_on_as_a_reset() {
    let (end, error) = Bench::new()
        .run(|mut client, member| async move {
            member.set_zero_linger().unwrap();
            drop(member);
            client.read_u8().await.unwrap_err().kind()
        })
        .await;
    assert_eq!(end, End::MemberGone);
    assert_eq!(error, io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_reset_of_the_client_is_passed_on_as_a_reset() {
    let (end, error) = Bench::new()
        .run(|client, mut member| async move {
            client.set_zero_linger().unwrap();
            drop(client);
            member.read_u8().await.unwrap_err().kind()
        })
        .await;
    assert_eq!(end, End::ClientGone);
    assert_eq!(error, io::ErrorKind::ConnectionReset);
}

/// A flow that has filled a small buffer reads more at once, and so few reads move much.
#[tokio::test]
async fn a_stream_gets_a_large_buffer_and_gives_it_back() {
    let bench = Bench::new();
    let sent = noise(3 << 20);
    let expect = sent.clone();
    let (end, got) = bench
        .run(|mut client, mut member| async move {
            let speak = async {
                client.write_all(&sent).await.unwrap();
                client.shutdown().await.unwrap();
            };
            let mut got = Vec::new();
            let hear = async {
                member.read_to_end(&mut got).await.unwrap();
                member.shutdown().await.unwrap();
            };
            tokio::join!(speak, hear);
            got
        })
        .await;
    assert_eq!(end, End::Whole);
    assert!(got == expect, "bytes arrive as they were sent");
    assert_eq!(bench.local.buffers.free(), 2, "a small one and a large one are back");
}
