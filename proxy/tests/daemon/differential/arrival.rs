//! Requests as a member got them, in a form that two proxies can be compared by: what a server would make of them.

use crate::recorder::PART;
use http_desync_guardian::http_token_utils::{TokenSimilarity, determine_similarity};

/// One request: its line, its fields in order and its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) fields: Vec<(String, String)>,
    pub(super) content: String,
}

/// Fields of one connection, which each proxy writes in its own way.
const OF_CONNECTION: [&str; 6] =
    ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"];

impl Arrival {
    /// The whole ones among what a recorder noted.
    pub(super) fn all(noted: &[String]) -> Vec<Self> {
        noted.iter().filter(|text| !text.starts_with(PART)).map(|text| Self::read(text)).collect()
    }

    /// The same without a `Host` that stands for the address that an old client has connected to: HAProxy adds none.
    pub(super) fn without_own_host(&self) -> Self {
        let mut bare = self.clone();
        bare.fields.retain(|(name, value)| name != "host" || !value.starts_with("[::1]:"));
        bare
    }

    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let (line, fields) = head.split_once("\r\n").unwrap_or((head, ""));
        let mut words = line.split(' ');
        let fields: Vec<(String, String)> = fields
            .split("\r\n")
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()))
            .collect();
        let chunked = fields.iter().any(|(name, _)| name == "transfer-encoding");
        let mut arrival = Self {
            method: words.next().unwrap_or("").to_owned(),
            target: words.next().unwrap_or("").to_owned(),
            content: if chunked { decoded(body) } else { body.to_owned() },
            fields: fields.into_iter().filter(|(name, _)| !OF_CONNECTION.contains(&name.as_str())).collect(),
        };
        // Those of one name stay in order, which is all that means something (RFC 9110 §5.3).
        arrival.fields.sort_by(|a, b| a.0.cmp(&b.0));
        arrival
    }

    /// What HAProxy sent of `request`, as we would: with the target in origin form and its host for `Host`, without what
    /// `Connection` names, offers of protocols that it does not name, and names that CGI takes for those of the framing, with plain lengths and hops
    /// that are counted.
    pub(super) fn as_we_would(&self, request: &str) -> Self {
        let mut ours = self.clone();
        let absolute = ["http://", "https://"].iter().find_map(|scheme| self.target.strip_prefix(scheme));
        if let Some(rest) = absolute {
            let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            ours.target = match path {
                "" if self.method == "OPTIONS" => "*".to_owned(),
                path if path.starts_with('/') => path.to_owned(),
                query => format!("/{query}"),
            };
            ours.fields.retain(|(name, _)| name != "host");
            ours.fields.push(("host".to_owned(), host.to_owned()));
        }
        let head = request.split("\r\n\r\n").next().unwrap_or_default().to_ascii_lowercase();
        let named: Vec<&str> = head
            .split("\r\n")
            .filter_map(|line| line.strip_prefix("connection:"))
            .flat_map(|list| list.split(','))
            .map(str::trim)
            .collect();
        ours.fields.retain(|(name, _)| {
            let essential = ["host", "content-length"].contains(&name.as_str());
            let doubtful = name.contains(|char: char| !char.is_ascii_alphanumeric() && char != '-')
                && ["content-length", "transfer-encoding"]
                    .contains(&name.replace(|char: char| !char.is_ascii_alphanumeric(), "-").as_str());
            (essential || !named.contains(&name.as_str())) && !doubtful && name != "upgrade"
        });
        for (name, value) in &mut ours.fields {
            let number = value.parse::<u64>().ok();
            match (name.as_str(), number) {
                ("content-length", Some(length)) => *value = length.to_string(),
                ("max-forwards", Some(left)) if self.method == "OPTIONS" => {
                    *value = left.saturating_sub(1).to_string();
                }
                _ => {}
            }
        }
        ours.fields.sort_by(|a, b| a.0.cmp(&b.0));
        ours
    }
}

/// Whether a request has a field with a name that only resembles one of the framing. It means nothing to a server that is
/// in its senses, and those that CGI would take for one are removed.
pub(super) fn has_lookalike(request: &str) -> bool {
    let resembles = |line: &str| {
        let name = line.split(':').next().unwrap_or_default();
        ["content-length", "transfer-encoding"].iter().any(|known| {
            determine_similarity(known.as_bytes(), name.as_bytes()) == TokenSimilarity::SameLetters
        })
    };
    request.split("\r\n").any(resembles)
}

/// Content without its chunks and trailers.
fn decoded(mut body: &str) -> String {
    let mut content = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap_or(0);
        if size == 0 {
            break;
        }
        let chars: Vec<char> = rest.chars().take(size).collect();
        content.extend(&chars);
        body = &rest[chars.iter().map(|char| char.len_utf8()).sum::<usize>()..];
        body = body.strip_prefix("\r\n").unwrap_or(body);
    }
    content
}
