//! The judge itself: seeds reach every verdict, and a packet with one wrong byte does not pass.

use invariants::judge::judge;
use invariants::seeds;
use invariants::view::View;
use invariants::world::{CHOICE_LEN, Outcome, Sent, World};
use std::collections::BTreeSet;
use translator::{VNET_HEADER_LEN, Verdict, VnetHeader};

/// A seed's world, virtio-net header and packet.
fn parts(seed: &[u8], has_vnet: bool) -> (World, VnetHeader, Vec<u8>) {
    let (choice, rest) = seed.split_first_chunk::<CHOICE_LEN>().expect("a choice");
    let (vnet, packet) = if has_vnet {
        let (vnet, packet) = rest.split_first_chunk::<VNET_HEADER_LEN>().expect("a header");
        (VnetHeader::parse(vnet), packet)
    } else {
        (VnetHeader::default(), rest)
    };
    (World::new(*choice), vnet, packet.to_vec())
}

fn kind(verdict: Verdict) -> String {
    match verdict {
        Verdict::Drop(_) => "drop".to_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn seeds_reach_every_verdict() {
    let mut seen = BTreeSet::new();
    let all = [(seeds::packets(), false), (seeds::super_packets(), true)];
    for (seeds, has_vnet) in &all {
        for (_, seed) in seeds {
            let (mut world, vnet, packet) = parts(seed, *has_vnet);
            seen.insert(kind(world.run(vnet, &packet).verdict));
        }
    }
    for verdict in [
        "Forward(V6ToV4)",
        "Forward(V4ToV6)",
        "Split(V4ToV6)",
        "Reply(Echo)",
        "Reply(Error(HopLimit))",
        "Reply(Error(SegmentsLeft))",
        "Reply(Error(TooBig))",
        "drop",
    ] {
        assert!(seen.contains(verdict), "no seed gives {verdict}: {seen:?}");
    }
}

/// Whether the judge lets this outcome pass.
fn passes(world: &World, vnet: VnetHeader, packet: &[u8], outcome: &Outcome) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| judge(world, vnet, packet, outcome))).is_ok()
}

#[test]
fn a_wrong_byte_in_what_leaves_is_seen() {
    let mut unseen = Vec::new();
    let mut tried = 0;
    for (name, seed) in seeds::packets().into_iter().filter(|(name, _)| name.ends_with("_plain")) {
        let (mut world, vnet, packet) = parts(&seed, false);
        let outcome = world.run(vnet, &packet);
        // Only a transport with a checksum vouches for the addresses.
        let has_checksum =
            View::of(&packet).is_some_and(|view| view.checksum_at().is_some() && !view.is_fragment());
        if !matches!(outcome.verdict, Verdict::Forward(_)) || !has_checksum {
            continue;
        }
        for at in 0..outcome.sent[0].packet.len() {
            let mut damaged = outcome.sent[0].packet.clone();
            damaged[at] ^= 1;
            let damaged = Outcome { verdict: outcome.verdict, sent: vec![Sent { vnet, packet: damaged }] };
            tried += 1;
            if passes(&world, vnet, &packet, &damaged) {
                unseen.push((name.clone(), at));
            }
        }
    }
    assert!(tried > 1000, "{tried} bytes");
    assert_eq!(unseen, []);
}

#[test]
fn packets_that_are_missing_or_too_many_are_seen() {
    let (_, seed) = seeds::packets().into_iter().find(|(name, _)| name == "v4_udp_plain").unwrap();
    let (mut world, vnet, packet) = parts(&seed, false);
    let mut outcome = world.run(vnet, &packet);
    assert!(passes(&world, vnet, &packet, &outcome));
    outcome.sent.push(outcome.sent[0].clone());
    assert!(!passes(&world, vnet, &packet, &outcome), "two of one");
    outcome.sent.clear();
    assert!(!passes(&world, vnet, &packet, &outcome), "none");
}

#[test]
fn a_gap_between_fragments_is_seen() {
    let (_, seed) =
        seeds::packets().into_iter().find(|(name, _)| name == "v4_udp_large_no_df_plain").unwrap();
    let (mut world, vnet, packet) = parts(&seed, false);
    let mut outcome = world.run(vnet, &packet);
    assert!(outcome.sent.len() > 1 && passes(&world, vnet, &packet, &outcome));
    outcome.sent.remove(0);
    assert!(!passes(&world, vnet, &packet, &outcome));
}

/// Otherwise the target `batch` would judge nothing but what `packet` does.
#[test]
fn seeds_of_batches_merge() {
    let mut coalescer = translator::Coalescer::new(translator::Merge { tcp: true, udp: true });
    let packets = [(); 3].map(|()| seeds::packets().into_iter().find(|(name, _)| name == "v6_udp_plain"));
    let packets: Vec<_> = packets.into_iter().flatten().map(|(_, seed)| parts(&seed, false)).collect();
    let packets: Vec<_> = packets.iter().map(|(_, vnet, packet)| (*vnet, packet.as_slice())).collect();
    let (single, left) = World::new([0; CHOICE_LEN]).run_batch(&mut coalescer, &packets);
    assert_eq!((single.len(), left.len(), left[0].1), (3, 1, 3));
}
