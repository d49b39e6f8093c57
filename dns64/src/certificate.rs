//! The certificates of `[dns64]`: read, compared with those that are served, shown.

use crate::error::Error;
use crate::metrics::Metrics;
use config::Refusal;
use config::model::Dns64;
use service::tls::{self, Bundle, Certificates};

/// The key that lists them.
const KEY: &str = "dns64.tls.certificates";

/// Every certificate that the section names.
pub(crate) fn load(dns64: &Dns64) -> Result<Vec<Bundle>, Error> {
    tls::load(&dns64.certificates).map_err(Error::Certificates)
}

/// The files that cannot be used.
pub(crate) fn refusals(dns64: &Dns64) -> Vec<Refusal> {
    tls::refusals(KEY, &dns64.certificates)
}

/// What the files say otherwise than `served`, one line each.
pub(crate) fn changed(dns64: &Dns64, served: &Certificates) -> Vec<String> {
    let Ok(bundles) = load(dns64) else {
        // What is wrong is said when they are loaded to be served.
        return vec![format!("{KEY}: a file was replaced")];
    };
    let before = served.bundles();
    let new = |bundle: &&Bundle| !before.iter().any(|before| before.is_same(bundle));
    let line = |bundle: &Bundle| format!("{KEY}: {} has another certificate", bundle.file.display());
    bundles.iter().filter(new).map(line).collect()
}

/// Says in the log and in the metrics what is served from here on.
pub(crate) fn announce(bundles: &[Bundle], metrics: &Metrics) {
    for bundle in bundles {
        bundle.announce();
    }
    metrics.connections.certificates(bundles.iter().map(|bundle| (bundle.file.as_path(), bundle.not_after)));
}
