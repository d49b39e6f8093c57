use super::*;

/// Of an address that nothing else uses, so that its port stays free.
fn free() -> SocketAddr {
    std::net::TcpListener::bind("127.81.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn each_worker_gets_a_socket_of_its_own() {
    let sockets = bind("web", free(), 3, false).unwrap();
    assert_eq!(sockets.sockets.len(), 3);
}

#[test]
fn an_address_held_by_another_is_refused_with_listener_address_and_remedy() {
    let held = std::net::TcpListener::bind("[::1]:0").unwrap();
    let address = held.local_addr().unwrap();
    let message = bind("web", address, 2, false).unwrap_err().to_string();
    for part in ["\"web\"", &address.to_string(), "in use", "ss -ltnp"] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
}

#[test]
fn an_address_shared_by_another_process_of_ours_is_refused_too() {
    let address = free();
    let _first = bind("web", address, 2, false).unwrap();
    assert!(bind("web", address, 2, false).is_err());
}

/// A connection of another test may hold a port in one family alone, so several ports are tried: if the two families
/// were in each other's way, they would be on each of them.
#[test]
fn both_families_stand_side_by_side_on_one_port() {
    let both = || {
        let port = free().port();
        let _six = bind("web", SocketAddr::new("::".parse().unwrap(), port), 1, false)?;
        bind("web", SocketAddr::new("0.0.0.0".parse().unwrap(), port), 1, false)
    };
    let failures: Vec<_> = (0..20).map_while(|_| both().err()).collect();
    assert!(failures.len() < 20, "{failures:?}");
}

#[test]
fn an_address_this_machine_lacks_is_refused_with_the_remedy() {
    let message = bind("web", "[2001:db8::80]:8080".parse().unwrap(), 1, false).unwrap_err().to_string();
    assert!(message.contains("add 2001:db8::80 to an interface"), "{message}");
}

#[test]
fn a_connection_that_broke_in_the_queue_is_no_shortage() {
    assert!(concerns_one(&Errno::ECONNABORTED.into()));
    assert!(!concerns_one(&Errno::EMFILE.into()));
}
