use super::*;
use std::net::SocketAddr;

fn site(address: SocketAddr) -> Site {
    Site { address, both_families: false, interface: None }
}

fn alone(count: usize) -> Manner {
    Manner { count, shared: false, freebind: false }
}

/// Of an address that nothing else uses, so that its port stays free.
fn free() -> SocketAddr {
    std::net::TcpListener::bind("127.81.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn each_worker_gets_a_socket_of_its_own() {
    let sockets = bind("web", &site(free()), alone(3)).unwrap();
    assert_eq!(sockets.sockets.len(), 3);
}

#[test]
fn an_address_held_by_another_is_refused_with_listener_address_and_remedy() {
    let held = std::net::TcpListener::bind("[::1]:0").unwrap();
    let address = held.local_addr().unwrap();
    let message = bind("web", &site(address), alone(2)).unwrap_err().to_string();
    for part in ["\"web\"", &address.to_string(), "in use", "ss -ltnp"] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
}

#[test]
fn an_address_shared_by_another_process_of_ours_is_refused_too() {
    let address = free();
    let _first = bind("web", &site(address), alone(2)).unwrap();
    assert!(bind("web", &site(address), alone(2)).is_err());
}

/// A connection of another test may hold a port in one family alone, so several ports are tried: if the two families
/// were in each other's way, they would be on each of them.
#[test]
fn both_families_stand_side_by_side_on_one_port() {
    let both = || {
        let port = free().port();
        let _six = bind("web", &site(SocketAddr::new("::".parse().unwrap(), port)), alone(1))?;
        bind("web", &site(SocketAddr::new("0.0.0.0".parse().unwrap(), port)), alone(1))
    };
    let failures: Vec<_> = (0..20).map_while(|_| both().err()).collect();
    assert!(failures.len() < 20, "{failures:?}");
}

#[test]
fn an_address_this_machine_lacks_is_refused_with_the_remedy() {
    let message =
        bind("web", &site("[2001:db8::80]:8080".parse().unwrap()), alone(1)).unwrap_err().to_string();
    assert!(message.contains("add 2001:db8::80 to an interface"), "{message}");
}

#[test]
fn both_families_come_to_one_socket_where_they_are_asked_for() {
    let reach = |both_families: bool| {
        let port = free().port();
        let wildcard = SocketAddr::new("::".parse().unwrap(), port);
        let _sockets = bind("web", &Site { both_families, ..site(wildcard) }, alone(1))?;
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
        let manner = Manner { freebind: true, ..alone(1) };
        bind("web", &site(address.parse().unwrap()), manner).unwrap();
    }
}

#[test]
fn an_interface_this_machine_lacks_is_refused_with_the_remedy() {
    let lacking = Site { interface: Some("eth-none".to_owned()), ..site(free()) };
    let message = bind("web", &lacking, alone(1)).unwrap_err().to_string();
    assert!(message.contains("no interface \"eth-none\""), "{message}");
}
