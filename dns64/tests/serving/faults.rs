//! What clients experience while something is broken.

use crate::scripted::{Scripted, Send, a, back, framed_part, only_a, reply, with};
use crate::site::Site;
use crate::world::{PREF64, World, unhurried};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

#[tokio::test]
async fn an_upstream_that_breaks_off_in_the_middle_of_a_message_is_passed_over() {
    let broken = Scripted::start(|query, asked| {
        let mut message = reply(query, ResponseCode::NoError);
        message.metadata.truncation = true;
        if asked.tcp {
            vec![Send::Bare(framed_part(&with(query, [a("203.0.113.66")]), 20)), Send::Close]
        } else {
            back(&message)
        }
    })
    .await;
    let good = Scripted::start(only_a).await;
    let world = World::with(
        &[broken.address, good.address].map(|address| address.to_string()),
        unhurried(),
        PREF64,
        "",
    );
    let message = world.ask("v4.example.", RecordType::A).await;
    assert_eq!(message.answers[0].data, a("192.0.2.1"));
    assert!(broken.asked().iter().any(|asked| asked.tcp));
}

#[tokio::test]
async fn an_upstream_that_died_and_lives_again_is_asked_again() {
    let mut site =
        Site::new("one.example. A 192.0.2.1\ntwo.example. A 192.0.2.1\nthree.example. A 192.0.2.1").await;
    site.check("one.example. A", &["NOERROR", "one.example. 300 A 192.0.2.1"]).await;
    site.upstream.kill().await;
    site.check("two.example. A", &["SERVFAIL"]).await;
    site.upstream.restore().await;
    site.check("three.example. A", &["NOERROR", "three.example. 300 A 192.0.2.1"]).await;
}
