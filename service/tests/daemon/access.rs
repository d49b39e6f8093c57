//! The admin interface over TCP.

use crate::process::{Home, Named, Process, over_tcp};
use std::fs;
use std::net::SocketAddr;

pub(crate) const TRIALS: &[Named] = &[
    (
        "loopback_without_a_token_is_open_to_local_programs",
        loopback_without_a_token_is_open_to_local_programs,
    ),
    ("with_a_token_every_route_asks_for_it", with_a_token_every_route_asks_for_it),
    ("a_replaced_token_counts_after_a_reload", a_replaced_token_counts_after_a_reload),
];

/// Starts a daemon with an admin address, and returns that.
fn start(home: &Home, admin: &str) -> (Process, SocketAddr) {
    home.write(
        &home.text(&[]).replace("[admin]\n", &format!("[admin]\nlisten = [\"127.0.0.1:0\"]\n{admin}")),
    );
    let mut daemon = home.spawn(home.command(&[]));
    let line = daemon.wait_for("admin interface");
    let address = line.split("address=").nth(1).unwrap().trim().parse().unwrap();
    daemon.wait_for(" ready");
    (daemon, address)
}

fn loopback_without_a_token_is_open_to_local_programs() {
    let home = Home::new();
    let (_daemon, address) = start(&home, "");
    let host = format!("Host: {address}\r\n");
    assert_eq!(over_tcp(address, "GET", "/ready", &host).status, 200);
    assert_eq!(over_tcp(address, "POST", "/reload", &host).status, 200);
    let page = format!("{host}Origin: https://page.example\r\n");
    assert_eq!(over_tcp(address, "POST", "/reload", &page).status, 403);
    assert_eq!(over_tcp(address, "GET", "/config", "Host: rebound.example\r\n").status, 403);
}

fn with_a_token_every_route_asks_for_it() {
    let home = Home::new();
    fs::write(home.path("token"), "s3cret\n").unwrap();
    let (daemon, address) = start(&home, &format!("token_file = \"{}\"\n", home.path("token").display()));
    for (method, path) in [("GET", "/live"), ("GET", "/metrics"), ("POST", "/reload"), ("POST", "/open")] {
        let ask =
            |authorization| over_tcp(address, method, path, &format!("Host: localhost\r\n{authorization}"));
        assert_eq!(ask("").status, 401, "{path}");
        assert_eq!(ask("Authorization: Bearer wrong\r\n").status, 401, "{path}");
        assert_eq!(ask("Authorization: Bearer s3cret\r\n").status, 200, "{path}");
    }
    assert_eq!(daemon.get("/ready").status, 200, "the unix socket asks for none");
}

fn a_replaced_token_counts_after_a_reload() {
    let home = Home::new();
    fs::write(home.path("token"), "s3cret\n").unwrap();
    let (daemon, address) = start(&home, &format!("token_file = \"{}\"\n", home.path("token").display()));
    let ask = |token| over_tcp(address, "GET", "/live", &format!("Authorization: Bearer {token}\r\n")).status;
    fs::write(home.path("token"), "n3w\n").unwrap();
    assert_eq!(daemon.post("/reload").status, 200);
    assert_eq!((ask("s3cret"), ask("n3w")), (401, 200));
    fs::write(home.path("token"), "").unwrap();
    assert_eq!(daemon.post("/reload").status, 422);
    assert_eq!(ask("n3w"), 200);
}
