//! `proxy.pool.cookie` and `proxy.pool.app_cookie`.

use super::Page;
use crate::model::{AppCookie, Cookie, CookieMode};

pub(super) fn write(page: &mut Page, cookie: &Cookie) {
    page.table("proxy.pool.cookie");
    page.key("name", &cookie.name);
    page.key("mode", &cookie.mode);
    page.key("indirect", &cookie.indirect);
    page.key("preserve", &cookie.preserve);
    if cookie.mode == CookieMode::Insert {
        page.key("nocache", &cookie.nocache);
        page.key("postonly", &cookie.postonly);
        page.key("domain", &cookie.domain);
        page.key("secure", &cookie.secure);
        page.key("httponly", &cookie.httponly);
        page.optional("same_site", cookie.same_site.as_ref());
        page.optional("max_idle", cookie.max_idle.as_ref());
        page.optional("max_life", cookie.max_life.as_ref());
    }
}

pub(super) fn write_app(page: &mut Page, cookie: &AppCookie) {
    page.table("proxy.pool.app_cookie");
    page.key("name", &cookie.name);
    page.key("length", &cookie.length);
    page.key("expire", &cookie.expire);
    page.key("size", &cookie.size);
    page.key("prefix", &cookie.prefix);
    page.key("request_learn", &cookie.request_learn);
    page.optional("mode", cookie.mode.as_ref());
}
