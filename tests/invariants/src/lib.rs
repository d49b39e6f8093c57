//! What holds for every input: the judgement of the fuzz targets, and of the test that replays their seeds.
//!
//! ```text
//!   bytes ──> World: parameters from the first bytes ──> translator ──> judge: view, kernel ──> panics if one is broken
//!   message, hosts file ──> dns: the resolver's door, its pure modules ──> dns::view, dns::site
//!   bytes ──> the proxy's readers of PROXY headers and hellos of TLS ──> greeting; of cookie fields ──> cookies
//!   target, head ──> the proxy's judgement, cleaning, rules ──> heads
//!   octets of a member, cut apart ──> the proxy's reader of responses ──> response
//!   frames of HTTP/2, header blocks ──> the proxy's verdict ──> frames
//!   text  ──> config::parse, the importers, the packet grammar ─────> text
//! ```
//!
//! Owns the invariants and the seeds. Every function here takes any bytes, and panics, with what it saw, when an
//! invariant is broken. Checksums are summed by etherparse and headers are read by [`view`], so that nothing here
//! trusts the translator's own code. Deliberately holds no fuzzer: `tests/fuzz` has the targets, which need a nightly
//! toolchain.

pub mod batch;
pub mod cookies;
pub mod dns;
pub mod frames;
pub mod greeting;
pub mod heads;
pub mod judge;
pub mod kernel;
pub mod quoted;
pub mod response;
pub mod seeds;
pub mod text;
pub mod view;
pub mod vnet;
pub mod world;

/// A target of the fuzzer.
pub struct Target {
    /// The name of the target and of its binary.
    pub name: &'static str,
    /// Judges an input; panics when an invariant is broken.
    pub check: fn(&[u8]),
    /// Folders of the repository whose files it begins with.
    pub folders: &'static [&'static str],
    /// What the first folder must hold, by name; nothing where others look after it.
    pub seeds: fn() -> seeds::Seeds,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target {
        name: "packet",
        check: vnet::check_plain,
        folders: &["tests/fuzz/seeds/packet"],
        seeds: seeds::packets,
    },
    Target {
        name: "quoted",
        check: quoted::check,
        folders: &["tests/fuzz/seeds/quoted"],
        seeds: seeds::quotes,
    },
    Target {
        name: "vnet",
        check: vnet::check,
        folders: &["tests/fuzz/seeds/vnet"],
        seeds: seeds::super_packets,
    },
    Target {
        name: "batch",
        check: batch::check,
        folders: &["tests/fuzz/seeds/batch"],
        seeds: seeds::batches,
    },
    Target {
        name: "sketch",
        check: text::check_sketch,
        folders: &["tests/fuzz/seeds/sketch"],
        seeds: seeds::sketches,
    },
    Target {
        name: "tayga_conf",
        check: text::check_tayga_conf,
        folders: &["config/tests/tayga"],
        seeds: Vec::new,
    },
    Target {
        name: "named_conf",
        check: text::check_named_conf,
        folders: &["config/tests/bind"],
        seeds: Vec::new,
    },
    Target {
        name: "unbound_conf",
        check: text::check_unbound_conf,
        folders: &["config/tests/unbound"],
        seeds: Vec::new,
    },
    Target {
        name: "dns_question",
        check: dns::question::check,
        folders: &["tests/fuzz/seeds/dns_question"],
        seeds: dns::seeds::questions,
    },
    Target {
        name: "dns_reply",
        check: dns::reply::check,
        folders: &["tests/fuzz/seeds/dns_reply"],
        seeds: dns::seeds::replies,
    },
    Target {
        name: "hosts_file",
        check: dns::names::check_hosts,
        folders: &["tests/fuzz/seeds/hosts_file"],
        seeds: dns::seeds::hosts,
    },
    Target {
        name: "lease_file",
        check: dns::names::check_leases,
        folders: &["tests/fuzz/seeds/lease_file"],
        seeds: dns::seeds::leases,
    },
    Target {
        name: "gateway_toml",
        check: text::check_gateway_toml,
        folders: &["config/tests/tayga", "config/tests/bad"],
        seeds: Vec::new,
    },
    Target {
        name: "proxy_protocol",
        check: greeting::check_proxy_protocol,
        folders: &["tests/fuzz/seeds/proxy_protocol"],
        seeds: seeds::greeting::proxy_headers,
    },
    Target {
        name: "client_hello",
        check: greeting::check_client_hello,
        folders: &["tests/fuzz/seeds/client_hello"],
        seeds: seeds::greeting::client_hellos,
    },
    Target {
        name: "cookies",
        check: cookies::check,
        folders: &["tests/fuzz/seeds/cookies"],
        seeds: seeds::cookies::fields,
    },
    Target {
        name: "header_rules",
        check: heads::check_fields,
        folders: &["tests/fuzz/seeds/header_rules"],
        seeds: seeds::heads::fields,
    },
    Target {
        name: "request_target",
        check: heads::check_target,
        folders: &["tests/fuzz/seeds/request_target"],
        seeds: seeds::heads::targets,
    },
    Target {
        name: "response",
        check: response::check,
        folders: &["tests/fuzz/seeds/response"],
        seeds: seeds::responses::all,
    },
    Target {
        name: "http2_frames",
        check: frames::check,
        folders: &["tests/fuzz/seeds/http2_frames"],
        seeds: seeds::frames::streams,
    },
    Target {
        name: "http2_blocks",
        check: frames::check_blocks,
        folders: &["tests/fuzz/seeds/http2_blocks"],
        seeds: seeds::frames::blocks,
    },
];
