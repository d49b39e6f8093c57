//! Timeouts, on a clock that jumps to the next deadline whenever nothing is left to do. Unix sockets deliver at once, so
//! no byte is under way when it jumps.

use super::*;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep};

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn timeouts() -> ProxyTimeouts {
    ProxyTimeouts {
        client: seconds(50),
        server: seconds(60),
        tunnel: seconds(1000),
        client_fin: seconds(5),
        server_fin: seconds(6),
        ..ProxyTimeouts::default()
    }
}

/// Runs the relay beside `ends`, which keep both sockets; returns how it ended, and after how many seconds.
async fn run<F: Future>(ends: impl FnOnce(UnixStream, UnixStream) -> F) -> (End, u64) {
    let bench = Bench::with(timeouts());
    let (client, client_side) = UnixStream::pair().unwrap();
    let (member, member_side) = UnixStream::pair().unwrap();
    let start = Instant::now();
    let relay = async {
        let end = bench.relay(client_side.into(), member_side.into()).await;
        (end, start.elapsed().as_secs())
    };
    let (ended, _kept) = bench.beside_alarms(async { tokio::join!(relay, ends(client, member)) }).await;
    ended
}

async fn say(from: &mut UnixStream, to: &mut UnixStream) {
    from.write_all(b"word").await.unwrap();
    to.read_exact(&mut [0; 4]).await.unwrap();
}

async fn talk(client: &mut UnixStream, member: &mut UnixStream) {
    say(client, member).await;
    say(member, client).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_speaks_has_its_own_limit() {
    let ended = run(|client, member| async { (client, member) }).await;
    assert_eq!(ended, (End::ClientSilent, 50));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_never_answers_has_its_own_limit() {
    let ended = run(|mut client, mut member| async {
        for _ in 0..3 {
            sleep(seconds(20)).await;
            client.write_all(b"word").await.unwrap();
        }
        member.read_exact(&mut [0; 12]).await.unwrap();
        sleep(seconds(40)).await;
        client.write_all(b"word").await.unwrap();
        (client, member)
    })
    .await;
    // What it took at 100 s puts both off, and the client's limit is the shorter one.
    assert_eq!(ended, (End::ClientSilent, 150));
}

#[tokio::test(start_paused = true)]
async fn a_session_in_which_both_have_spoken_may_rest() {
    let ended = run(|mut client, mut member| async {
        sleep(seconds(10)).await;
        talk(&mut client, &mut member).await;
        (client, member)
    })
    .await;
    assert_eq!(ended, (End::Idle, 1010));
}

#[tokio::test(start_paused = true)]
async fn a_word_of_either_end_keeps_a_session() {
    let ended = run(|mut client, mut member| async {
        talk(&mut client, &mut member).await;
        sleep(seconds(900)).await;
        say(&mut member, &mut client).await;
        sleep(seconds(900)).await;
        say(&mut client, &mut member).await;
        (client, member)
    })
    .await;
    assert_eq!(ended, (End::Idle, 2800));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_was_told_the_end_has_little_time_from_then_on() {
    let ended = run(|mut client, mut member| async {
        talk(&mut client, &mut member).await;
        sleep(seconds(500)).await;
        client.shutdown().await.unwrap();
        sleep(seconds(4)).await;
        say(&mut member, &mut client).await;
        (client, member)
    })
    .await;
    assert_eq!(ended, (End::MemberSilent, 510));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_was_told_the_end_has_little_time_from_then_on() {
    let ended = run(|mut client, mut member| async {
        talk(&mut client, &mut member).await;
        sleep(seconds(500)).await;
        member.shutdown().await.unwrap();
        (client, member)
    })
    .await;
    assert_eq!(ended, (End::ClientSilent, 505));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_said_all_must_take_the_answer() {
    let ended = run(|mut client, mut member| async {
        say(&mut client, &mut member).await;
        client.shutdown().await.unwrap();
        sleep(seconds(3)).await;
        // More than sockets and the relay hold.
        assert!(member.write_all(&noise(8 << 20)).await.is_err(), "the relay gives up");
        (client, member)
    })
    .await;
    assert_eq!(ended, (End::ClientSilent, 8));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_said_all_is_not_expected_to_speak() {
    let ended = run(|mut client, member| async {
        client.shutdown().await.unwrap();
        (client, member)
    })
    .await;
    assert_eq!(ended, (End::MemberSilent, 6));
}

#[tokio::test(start_paused = true)]
async fn silence_ends_the_connection_by_a_reset() {
    let bench = Bench::with(timeouts());
    let (end, error) = bench
        .run(|mut client, member| async move {
            let error = client.read_u8().await.unwrap_err().kind();
            drop(member);
            error
        })
        .await;
    assert_eq!((end, error), (End::ClientSilent, io::ErrorKind::ConnectionReset));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_takes_nothing_has_its_own_limit() {
    let ended = run(|mut client, member| async {
        // More than sockets and the relay hold.
        assert!(client.write_all(&noise(8 << 20)).await.is_err(), "the relay gives up");
        (client, member)
    })
    .await;
    assert_eq!(ended, (End::MemberSilent, 60));
}

#[tokio::test(start_paused = true)]
async fn connections_that_break_give_their_buffers_back() {
    let bench = Bench::with(timeouts());
    for expect in [End::MemberSilent, End::MemberGone] {
        let (mut client, client_side) = UnixStream::pair().unwrap();
        let (member, member_side) = UnixStream::pair().unwrap();
        // More than sockets and the relay hold.
        let speak =
            async { assert!(client.write_all(&noise(2 << 20)).await.is_err(), "the relay breaks it") };
        let wait = async {
            // Nobody moves anything by then.
            sleep(seconds(1)).await;
            (expect == End::MemberSilent).then_some(member)
        };
        let relay = bench.relay(client_side.into(), member_side.into());
        let (end, (), _kept) = bench.beside_alarms(async { tokio::join!(relay, speak, wait) }).await;
        assert_eq!(end, expect);
        assert_eq!(bench.free_buffers(), 2, "a small one and a large one are back");
    }
}
