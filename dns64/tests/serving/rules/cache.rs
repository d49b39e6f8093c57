//! Synthesis in front of a cache.

use super::SYNTHESIZED;
use crate::site::Site;
use crate::world::v6;
use std::net::Ipv6Addr;

#[tokio::test]
async fn rule_68_a_real_address_replaces_the_synthetic_one_within_its_ttl() {
    let site = Site::new("example. 900 SOA 0\nv4.example. A 192.0.2.1").await;
    site.check("v4.example. AAAA", &["NOERROR", "v4.example. 0 AAAA 2001:db8:64::c000:201"]).await;
    site.becomes("example. 900 SOA 0\nv4.example. A 192.0.2.1\nv4.example. AAAA 2001:db8:1::1");
    site.check("v4.example. AAAA", &["NOERROR", "v4.example. 300 AAAA 2001:db8:1::1"]).await;
}

#[tokio::test]
async fn rule_71_a_changed_prefix_is_in_the_next_reply() {
    let site = Site::new("v4.example. A 192.0.2.1").await;
    site.check("v4.example. AAAA", &["NOERROR", SYNTHESIZED]).await;
    site.reload("2001:db8:65::/96", "");
    let expect = ["NOERROR", "v4.example. <=60 AAAA 2001:db8:65::c000:201"];
    site.check("v4.example. AAAA", &expect).await;
}

#[tokio::test]
async fn rule_74_the_source_address_decides_what_a_client_is_synthesized() {
    let clients = "[[dns64.client]]\nfrom = [\"127.255.0.1\"]\nprefixes = [\"2001:db8:a::/96\"]\n\
        [[dns64.client]]\nfrom = [\"127.255.0.2\"]\nprefixes = [\"2001:db8:a::/96\", \"2001:db8:b::/64\"]\n\
        [[dns64.client]]\nfrom = [\"127.255.0.3\"]\nprefixes = [\"64:ff9b::/96\"]\n\
        [[dns64.client]]\nfrom = [\"127.255.0.4\"]\nsynthesize = false\n";
    let site = Site::with("v4.example. A 9.9.9.9", clients).await;
    for _ in 0..2 {
        for (client, expect) in [
            (1, vec!["2001:db8:a::9.9.9.9"]),
            (2, vec!["2001:db8:a::9.9.9.9", "2001:db8:b:0:9:909:900:0"]),
            (3, vec!["64:ff9b::9.9.9.9"]),
            (4, vec![]),
            (5, vec![]),
        ] {
            let reply = site.ask(&format!("v4.example. AAAA from=127.255.0.{client}")).await;
            let expect: Vec<Ipv6Addr> = expect.iter().map(|text| text.parse().unwrap()).collect();
            assert_eq!(v6(&reply), expect, "client {client}");
        }
    }
}

#[tokio::test]
async fn rule_40_clients_of_different_policies_at_once_get_each_their_own() {
    let clients = "[[dns64.client]]\nfrom = [\"127.255.0.1\"]\n\
        [[dns64.client]]\nfrom = [\"127.255.0.2\"]\nprefixes = [\"2001:db8:b::/96\"]\n";
    let site = Site::with("v4.example. A 192.0.2.1", clients).await;
    let ask = |client: u8| site.ask_owned(format!("v4.example. AAAA from=127.255.0.{client}"));
    let (first, second, third, again) = tokio::join!(ask(1), ask(2), ask(3), ask(1));
    let parsed = |text: &str| vec![text.parse::<Ipv6Addr>().unwrap()];
    assert_eq!(v6(&first), parsed("2001:db8:64::192.0.2.1"));
    assert_eq!(v6(&second), parsed("2001:db8:b::192.0.2.1"));
    assert!(v6(&third).is_empty(), "{third}");
    assert_eq!(v6(&again), v6(&first));
}
