//! The cases of `httpwg` (RFC 9113) against the real daemon. The suite's own program wants `io_uring`; its cases do not.

use crate::backend::Backend;
use crate::gateway::{PATIENCE, v6};
use crate::http2::served;
use buffet::IntoHalves;
use buffet::bufpool::initialize_allocator_with_num_bufs;
use futures_util::stream::{self, StreamExt};
use httpwg::{BoxedTest, Config, Conn};
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

/// So many cases has this version of the suite.
const CASES: usize = 107;
/// So many run at a time.
const AT_ONCE: usize = 8;
/// So much time has a case that is known to wait in vain.
const VAIN: Duration = Duration::from_secs(3);

const ANSWERED: &str = "a malformed request is answered with 400 and what is wrong with it: RFC 9113 §8.1.1 allows an \
                        answer ahead of the end, and §8.2.1 asks for it";

/// Cases that fail, and why; docs/conformance.md says the same.
const DIFFERENCES: &[(&str, &str)] = &[
    (
        "4. http frames: invalid header block fragment",
        "RFC 9113 §4.3 wants COMPRESSION_ERROR; the library ends the connection, with PROTOCOL_ERROR",
    ),
    ("8. expressing http semantics in http2: sends connect without authority", ANSWERED),
    (
        "8. expressing http semantics in http2: sends headers frame with leading space in field value",
        ANSWERED,
    ),
    ("8. expressing http semantics in http2: sends headers frame with mismatched host authority", ANSWERED),
    (
        "8. expressing http semantics in http2: sends headers frame with pseudo header in trailer",
        "RFC 9113 §8.1 wants a stream error; the library leaves the field out, and no member sees it",
    ),
    ("8. expressing http semantics in http2: sends headers frame with trailing tab in field value", ANSWERED),
];

fn difference(name: &str) -> Option<&'static str> {
    DIFFERENCES.iter().find(|(known, _)| *known == name).map(|(_, why)| *why)
}

mod suite {
    use super::{Conn, HashMap, IntoHalves};

    httpwg_macros::gen_catalog!(catalog);
}

/// Runs one case on a connection of its own. The suite takes silence for the end of the connection, which fulfils many
/// cases: so its patience is longer than the one here.
async fn run(case: BoxedTest<TcpStream>, port: u16, patience: Duration) -> Result<(), String> {
    let config = Config { timeout: PATIENCE * 10, ..Config::default() };
    let stream = TcpStream::connect(v6(port)).await.map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let running = spawn_local(async move { case(Conn::new(Rc::new(config), stream)).await });
    match timeout(patience, running).await {
        Ok(Ok(end)) => end.map_err(|error| format!("{error:#}")),
        Ok(Err(panic)) => Err(panic.to_string()),
        Err(_) => Err("neither the frame that is waited for comes nor the end".to_owned()),
    }
}

#[test]
fn the_cases_of_httpwg_pass_but_for_known_differences() {
    let backend = Backend::http("as many octets as any case asks for");
    let (_gateway, port) = served(&backend, "workers = 1", "", "");
    initialize_allocator_with_num_bufs(8 << 10).expect("buffers of this thread");
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let cases = suite::catalog().into_values().flatten().flat_map(|(section, cases)| {
        cases.into_iter().map(move |(name, case)| (format!("{section}: {name}"), case))
    });
    let ends: BTreeMap<_, _> = LocalSet::new().block_on(&runtime, async {
        let running = cases.map(|(name, case)| async move {
            let patience = if difference(&name).is_some() { VAIN } else { PATIENCE };
            let end = run(case, port, patience).await;
            (name, end)
        });
        stream::iter(running).buffer_unordered(AT_ONCE).collect().await
    });
    let passed = ends.values().filter(|end| end.is_ok()).count();
    println!("httpwg: {passed} of {} cases pass, {} are known differences", ends.len(), DIFFERENCES.len());
    assert_eq!(ends.len(), CASES);
    let wrong: Vec<_> = ends
        .iter()
        .filter_map(|(name, end)| match (end, difference(name)) {
            (Err(reason), None) => Some(format!("{name}: {reason}")),
            (Ok(()), Some(why)) => Some(format!("{name}: passes, but is listed: {why}")),
            (Ok(()), None) | (Err(_), Some(_)) => None,
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(passed + DIFFERENCES.len(), CASES, "a difference is listed that is none of the cases");
}
