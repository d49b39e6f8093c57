//! `[[proxy.listener.rule]]`: what becomes of some of the requests.

use super::{Auth, Pattern, Rate, ServerName, Substitution, Template};
use ipnet::IpNet;
use std::fmt;
use std::net::Ipv6Addr;

/// One `[[proxy.listener.rule]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// `name`: no other rule of the listener has the same.
    pub name: Option<String>,
    /// The conditions, all of which must hold.
    pub when: Conditions,
    /// `rate`: how many requests pass.
    pub rate: Option<Rate>,
    /// `auth`: who may pass.
    pub auth: Option<Auth>,
    /// `request_path`: what changes in the path on its way to a member, in order.
    pub request_path: Vec<PathEdit>,
    /// `request_query`: what changes behind the question mark, in order.
    pub request_query: Vec<QueryEdit>,
    /// `request_headers`: what changes in requests on their way to a member, in order.
    pub request_headers: Vec<HeaderEdit>,
    /// `response_headers`: what changes in answers, in order.
    pub response_headers: Vec<HeaderEdit>,
    /// What ends the search for a rule; present, unless the rule edits something or holds something up.
    pub action: Option<RuleAction>,
}

/// The conditions of a rule: of each list one element must fit, and an empty list fits always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// `host`.
    pub host: Vec<HostPattern>,
    /// `path`: the whole path, decoded; begins with a slash.
    pub path: Vec<String>,
    /// `path_prefix`: how the path begins; begins with a slash.
    pub path_prefix: Vec<String>,
    /// `path_suffix`: how the path ends; not empty.
    pub path_suffix: Vec<String>,
    /// `path_regex`: what is found in the path, decoded.
    pub path_regex: Vec<Pattern>,
    /// `method`: tokens in capitals.
    pub method: Vec<String>,
    /// `header`, by name; every one must fit.
    pub header: Vec<HeaderCondition>,
    /// `sni`.
    pub sni: Vec<ServerName>,
    /// `source`.
    pub source: Vec<IpNet>,
}

/// A host that requests may be for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// A name, or all names below one. IPv4 addresses are names of this kind.
    Name(ServerName),
    /// An address.
    V6(Ipv6Addr),
}

/// As the file writes it.
impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

/// One entry of `header`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderCondition {
    /// The name: a token in lower case.
    pub name: String,
    /// What is wanted of it.
    pub wanted: Wanted,
}

/// What is wanted of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// That it is there, or that it is not.
    Presence(bool),
    /// That one of its lines has this value.
    Value(String),
    /// That this is found in one of its lines.
    Pattern(Pattern),
}

/// One element of `request_path`. Paths begin with a slash and are decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathEdit {
    /// `set`: this path, without `{uri}`; begins with a slash or `{path}`.
    Set(Template),
    /// `add_prefix`: this path goes ahead.
    AddPrefix(String),
    /// `strip_prefix`: these whole segments go.
    StripPrefix(String),
    /// `replace`, of the path with its percent signs.
    Replace(Substitution),
}

/// One element of `request_query`. Names are decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryEdit {
    /// `set`: one parameter of this name stands, whatever stood before.
    Set(String, Template),
    /// `add`: another parameter of this name.
    Add(String, Template),
    /// `delete`: no parameter of this name stands, or of those that begin like it if it ends in `*`.
    Delete(String),
    /// `replace`, of the query with its percent signs.
    Replace(Substitution),
}

/// One element of `request_headers` and `response_headers`. Names are tokens in lower case, of none that frames a
/// message; `host` in [`HeaderEdit::Set`] of requests alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderEdit {
    /// `set`: one line of this name stands, whatever stood before.
    Set(String, Template),
    /// `add`: another line of this name.
    Add(String, Template),
    /// `delete`: no line of this name stands.
    Delete(String),
    /// `replace`: in each line of this name.
    Replace(String, Substitution),
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleAction {
    /// `pool`: the name of an existing pool.
    Pool(String),
    /// `redirect`.
    Redirect(Redirect),
    /// `deny`: a status of 400 to 599.
    Deny(u16),
    /// `answer`.
    Answer(FixedAnswer),
}

/// `proxy.listener.rule.redirect`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// `to`: an http address or a path.
    pub to: Template,
    /// `status`: 301, 302, 303, 307 or 308.
    pub status: u16,
}

/// `proxy.listener.rule.answer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedAnswer {
    /// `status`, 200 to 599.
    pub status: u16,
    /// `content_type`: visible ASCII and inner blanks.
    pub content_type: String,
    /// `body`: empty where the status has none.
    pub body: String,
}

impl Rule {
    /// The pool that requests go to, if it is that what becomes of them.
    pub const fn pool(&self) -> Option<&String> {
        if let Some(RuleAction::Pool(pool)) = &self.action { Some(pool) } else { None }
    }

    /// Where clients are sent, if it is that.
    pub const fn redirect(&self) -> Option<&Redirect> {
        if let Some(RuleAction::Redirect(redirect)) = &self.action { Some(redirect) } else { None }
    }

    /// The status that requests are refused with, if it is that.
    pub const fn deny(&self) -> Option<&u16> {
        if let Some(RuleAction::Deny(status)) = &self.action { Some(status) } else { None }
    }

    /// The answer, if it is that.
    pub const fn answer(&self) -> Option<&FixedAnswer> {
        if let Some(RuleAction::Answer(answer)) = &self.action { Some(answer) } else { None }
    }
}
