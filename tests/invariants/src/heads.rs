//! Heads of requests through the proxy's rules: what a member gets is one request, of this client, by one reading.

use config::model::{ForwardedField, ForwardedFor, Forwarding};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Version};
use proxy::heads::{Came, Passage};
use proxy::proxy_protocol::Ends;
use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;

/// Rules of every kind, and of conditions alone.
const RULES: [&str; 2] = [
    r#"
[[proxy.listener.rule]]
path_prefix = ["/admin"]
request_headers = [{ set = "X-Rule", value = "admin {path} {host}" }, { delete = "Cookie" }]
[[proxy.listener.rule]]
request_path = [{ strip_prefix = "/api" }, { regex = "x(.)", with = "$1" }, { add_prefix = "/in" }]
request_query = [{ set = "by", value = "{client}" }, { delete = "debug" }, { regex = "y(.)", with = "$1/" }]
request_headers = [{ replace = "X-A", regex = "a(.*)b", with = "$1" }, { add = "X-B", value = "{query}" }]
"#,
    r#"
[[proxy.listener.rule]]
path_prefix = ["/admin"]
request_headers = [{ set = "X-Rule", value = "admin {path} {host}" }, { delete = "Cookie" }]
"#,
];

/// What members are told of clients: of nobody, and of the trusted proxy that every request here comes from.
const TOLD: [&str; 6] = [
    "",
    "trusted_proxies = [\"2001:db8::/48\"]\nforwarded_headers = [\"proto\", \"real-ip\", \"forwarded\"]",
    "trusted_proxies = [\"2001:db8::/48\"]\ntrusted_hops = 2\nforwarded_headers = [\"forwarded\"]",
    "trusted_proxies = [\"2001:db8::/48\"]\nforwarded_for = \"replace\"\nforwarded_headers = [\"real-ip\"]",
    "trusted_proxies = [\"2001:db8::/48\"]\nforwarded_for_if_none = true",
    "forwarded_for = \"off\"",
];

/// Fields that concern one connection.
const OF_CONNECTION: [&str; 6] =
    ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "te"];

/// A listener, and what of its lines the judgement goes by.
struct Listener {
    passage: Passage,
    forwarding: Forwarding,
    /// Whether every path is edited.
    edits: bool,
}

impl Listener {
    fn new(told: &str, rules: &str, edits: bool) -> Self {
        let text = format!(
            "[proxy]\n[[proxy.listener]]\nname = \"web\"\nbind = [\"[2001:db8::80]:80\"]\nmode = \"http\"\n\
             pool = \"web\"\n{told}\n{rules}[[proxy.pool]]\nname = \"web\"\n[[proxy.pool.member]]\n\
             name = \"a\"\naddress = \"192.0.2.1:80\"\n"
        );
        let loaded = config::parse(&text, "rules").unwrap_or_else(|errors| panic!("{errors}"));
        let listener = &loaded.model.proxy.as_ref().expect("it has one").listener[0];
        let forwarding = listener.forwarding.clone();
        Self { passage: Passage::new(&listener.rule, &forwarding), forwarding, edits }
    }
}

