use super::*;
use std::net::SocketAddr;

fn manner(inherited: &Inherited) -> Manner<'_> {
    Manner { listener: "web", workers: 2, shared: false, freebind: false, mode: 0o600, inherited }
}

fn open_alone(inet: Inet) -> Result<Sockets, Error> {
    open(&Site::Inet(inet), manner(&Inherited::default()))
}

/// Of an address that nothing else uses, so that its port stays free.
fn free() -> SocketAddr {
    std::net::TcpListener::bind("127.81.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn each_worker_gets_a_socket_of_its_own() {
    let sockets = open_alone(free().into()).unwrap();
    let counts: Vec<_> = sockets.of_workers.iter().map(Vec::len).collect();
    assert_eq!(counts, [1, 1]);
}

#[test]
fn an_address_held_by_another_is_refused_with_listener_address_and_remedy() {
    let held = std::net::TcpListener::bind("[::1]:0").unwrap();
    let address = held.local_addr().unwrap();
    let message = open_alone(address.into()).unwrap_err().to_string();
    for part in ["\"web\"", &address.to_string(), "in use", "ss -ltnp"] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
}

#[test]
fn an_address_shared_by_another_process_of_ours_is_refused_too() {
    let address = free();
    let _first = open_alone(address.into()).unwrap();
    assert!(open_alone(address.into()).is_err());
}

/// A connection of another test may hold a port in one family alone, so several ports are tried: if the two families
/// were in each other's way, they would be on each of them.
#[test]
fn both_families_stand_side_by_side_on_one_port() {
    let both = || {
        let port = free().port();
        let _six = open_alone(SocketAddr::new("::".parse().unwrap(), port).into())?;
        open_alone(SocketAddr::new("0.0.0.0".parse().unwrap(), port).into())
    };
    let failures: Vec<_> = (0..20).map_while(|_| both().err()).collect();
    assert!(failures.len() < 20, "{failures:?}");
}

#[test]
fn an_address_this_machine_lacks_is_refused_with_the_remedy() {
    let message =
        open_alone("[2001:db8::80]:8080".parse::<SocketAddr>().unwrap().into()).unwrap_err().to_string();
    assert!(message.contains("add 2001:db8::80 to an interface"), "{message}");
}

#[test]
fn both_families_come_to_one_socket_where_they_are_asked_for() {
    let reach = |both_families: bool| {
        let port = free().port();
        let wildcard = SocketAddr::new("::".parse().unwrap(), port);
        let _sockets = open_alone(Inet { both_families, ..wildcard.into() })?;
        let v4 = SocketAddr::new("127.81.0.1".parse().unwrap(), port);
        Ok::<_, Error>(std::net::TcpStream::connect(v4).is_ok())
    };
    // A port may be taken in the other family meanwhile.
    let ten = |both| (0..10).filter_map(|_| reach(both).ok()).collect::<Vec<_>>();
    assert!(ten(true).contains(&true));
    assert!(!ten(false).contains(&true));
}

#[test]
fn an_address_that_is_not_there_yet_can_be_listened_on() {
    for address in ["[2001:db8::80]:8080", "192.0.2.80:8080"] {
        let site = Site::Inet(address.parse::<SocketAddr>().unwrap().into());
        open(&site, Manner { freebind: true, ..manner(&Inherited::default()) }).unwrap();
    }
}

#[test]
fn an_interface_this_machine_lacks_is_refused_with_the_remedy() {
    let message = open_alone(Inet { interface: Some("eth-none".to_owned()), ..free().into() });
    let message = message.unwrap_err().to_string();
    assert!(message.contains("no interface \"eth-none\""), "{message}");
}

#[test]
fn all_workers_accept_from_one_unix_socket() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::Unix(dir.path().join("web.sock"));
    let inherited = Inherited::default();
    let sockets = open(&site, manner(&inherited)).unwrap();
    assert_eq!(sockets.of_workers.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
    let message = open(&site, manner(&inherited)).unwrap_err().to_string();
    assert!(message.contains("it is held by"), "{message}");
    drop(sockets);
    assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none());
}

#[test]
fn a_unix_socket_that_cannot_be_had_is_refused_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    let check = |path: &str, expect: &str| {
        let site = Site::Unix(dir.path().join(path));
        let message = open(&site, manner(&Inherited::default())).unwrap_err().to_string();
        assert!(message.contains("listener \"web\" cannot listen on unix:/"), "{message}");
        assert!(message.contains(expect), "{message}");
    };
    check("file", "remove it");
    check("missing/web.sock", "make the folder");
}
