//! Heads of requests through the proxy's rules: what a member gets is one request, of this client, by one reading.

use config::model::{Forwarding, Mode, Rule};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request};
use proxy::heads::Passage;
use proxy::proxy_protocol::Ends;
use std::net::SocketAddr;
use std::sync::LazyLock;

/// Rules of every kind.
const RULES: &str = r#"
[proxy]
[[proxy.listener]]
name = "web"
bind = ["[2001:db8::80]:80"]
mode = "http"
pool = "web"
[[proxy.listener.rule]]
path_prefix = ["/admin"]
request_headers = [{ set = "X-Rule", value = "admin {path} {host}" }, { delete = "Cookie" }]
[[proxy.listener.rule]]
request_path = [{ strip_prefix = "/api" }, { regex = "x(.)", with = "$1" }, { add_prefix = "/in" }]
request_query = [{ set = "by", value = "{client}" }, { delete = "debug" }, { regex = "y(.)", with = "$1/" }]
request_headers = [{ replace = "X-A", regex = "a(.*)b", with = "$1" }, { add = "X-B", value = "{query}" }]
[[proxy.pool]]
name = "web"
[[proxy.pool.member]]
name = "a"
address = "192.0.2.1:80"
"#;

static PASSAGE: LazyLock<(Passage, Passage)> = LazyLock::new(|| {
    let loaded = config::parse(RULES, "rules").unwrap_or_else(|errors| panic!("{errors}"));
    let listener = &loaded.model.proxy.as_ref().expect("it has one").listener[0];
    let passage = |rules: &[Rule]| Passage::new(rules, &Forwarding::new(Mode::Http));
    (passage(&listener.rule), passage(&listener.rule[..1]))
});

fn ends() -> Ends {
    let end = |text: &str| text.parse::<SocketAddr>().expect("an address");
    Ends::new(end("[2001:db8::7]:51413"), end("[2001:db8::80]:80"))
}

/// Judges a target.
///
/// # Panics
/// When an invariant is broken.
pub fn check_target(input: &[u8]) {
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("a.example"));
    judge(input, headers);
}

/// Judges a head: a target, and behind it a field in each line.
///
/// # Panics
/// When an invariant is broken.
pub fn check_fields(input: &[u8]) {
    let mut lines = input.split(|octet| *octet == b'\n');
    let target = lines.next().unwrap_or_default();
    let field = |line: &[u8]| {
        let colon = line.iter().position(|octet| *octet == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        Some((name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(field) {
        headers.append(name, value);
    }
    judge(target, headers);
}

fn judge(target: &[u8], headers: HeaderMap) {
    let Ok(request) = Request::builder().method(Method::GET).uri(target).body(()) else { return };
    let mut came = request.into_parts().0;
    came.headers = headers;
    let (all, conditions) = &*PASSAGE;
    for passage in [all, conditions] {
        if let Some(passed) = passage.pass(came.clone(), ends()) {
            sound(&passed);
        }
    }
    let Some(edited) = all.pass(came, ends()) else { return };
    // What was edited is by one reading only what it says.
    let path = edited.uri.path();
    if path.starts_with('/') {
        let mut segments = path.split('/').skip(1).map(|part| part.replace("%2e", ".").replace("%2E", "."));
        assert!(segments.all(|part| part != "." && part != ".."), "{path}");
        assert!(!path.contains("//") && path.starts_with("/in"), "{path}");
        let query = edited.uri.query().unwrap_or_default();
        // The replacement may have changed what was set, and nothing else may be gone.
        assert!(query.contains("2001") || query.contains('y'), "{query}");
    }
}

/// What holds of every head that goes on.
fn sound(passed: &Parts) {
    let Parts { uri, headers, .. } = passed;
    let target = uri.to_string();
    assert!(target.bytes().all(|octet| octet > b' ' && octet != 0x7f), "{target:?}");
    assert!(target.starts_with('/') || target == "*", "{target:?}");
    for (name, value) in headers {
        let control = |octet: &u8| octet.is_ascii_control() && *octet != b'\t';
        assert!(!value.as_bytes().iter().any(control), "{name}: {value:?}");
    }
    for ended in ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te"] {
        assert!(!headers.contains_key(ended), "{ended} goes on: {headers:?}");
    }
    assert!(headers.get_all("host").iter().count() <= 1, "{headers:?}");
    let list: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    let client = list.last().expect("the client is told").as_bytes();
    assert!(client.ends_with(b"2001:db8::7"), "{list:?}");
    assert!(list.len() == 1 && client == b"2001:db8::7", "nobody is believed: {list:?}");
}
