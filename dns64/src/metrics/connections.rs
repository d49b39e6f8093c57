//! The metrics of client connections, their handshakes and the certificates shown in them.

use super::Transport;
use crate::handshake::HandshakeFailure;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TransportLabels {
    transport: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HandshakeLabels {
    transport: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CertificateLabels {
    file: String,
}

/// What is counted of connections. They are few beside queries, so counters are found by their labels.
#[derive(Debug)]
pub(crate) struct ConnectionMetrics {
    open: Family<TransportLabels, Gauge>,
    refused: Family<TransportLabels, Counter>,
    handshakes_failed: Family<HandshakeLabels, Counter>,
    certificate_expiry: Family<CertificateLabels, Gauge<f64, AtomicU64>>,
}

/// All series are there from the start, at 0.
impl Default for ConnectionMetrics {
    fn default() -> Self {
        let metrics = Self {
            open: Family::default(),
            refused: Family::default(),
            handshakes_failed: Family::default(),
            certificate_expiry: Family::default(),
        };
        for via in Transport::CONNECTED {
            drop(metrics.open.get_or_create(&labels(via)));
            drop(metrics.refused.get_or_create(&labels(via)));
        }
        for via in Transport::CONNECTED.into_iter().filter(|via| via.is_encrypted()) {
            for failure in HandshakeFailure::ALL {
                drop(metrics.handshakes_failed.get_or_create(&handshake_labels(via, failure)));
            }
        }
        metrics
    }
}

const fn labels(via: Transport) -> TransportLabels {
    TransportLabels { transport: via.label() }
}

const fn handshake_labels(via: Transport, failure: HandshakeFailure) -> HandshakeLabels {
    HandshakeLabels { transport: via.label(), reason: failure.label() }
}

impl ConnectionMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("connections", "Client connections open, by transport", self.open.clone());
        registry.register(
            "connections_refused",
            "Client connections closed at once because the listener or the client had its fill",
            self.refused.clone(),
        );
        registry.register(
            "handshakes_failed",
            "TLS handshakes that came to nothing, by reason",
            self.handshakes_failed.clone(),
        );
        registry.register(
            "certificate_expiry_timestamp_seconds",
            "When a certificate that is served ends, in Unix time",
            self.certificate_expiry.clone(),
        );
    }

    /// The open connections over `via`.
    pub(crate) fn open(&self, via: Transport) -> Gauge {
        self.open.get_or_create_owned(&labels(via))
    }

    /// Counts a connection that was closed at once.
    pub(crate) fn refused(&self, via: Transport) {
        self.refused.get_or_create(&labels(via)).inc();
    }

    /// Counts a handshake over `via` that failed.
    pub(crate) fn handshake_failed(&self, via: Transport, failure: HandshakeFailure) {
        self.handshakes_failed.get_or_create(&handshake_labels(via, failure)).inc();
    }

    /// Shows when the certificates end that are served from here on.
    pub(crate) fn certificates<'a>(&self, ends: impl Iterator<Item = (&'a Path, SystemTime)>) {
        self.certificate_expiry.clear();
        for (file, end) in ends {
            let labels = CertificateLabels { file: file.display().to_string() };
            let seconds = end.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
            self.certificate_expiry.get_or_create(&labels).set(seconds);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text;
    use std::time::Duration;

    fn shown(registry: &Registry) -> String {
        let mut out = String::new();
        text::encode(&mut out, registry).unwrap();
        out
    }

    #[test]
    fn every_transport_and_reason_has_its_series_from_the_start() {
        let (metrics, mut registry) = (ConnectionMetrics::default(), Registry::default());
        metrics.register(&mut registry);
        let out = shown(&registry);
        for via in ["tcp", "tls", "https", "quic"] {
            assert!(out.contains(&format!("connections{{transport=\"{via}\"}} 0")), "{out}");
        }
        assert!(!out.contains("handshakes_failed_total{transport=\"tcp\""), "TCP shakes no hands: {out}");
        for failure in HandshakeFailure::ALL {
            metrics.handshake_failed(Transport::Quic, failure);
            let line = format!("{{transport=\"quic\",reason=\"{}\"}} 1", failure.label());
            assert!(shown(&registry).contains(&line), "{line}");
        }
    }

    #[test]
    fn certificates_that_are_not_served_leave_no_trace() {
        let (metrics, mut registry) = (ConnectionMetrics::default(), Registry::default());
        metrics.register(&mut registry);
        let end = UNIX_EPOCH + Duration::from_secs(1000);
        metrics.certificates([(Path::new("/a.pem"), end)].into_iter());
        metrics.certificates([(Path::new("/b.pem"), end)].into_iter());
        let out = shown(&registry);
        assert!(out.contains("{file=\"/b.pem\"} 1000.0") && !out.contains("/a.pem"), "{out}");
    }
}
