//! Which AAAA records are not believed (RFC 6147 §5.1.4).

use super::SYNTHESIZED;
use crate::scripted::{aaaa, back, no_data, only_a, with};
use crate::site::Site;
use crate::world::{synthesized, v6};
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{Name, RData, Record, RecordType};

#[tokio::test]
async fn rule_16_only_mapped_addresses_count_as_no_aaaa() {
    let site = Site::new("v4.example. AAAA ::ffff:192.0.2.7\nv4.example. A 192.0.2.1").await;
    site.check("v4.example. AAAA", &["NOERROR", "v4.example. 300 AAAA 2001:db8:64::c000:201"]).await;
}

#[tokio::test]
async fn rule_17_excluded_records_beside_good_ones_are_left_out_with_the_signature() {
    let site = Site::new(
        "signed\nmix.example. AAAA ::ffff:192.0.2.7\nmix.example. AAAA 2001:db8:1::1\nmix.example. A 192.0.2.1",
    )
    .await;
    let kept = ["NOERROR", "mix.example. 300 AAAA 2001:db8:1::1"];
    site.check("mix.example. AAAA", &kept).await;
    site.check("mix.example. AAAA +do", &kept).await;
    assert_eq!(site.upstream.count(RecordType::A), 0);
}

#[tokio::test]
async fn rule_18_excluded_records_never_leak_and_an_soa_says_how_long() {
    let site = Site::with(
        "bad.example. AAAA ::ffff:192.0.2.7\n\
         refused.example. AAAA ::ffff:192.0.2.7\nrefused.example. A 10.0.0.1",
        "[[dns64.client]]\nfrom = [\"0.0.0.0/0\"]\nmapped = [\"!10.0.0.0/8\", \"0.0.0.0/0\"]",
    )
    .await;
    site.check("bad.example. AAAA", &["NOERROR", "auth example. 900 SOA"]).await;
    let reply = site.ask("refused.example. AAAA").await;
    assert!(reply.answers.is_empty(), "{reply}");
    assert_eq!(reply.authorities.iter().map(Record::record_type).collect::<Vec<_>>(), [RecordType::SOA]);
}

#[tokio::test]
async fn rule_19_another_dns64s_addresses_are_made_anew() {
    let site = Site::with(
        "v4.example. AAAA 64:ff9b::192.0.2.1\nv4.example. A 192.0.2.1",
        "exclude_aaaa = [\"64:ff9b::/96\"]",
    )
    .await;
    site.check("v4.example. AAAA", &["NOERROR", "v4.example. 300 AAAA 2001:db8:64::c000:201"]).await;
}

#[tokio::test]
async fn rule_20_a_client_outside_all_entries_sees_what_others_do_not() {
    let site = Site::with(
        "v4.example. AAAA ::ffff:192.0.2.7\nv4.example. A 192.0.2.1",
        "[[dns64.client]]\nfrom = [\"127.0.0.0/9\"]",
    )
    .await;
    let (inside, outside) = ("from=127.0.0.1", "from=127.255.0.1");
    let synthesized = ["NOERROR", "v4.example. 300 AAAA 2001:db8:64::c000:201"];
    site.check(&format!("v4.example. AAAA {inside}"), &synthesized).await;
    let raw = ["NOERROR", "v4.example. 300 AAAA ::ffff:192.0.2.7"];
    site.check(&format!("v4.example. AAAA {outside}"), &raw).await;
}

#[tokio::test]
async fn rule_21_a_filtered_record_behind_a_dname_keeps_owner_and_case() {
    let name = |text| Name::from_ascii(text).unwrap();
    let site = Site::scripted(move |query, asked| {
        if asked.qtype != RecordType::AAAA {
            return back(&no_data(query));
        }
        let mut message = with(query, [RData::CNAME(CNAME(name("Www.New.example.")))]);
        for data in [aaaa("::ffff:192.0.2.7"), aaaa("2001:db8:1::1")] {
            message.add_answer(Record::from_rdata(name("Www.New.example."), 77, data));
        }
        back(&message)
    })
    .await;
    let expect =
        ["NOERROR", "www.old.example. 300 CNAME Www.New.example.", "Www.New.example. 77 AAAA 2001:db8:1::1"];
    site.check("www.old.example. AAAA", &expect).await;
    let plain = Site::new("old.example. DNAME new.example.\nwww.new.example. AAAA 2001:db8:1::1\nwww.new.example. AAAA ::ffff:192.0.2.7").await;
    let expect = [
        "NOERROR",
        "old.example. 300 DNAME new.example.",
        "www.old.example. 300 CNAME www.new.example.",
        "www.new.example. 300 AAAA 2001:db8:1::1",
    ];
    plain.check("www.old.example. AAAA", &expect).await;
}

#[tokio::test]
async fn exclusion_is_of_aaaa_alone() {
    let site = Site::scripted(only_a).await;
    site.check("v4.example. A", &["NOERROR", "v4.example. 300 A 192.0.2.1"]).await;
    site.check("v4.example. AAAA", &["NOERROR", SYNTHESIZED]).await;
}

#[tokio::test]
async fn rule_16_mapped_addresses_stay_excluded_beside_others_unless_taken_out_by_name() {
    let zone = "v4.example. AAAA ::ffff:192.0.2.7\nbad.example. AAAA 2001:db8:dead::1";
    let site = Site::with(zone, "exclude_aaaa = [\"2001:db8:dead::/48\"]").await;
    for name in ["v4.example.", "bad.example."] {
        assert!(site.ask(&format!("{name} AAAA")).await.answers.is_empty(), "{name}");
    }
    let site = Site::with(zone, "exclude_aaaa = [\"!::ffff:0:0/96\"]").await;
    site.check("v4.example. AAAA", &["NOERROR", "v4.example. 300 AAAA ::ffff:192.0.2.7"]).await;
}

#[tokio::test]
async fn rule_20_a_group_of_clients_has_its_own_list() {
    let clients = "[[dns64.client]]\nfrom = [\"127.255.0.1\"]\nexclude_aaaa = [\"::/0\"]\n\
        [[dns64.client]]\nfrom = [\"0.0.0.0/0\"]";
    let site = Site::with("both.example. AAAA 2001:db8:1::1\nboth.example. A 192.0.2.1", clients).await;
    let reply = site.ask("both.example. AAAA from=127.255.0.1").await;
    assert_eq!(v6(&reply), synthesized());
    site.check("both.example. AAAA", &["NOERROR", "both.example. <=300 AAAA 2001:db8:1::1"]).await;
}
