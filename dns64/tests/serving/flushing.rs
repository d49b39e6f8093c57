//! `causeway-dns64 flush` against the running program.

use crate::daemon::{Daemon, ask_udp, file, listener};
use crate::scripted::{Scripted, only_a};
use crate::world::{PREF64, synthesized, v6};
use hickory_proto::rr::RecordType;
use std::collections::BTreeSet;

#[tokio::test]
async fn a_name_a_subtree_and_everything_are_forgotten_and_nothing_else() {
    let (upstream, address) = (Scripted::start(only_a).await, listener());
    // An answer of 60 seconds would be renewed in its last tenth, and then upstream hears of it as well.
    let daemon = Daemon::start(&file(PREF64, &[address], &[upstream.address], "prefetch = false\n")).await;
    let names = ["v4.example.", "www.v4.example.", "other.example."];
    let asked_again = async || -> Vec<String> {
        drop(upstream.take_asked());
        for name in names {
            assert_eq!(v6(&ask_udp(address, name, RecordType::AAAA).await), synthesized());
        }
        let asked: BTreeSet<_> =
            upstream.take_asked().into_iter().map(|asked| asked.name.to_ascii_lowercase()).collect();
        names.into_iter().filter(|name| asked.contains(*name)).map(str::to_owned).collect()
    };
    assert_eq!(asked_again().await, names);
    assert_eq!(asked_again().await, [""; 0], "all of it is remembered");
    for (arguments, forgotten) in [
        (&["flush", "V4.example"][..], &names[..1]),
        (&["flush", "v4.example", "--subtree"], &names[..2]),
        (&["flush", "nothing.example"], &[]),
        (&["flush", "--all"], &names),
    ] {
        let told = daemon.command(arguments).await;
        let count: usize = told.split_whitespace().next().unwrap().parse().unwrap();
        assert!(told.contains("forgotten") && (count > 0) != forgotten.is_empty(), "{arguments:?}: {told}");
        assert_eq!(asked_again().await, forgotten, "{arguments:?}");
    }
}
