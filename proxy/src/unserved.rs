//! What a valid file may ask for and causeway-proxy does not serve yet, key by key.
//!
//! A row is the refusal of one key. Whoever serves the key removes its row, and the `#` in front of it in the whole
//! file of docs/configuration.md; a test holds the two against each other.

use config::{Refusal, model};

/// A key that is not served, of what `T` is the model of.
struct Row<T: 'static> {
    /// The key in its table.
    key: &'static str,
    /// Whether anything else than what is served is asked for.
    asked: fn(&T) -> bool,
    /// What is not served, as an error names it.
    what: &'static str,
    /// What to do instead.
    help: &'static str,
}

const LISTENER: &[Row<model::Listener>] = &[Row {
    key: "tls.alpn",
    asked: |listener| {
        let offers_h2 = |tls: &model::Tls| tls.alpn.iter().any(|protocol| protocol == "h2");
        listener.mode == model::Mode::Http && listener.tls.as_ref().is_some_and(offers_h2)
    },
    what: "HTTP/2",
    help: "leave out \"h2\": clients then speak HTTP/1.1",
}];

/// Everything in the file that causeway-proxy does not serve.
pub(crate) fn refusals(model: &model::Gateway) -> Vec<Refusal> {
    let Some(proxy) = &model.proxy else { return Vec::new() };
    let mut found = Vec::new();
    for (place, listener) in proxy.listener.iter().enumerate() {
        let at = format!("proxy.listener[{place}]");
        found.extend(rows(LISTENER, &at, listener));
    }
    found
}

fn rows<T>(table: &'static [Row<T>], at: &str, model: &T) -> impl Iterator<Item = Refusal> {
    table.iter().filter(|row| (row.asked)(model)).map(move |row| Refusal {
        path: format!("{at}.{}", row.key),
        message: format!("causeway-proxy does not serve {} yet", row.what),
        help: row.help.to_owned(),
    })
}

#[cfg(test)]
mod tests;
