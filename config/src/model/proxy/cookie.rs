//! `proxy.pool.cookie` and `proxy.pool.app_cookie`: clients that come back to their member by a cookie.

use std::time::Duration;

/// `proxy.pool.cookie`: a cookie that names the member.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one field per key of the file")]
pub struct Cookie {
    /// `name`: a token (RFC 6265 §4.1.1).
    pub name: String,
    /// `mode`.
    pub mode: CookieMode,
    /// `indirect`: members do not see it, and clients that come with it get none; never with [`CookieMode::Rewrite`].
    pub indirect: bool,
    /// `preserve`: what a member sets under the name stays.
    pub preserve: bool,
    /// `nocache`: no shared cache keeps an answer that sets it.
    pub nocache: bool,
    /// `postonly`: set on answers to POST alone.
    pub postonly: bool,
    /// `domain`: its attributes `Domain`, in this order; each a name, perhaps with a dot in front.
    pub domain: Vec<String>,
    /// `secure`: its attribute.
    pub secure: bool,
    /// `httponly`: its attribute.
    pub httponly: bool,
    /// `same_site`: its attribute.
    pub same_site: Option<SameSite>,
    /// `max_idle`, whole seconds: for how long after the last request it counts.
    pub max_idle: Option<Duration>,
    /// `max_life`, whole seconds: for how long after the first request it counts.
    pub max_life: Option<Duration>,
}

impl Cookie {
    /// A cookie of this mode with the default of every other key.
    pub fn new(name: impl Into<String>, mode: CookieMode) -> Self {
        Self {
            name: name.into(),
            mode,
            indirect: false,
            preserve: false,
            nocache: false,
            postonly: false,
            domain: Vec::new(),
            secure: false,
            httponly: false,
            same_site: None,
            max_idle: None,
            max_life: None,
        }
    }
}

/// `proxy.pool.cookie.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieMode {
    /// The proxy sets a cookie of its own.
    Insert,
    /// The value of a cookie that members set becomes the name of the member.
    Rewrite,
    /// The name of the member stands ahead of the value of a cookie that members set.
    Prefix,
    /// The value of a cookie that members set is the name of the member already.
    Passive,
}

/// `proxy.pool.cookie.same_site`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SameSite {
    /// `SameSite=Strict`.
    Strict,
    /// `SameSite=Lax`.
    Lax,
    /// `SameSite=None`, which browsers take with `Secure` alone.
    None,
}

/// `proxy.pool.app_cookie`: a cookie of the application, whose values the proxy remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppCookie {
    /// `name`: a token (RFC 6265 §4.1.1), or how names begin.
    pub name: String,
    /// `length`: octets of a value that tell one from another, 1 to 1024.
    pub length: u16,
    /// `expire`: for how long after the last request a value is remembered.
    pub expire: Duration,
    /// `size`: values that are remembered, 1 to ten million.
    pub size: u32,
    /// `prefix`: `name` is how names begin, and what follows in the name belongs to the value.
    pub prefix: bool,
    /// `request_learn`: values that clients bring are remembered as well.
    pub request_learn: bool,
    /// `mode`: where the value is looked for beside the cookies.
    pub mode: Option<AppCookieMode>,
}

impl AppCookie {
    /// Whether a cookie of this name is the one.
    pub fn is_called(&self, name: &str) -> bool {
        if self.prefix { name.starts_with(&self.name) } else { name == self.name }
    }
}

/// `proxy.pool.app_cookie.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppCookieMode {
    /// `/page;name=value`.
    PathParameters,
    /// `/page?name=value`.
    QueryString,
}
