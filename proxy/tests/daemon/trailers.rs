//! http mode: fields behind the content.

use crate::backend::{Backend, Seen};
use crate::client::Client;
use crate::gateway::{Config, Gateway, UNCHECKED, free_port, v6};
use crate::http2::{Http2, failed, request};
use crate::log::Receiver;
use bytes::Bytes;
use std::io::{Read, Write};
use std::net::TcpStream;

/// The end of a chunked message with these trailers.
fn ends(read: &[u8]) -> bool {
    let text = String::from_utf8_lossy(read);
    text.split_once("\r\n0\r\n").is_some_and(|(_, rest)| rest == "\r\n" || rest.ends_with("\r\n\r\n"))
}

fn read_message(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut read = Vec::new();
    while !ends(&read) {
        let mut part = [0; 4096];
        let count = stream.read(&mut part)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        read.extend_from_slice(&part[..count]);
    }
    Ok(String::from_utf8_lossy(&read).into_owned())
}

/// Notes each request whole, and answers with trailers.
fn serve(seen: &Seen, mut stream: TcpStream) -> std::io::Result<()> {
    loop {
        let message = read_message(&mut stream)?;
        seen.heads.lock().unwrap().push(message);
        stream.write_all(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Grpc-Status, Set-Cookie\r\n\r\n\
              4\r\nbody\r\n0\r\nGrpc-Status: 0\r\nSet-Cookie: a=b\r\nX-Surprise: c\r\n\r\n",
        )?;
    }
}

#[test]
fn trailers_go_on_both_ways_but_for_those_that_must_not() {
    let backend = Backend::new("trailers", serve);
    let port = free_port();
    let lines = "forwarded_for_header = \"X-Client\"";
    let config = Config::new("").listener("web", "http", port, "web", lines).pool(
        "web",
        UNCHECKED,
        &[backend.address],
    );
    let _gateway = Gateway::start(&config);
    let mut client = Client::connect(v6(port));
    let request = |fields: &str| {
        format!(
            "POST / HTTP/1.1\r\nHost: a.example\r\n{fields}Trailer: X-Sum, Host, X-Forwarded-For, X_Real_IP, X_Client\r\n\
             Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: 5\r\nHost: b.example\r\n\
             X-Forwarded-For: 192.0.2.1\r\nX_Real_IP: 192.0.2.1\r\nX_Client: 192.0.2.1\r\nX-Surprise: c\r\n\r\n"
        )
    };
    client.send(request("Connection: TE\r\nTE: trailers\r\n"));
    let answer = read_message(&mut client.stream).unwrap().to_ascii_lowercase();
    assert!(answer.ends_with("\r\n4\r\nbody\r\n0\r\ngrpc-status: 0\r\n\r\n"), "{answer}");
    assert!(answer.contains("\r\ntrailer: grpc-status\r\n"), "{answer}");
    client.send(request(""));
    let answer = read_message(&mut client.stream).unwrap().to_ascii_lowercase();
    assert!(answer.ends_with("\r\n4\r\nbody\r\n0\r\n\r\n"), "a client that takes none gets none: {answer}");
    let [with, without] =
        <[String; 2]>::try_from(backend.heads()).unwrap().map(|head| head.to_ascii_lowercase());
    for message in [&with, &without] {
        assert!(message.ends_with("\r\n4\r\nbody\r\n0\r\nx-sum: 5\r\n\r\n"), "{message}");
        assert!(message.contains("\r\ntrailer: x-sum, x_client\r\n"), "{message}");
    }
    assert!(with.contains("\r\nte: trailers\r\n") && with.contains("\r\nconnection: te\r\n"), "{with}");
    assert!(!without.contains("\r\nte: "), "{without}");
}

#[test]
fn an_answer_with_trailers_ends_well_and_leaves_its_connection_for_the_next() {
    let backend = Backend::new("trailers", serve);
    let (receiver, port) = (Receiver::new(), free_port());
    let log = format!(
        "workers = 1\nlog = {{ format = 'custom:%ST %ts %HV', to = \"udp://{}\", tag = \"t\" }}",
        receiver.address()
    );
    let config =
        Config::new(&log).listener("web", "http", port, "web", "").pool("web", UNCHECKED, &[backend.address]);
    let gateway = Gateway::start(&config);
    let logged = || receiver.next().split_once("]: ").unwrap().1.trim().to_owned();

    let mut client = Client::connect(v6(port));
    for fields in ["Connection: TE\r\nTE: trailers\r\n", ""].repeat(2) {
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: a.example\r\n{fields}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ));
        read_message(&mut client.stream).unwrap();
        assert_eq!(logged(), "200 -- HTTP/1.1", "{fields:?}");
    }
    assert_eq!(backend.accepted(), 1);
    drop(client);

    let mut client = Http2::connect(port);
    for _ in 0..2 {
        let (response, mut content) = client.send(request("POST", "/").body(()).unwrap(), false);
        content.send_data(Bytes::from_static(b"body"), true).unwrap();
        let trailers = client.wait(async {
            let mut body = response.await.unwrap().into_body();
            while body.data().await.transpose().unwrap().is_some() {}
            body.trailers().await.unwrap().expect("fields behind the content")
        });
        assert_eq!(trailers["grpc-status"], "0");
        assert_eq!(logged(), "200 -- HTTP/2.0");
    }
    assert!(backend.accepted() <= 2, "one for the clients of each version at most: {}", backend.accepted());
    assert_eq!(gateway.metric(&failed("client_gone")), 0);
}
