//! A daemon that serves nothing and obeys: the names of its pools and its admin routes make it do what tests need.
//!
//! | pool | effect |
//! |---|---|
//! | `unstartable` | does not start |
//! | `unpreparable` | cannot be prepared |
//! | `panicking` | panics while it is prepared |
//! | `late` | not ready before `POST /open` |
//! | `stuck` | not drained before `POST /finish` |
//! | `tabled` | has a table of its own in its status |
//!
//! `explain` says its subject back, and that `nonsense` is none.

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use config::model::Balance;
use config::{Diff, Gateway, Refusal, Section};
use prometheus_client::metrics::gauge::Gauge;
use service::{Boot, Capability, Daemon, Explain, ExplainOption, Latch, Table};
use std::fmt;
use std::sync::{Arc, Mutex};
use tokio::sync::{Semaphore, mpsc};

/// The daemon.
pub(crate) struct Fake {
    shared: Arc<Shared>,
    stuck: bool,
    tabled: bool,
}

struct Shared {
    pools: Gauge,
    late: Mutex<Option<Latch>>,
    finish: Semaphore,
    failures: mpsc::UnboundedSender<String>,
}

/// Why it does not start or change.
#[derive(Debug)]
pub(crate) struct Unable(&'static str);

impl Daemon for Fake {
    const NAME: &'static str = "causeway-fake";
    const ABOUT: &'static str = "Serves nothing, for tests.";
    const SECTION: Section = Section::Proxy;
    const CAPABILITIES: &'static [Capability] = &[Capability::CAP_NET_ADMIN];
    const EXPLAIN: Option<Explain> = Some(Explain {
        subject: "WORD",
        about: "Tell what a word is",
        grammar: "A word is anything but nonsense.",
        options: &[ExplainOption { name: "voice", value: "LOUDNESS", about: "How loud it is said" }],
    });
    type Error = Unable;
    type Prepared = i64;

    fn check(model: &Gateway) -> Vec<Refusal> {
        let pools = model.proxy.iter().flat_map(|proxy| &proxy.pool).enumerate();
        pools
            .filter(|(_, pool)| pool.balance == Balance::Random)
            .map(|(index, _)| Refusal {
                path: format!("proxy.pool[{index}].balance"),
                message: "random is not served here".to_owned(),
                help: "use roundrobin".to_owned(),
            })
            .collect()
    }

    async fn start(model: Arc<Gateway>, boot: &mut Boot<'_>) -> Result<Self, Unable> {
        if has_pool(&model, "unstartable") {
            return Err(Unable("an unstartable pool"));
        }
        let pools = Gauge::default();
        pools.set(pool_count(&model));
        boot.registry.register("pools", "Pools", pools.clone());
        let latch = boot.readiness.latch("fake");
        let late = if has_pool(&model, "late") {
            Some(latch)
        } else {
            latch.open();
            None
        };
        let shared = Shared {
            pools,
            late: Mutex::new(late),
            finish: Semaphore::new(0),
            failures: boot.failures.clone(),
        };
        Ok(Self {
            shared: Arc::new(shared),
            stuck: has_pool(&model, "stuck"),
            tabled: has_pool(&model, "tabled"),
        })
    }

    async fn prepare(&self, model: Arc<Gateway>, _diff: &Diff) -> Result<i64, Unable> {
        assert!(!has_pool(&model, "panicking"), "a panicking pool");
        if has_pool(&model, "unpreparable") {
            Err(Unable("an unpreparable pool"))
        } else {
            Ok(pool_count(&model))
        }
    }

    fn commit(&self, prepared: i64) {
        self.shared.pools.set(prepared);
    }

    fn routes(&self) -> Router {
        let (open, finish, fail) =
            (Arc::clone(&self.shared), Arc::clone(&self.shared), Arc::clone(&self.shared));
        Router::new()
            .route(
                "/open",
                post(async move || open.late.lock().unwrap().take().map(Latch::open).unwrap_or_default()),
            )
            .route("/finish", post(async move || finish.finish.add_permits(1)))
            .route("/fail", post(async move || fail.failures.send("told to fail".to_owned()).unwrap()))
            .route("/panic", post(panicking))
            .route("/explain", post(explain))
    }

    fn tables(&self) -> Box<dyn Fn() -> Vec<Table> + Send + Sync> {
        let tabled = self.tabled;
        Box::new(move || {
            let rows = tabled.then(|| ["round".into(), 7.into()]);
            rows.map(|row| Table::new("wheels", &["form", "number"]).row(row)).into_iter().collect()
        })
    }

    async fn drain(self) {
        if self.stuck {
            self.shared.finish.acquire().await.unwrap().forget();
        }
    }
}

async fn explain(headers: HeaderMap, word: String) -> (StatusCode, String) {
    match word.as_str() {
        "nonsense" => (StatusCode::BAD_REQUEST, "this is nonsense".to_owned()),
        _ if headers["accept"] == "application/json" => {
            (StatusCode::OK, format!("{{\"word\":\"{word}\"}}\n"))
        }
        word => (StatusCode::OK, format!("{word} is a word\n")),
    }
}

async fn panicking() {
    let worker = std::thread::Builder::new().name("worker-7".to_owned());
    worker.spawn(|| panic!("told to panic")).unwrap();
}

fn has_pool(model: &Gateway, name: &str) -> bool {
    model.proxy.iter().flat_map(|proxy| &proxy.pool).any(|pool| pool.name == name)
}

fn pool_count(model: &Gateway) -> i64 {
    model.proxy.as_ref().map_or(0, |proxy| i64::try_from(proxy.pool.len()).unwrap())
}

impl fmt::Display for Unable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Unable {}
