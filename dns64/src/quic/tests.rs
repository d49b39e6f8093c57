use super::*;
use crate::gate::Gate;
use crate::listen::Places;
use crate::metrics::Metrics;
use crate::quota::{Permit, Quota};
use crate::resolver::Shared;
use crate::snapshot::Snapshot;
use prometheus_client::registry::Registry;
use quinn::ClientConfig;
use quinn::crypto::rustls::QuicClientConfig;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use service::tls::Bundle;
use std::net::{IpAddr, SocketAddr};
use tokio::net::UdpSocket as Datagrams;
use tokio::sync::{mpsc, oneshot};

const NAME: &str = "dns.example";
const PLACES: usize = 64;
const LONG: Duration = Duration::from_secs(60);

/// A server at an address of the system's choice, and the places of its clients.
struct Server {
    address: SocketAddr,
    places: Arc<Quota>,
    pem: String,
    _leave: oneshot::Sender<std::convert::Infallible>,
}

fn shared() -> Arc<Shared> {
    let text = "[prefix]\npref64 = \"64:ff9b::/96\"\n[dns64]\nupstream = [\"192.0.2.53\"]\n";
    let model = config::parse(text, "gateway.toml").unwrap_or_else(|error| panic!("{error}")).model;
    let metrics = Arc::new(Metrics::new(&mut Registry::default()));
    let snapshot =
        Snapshot::new(&model.prefix.unwrap(), &model.dns64.unwrap(), Arc::clone(&metrics), None).unwrap();
    Arc::new(Shared::new(snapshot, Gate::new([1; 16], [2; 16]), metrics))
}

fn start() -> Server {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec![NAME.to_owned()]).unwrap().self_signed(&key).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), certificate.pem() + &key.serialize_pem()).unwrap();
    let encryption = Encryption::new(vec![Bundle::load(file.path()).unwrap()]).unwrap();
    let endpoint = open(UdpSocket::bind("127.0.0.1:0").unwrap(), &encryption).unwrap();
    let address = endpoint.local_addr().unwrap();
    let places = Quota::new(PLACES);
    let (leave, stay) = oneshot::channel();
    let door = Door {
        shared: shared(),
        places: Places { clients: Arc::clone(&places), strangers: Quota::new(1) },
        draining: watch::channel(false).1,
        busy: mpsc::channel(1).0,
    };
    tokio::spawn(serve(endpoint, door, stay));
    Server { address, places, pem: certificate.pem(), _leave: leave }
}

fn client_config(pem: &str) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    let mut config = rustls::ClientConfig::builder_with_provider(service::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"doq".to_vec()];
    ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).unwrap()))
}

/// The type of the packet that answers the first one of a connection, by its first octet (RFC 9000 §17.2).
async fn first_reply(server: &Server) -> u8 {
    let (recorder, client) =
        (Datagrams::bind("127.0.0.1:0").await.unwrap(), Datagrams::bind("127.0.0.1:0").await.unwrap());
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let config = client_config(&server.pem);
    let _connecting = endpoint.connect_with(config, recorder.local_addr().unwrap(), NAME).unwrap();
    let mut buffer = [0; 2048];
    let length = timeout(LONG, recorder.recv(&mut buffer)).await.expect("a datagram").unwrap();
    client.send_to(&buffer[..length], server.address).await.unwrap();
    timeout(LONG, client.recv(&mut buffer)).await.expect("a reply").unwrap();
    // The bit behind may be either (RFC 9287).
    assert_eq!(buffer[0] & 0x80, 0x80, "a long header");
    buffer[0] >> 4 & 0b11
}

const INITIAL: u8 = 0;
const RETRY: u8 = 3;

#[tokio::test]
async fn addresses_are_verified_before_they_get_a_place_where_half_of_them_are_taken() {
    let server = start();
    assert_eq!(first_reply(&server).await, INITIAL, "there is room");
    // Eight clients, none of which has its share.
    let take = |client: usize| -> Permit {
        let client = IpAddr::from([192, 0, 2, u8::try_from(client % 8).unwrap()]);
        server.places.take(client).unwrap()
    };
    let mut taken: Vec<_> = (0..PLACES / 2).map(take).collect();
    assert_eq!(first_reply(&server).await, RETRY, "half is taken");
    // Who is really there comes in.
    let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let connecting = endpoint.connect_with(client_config(&server.pem), server.address, NAME).unwrap();
    let connection = timeout(LONG, connecting).await.expect("a handshake").unwrap();
    assert!(connection.close_reason().is_none());
    taken.truncate(PLACES / 2 - 4);
    drop(connection);
    let room = async {
        while server.places.crowding() >= SCARCE {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, room).await.expect("places are given back");
    assert_eq!(first_reply(&server).await, INITIAL, "there is room again");
}