static LISTENERS: LazyLock<Vec<Listener>> = LazyLock::new(|| {
    let [all, conditions] = RULES;
    let told = TOLD.iter().map(|told| Listener::new(told, conditions, false));
    told.chain([Listener::new("", all, true)]).collect()
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
    judge(input, &headers);
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
    judge(target, &headers);
}

fn judge(target: &[u8], headers: &HeaderMap) {
    let octets = written(target, headers);
    let request = |version: Version, target: &[u8]| {
        let request = Request::builder().method(Method::GET).version(version).uri(target).body(());
        let mut parts = request.ok()?.into_parts().0;
        parts.headers.clone_from(headers);
        Some(parts)
    };
    // In HTTP/2 there is always a scheme and an authority, and the library refuses fields of a connection.
    let authority: &[u8] = if target.starts_with(b"/") { b"http://a.example" } else { b"" };
    let knows_none = OF_CONNECTION.iter().all(|name| !headers.contains_key(*name));
    let two = request(Version::HTTP_2, &[authority, target].concat()).filter(|_| knows_none);
    for (parts, came) in [(request(Version::HTTP_11, target), Came::Http1(&octets)), (two, Came::Http2)] {
        let Some(parts) = parts else { continue };
        for listener in &*LISTENERS {
            let Some(passed) = listener.passage.pass(parts.clone(), came, ends()) else { continue };
            sound(&passed);
            framed(headers, &passed.headers);
            told(&listener.forwarding, headers, &passed.headers);
            if listener.edits {
                edited(&passed);
            }
        }
    }
}

/// The head as octets of HTTP/1.1.
fn written(target: &[u8], headers: &HeaderMap) -> Vec<u8> {
    let mut octets = [b"GET ", target, b" HTTP/1.1\r\n"].concat();
    for (name, value) in headers {
        octets.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    octets.extend(b"\r\n");
    octets
}

/// What was edited is by one reading only what it says.
fn edited(passed: &Parts) {
    let path = passed.uri.path();
    if path.starts_with('/') {
        let mut segments = path.split('/').skip(1).map(|part| part.replace("%2e", ".").replace("%2E", "."));
        assert!(segments.all(|part| part != "." && part != ".."), "{path}");
        assert!(!path.contains("//") && path.starts_with("/in"), "{path}");
        let query = passed.uri.query().unwrap_or_default();
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
    for ended in ["keep-alive", "proxy-connection", "transfer-encoding", "upgrade"] {
        assert!(!headers.contains_key(ended), "{ended} goes on: {headers:?}");
    }
    // A client that takes trailers may have them of the member.
    let takes = headers.contains_key("te");
    for (own, text) in [("connection", "te"), ("te", "trailers")] {
        let all: Vec<_> = headers.get_all(own).iter().collect();
        assert!(if takes { all == [text] } else { all.is_empty() }, "{own}: {headers:?}");
    }
    assert!(headers.get_all("host").iter().count() <= 1, "{headers:?}");
}

/// The length of the content can be read in one way, which is that of the head that came; a coding leaves none.
fn framed(came: &HeaderMap, passed: &HeaderMap) {
    let lengths: Vec<_> = values(passed, "content-length");
    let Some(length) = lengths.first() else {
        let named = came.contains_key("content-length");
        assert!(!named, "a length is gone: {came:?}");
        return;
    };
    assert!(lengths.len() == 1 && !came.contains_key("transfer-encoding"), "{came:?} {passed:?}");
    let number = |text: &[u8]| str::from_utf8(text).ok().and_then(|text| text.parse::<u64>().ok());
    let is_plain = length.iter().all(u8::is_ascii_digit) && (*length == b"0" || !length.starts_with(b"0"));
    assert!(is_plain && number(length).is_some(), "{}", length.escape_ascii());
    let told: Vec<_> = values(came, "content-length");
    assert!(told.len() == 1 && number(told[0]) == number(length), "{told:?} {length:?}");
    for name in
        passed.keys().map(HeaderName::as_str).filter(|name| *name != "content-length" && *name != "host")
    {
        for known in ["content-length", "transfer-encoding", "host"] {
            assert!(!is_spelt_like(name, known), "{name} may be taken for {known}");
        }
    }
}

/// What the member hears of the client is what the listener says of it.
fn told(listener: &Forwarding, came: &HeaderMap, passed: &HeaderMap) {
    const OWN: &str = "2001:db8::7";
    let list = || entries(passed, "x-forwarded-for");
    if listener.forwarded_for == ForwardedFor::Off {
        return;
    }
    let (trusts, asked) = (!listener.trusted_proxies.is_empty(), &listener.fields);
    for name in passed.keys().map(HeaderName::as_str) {
        for known in ["x-forwarded-for", "x-forwarded-proto", "x-real-ip", "forwarded"] {
            assert!(name == known || !is_spelt_like(name, known), "{name} may be taken for {known}");
        }
    }
    let nominated = |name: &str| {
        entries(came, "connection").iter().any(|other| other.eq_ignore_ascii_case(name.as_bytes()))
    };
    let theirs =
        if trusts && !nominated("x-forwarded-for") { entries(came, "x-forwarded-for") } else { Vec::new() };
    let believed =
        &theirs[theirs.len().saturating_sub(listener.trusted_hops.map_or(usize::MAX, usize::from))..];
    let ours = [OWN.as_bytes()];
    let expect = match listener.forwarded_for {
        ForwardedFor::Append if listener.if_none && !believed.is_empty() => believed.to_vec(),
        ForwardedFor::Append => [believed, &ours].concat(),
        ForwardedFor::Replace | ForwardedFor::Off => ours.to_vec(),
    };
    assert_eq!(list(), expect, "{came:?}");
    assert_eq!(values(passed, "x-forwarded-for").len(), 1, "one list: {passed:?}");
    if !trusts {
        assert_eq!(values(passed, "x-forwarded-proto"), [b"http"], "nobody is believed");
        assert!(!passed.contains_key("forwarded") && !passed.contains_key("x-real-ip"), "{passed:?}");
    }
    if let Some(origin) =
        passed.get("x-real-ip").filter(|_| asked.contains(&ForwardedField::RealIp) && !theirs.is_empty())
    {
        let origin = origin.to_str().ok().and_then(|text| text.parse::<IpAddr>().ok()).expect("an address");
        let named = theirs.iter().any(|entry| address(entry) == Some(origin));
        assert!(named || origin.to_string() == OWN, "{origin} is invented: {theirs:?}");
    }
}

fn values<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a [u8]> {
    headers.get_all(name).iter().map(HeaderValue::as_bytes).collect()
}

/// The parts of a list, in however many fields.
fn entries<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a [u8]> {
    let parts = headers.get_all(name).iter().flat_map(|value| value.as_bytes().split(|octet| *octet == b','));
    parts.map(<[u8]>::trim_ascii).filter(|part| !part.is_empty()).collect()
}

/// Whether some server may take one name for the other: any mark may stand for `-`.
fn is_spelt_like(name: &str, known: &str) -> bool {
    let plain = |text: &str| -> Vec<u8> {
        text.bytes().map(|octet| if octet.is_ascii_alphanumeric() { octet } else { b'-' }).collect()
    };
    plain(name) == plain(known)
}

/// An entry of a list, with a port behind it or in brackets perhaps; an IPv4-mapped address is one of IPv4.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(entry).ok()?;
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    Some(bare.parse::<IpAddr>().ok().or_else(with_port)?.to_canonical())
}
