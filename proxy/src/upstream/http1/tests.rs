use super::*;
use crate::pool::Pool;
use config::model::Member;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::coop::{consume_budget, has_budget_remaining};

/// An idle connection, and the member's end of it.
async fn pair() -> (Http1, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let ours = TcpStream::connect(address).await.unwrap();
    let config = config::model::Pool::new("web", vec![Member::new("a", address)]);
    let member = Arc::clone(&Pool::new(&config, None, None, 1).members[0]);
    let idle = Http1 { carried: 1, ..Http1::over(member, ours.into()) };
    (idle, listener.accept().await.unwrap().0)
}

/// Whether it can take a request, as a task sees it that has done as much as it may in one turn.
async fn is_usable_at_the_end_of_a_turn(idle: &mut Http1) -> bool {
    poll_fn(|cx| {
        while has_budget_remaining() {
            let _ = pin!(consume_budget()).poll(cx);
        }
        Poll::Ready(idle.is_usable())
    })
    .await
}

#[tokio::test]
async fn a_connection_that_ended_is_unusable_also_to_a_task_that_has_done_much() {
    let (mut idle, member) = pair().await;
    assert!(is_usable_at_the_end_of_a_turn(&mut idle).await);
    drop(member);
    idle.stream.socket().when_readable(|| Ok(())).await.unwrap();
    assert!(!is_usable_at_the_end_of_a_turn(&mut idle).await);
}
