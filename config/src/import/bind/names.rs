//! The names of named.conf's grammar that mean nothing to causeway-dns64: without them an error in spelling could not
//! be told from a directive that is not honoured. From BIND 9.18's `named.conf(5)`, and what 9.20 and 9.21 add.

/// Statements of a file, but for `acl`, `include`, `options`, `view` and `zone`.
#[rustfmt::skip]
pub(super) const TOP: &[&str] = &[
    "controls", "dlz", "dnssec-policy", "dyndb", "http", "key", "key-store", "logging", "managed-keys",
    "masters", "parental-agents", "plugin", "primaries", "remote-servers", "server", "statistics-channels",
    "template", "tls", "trust-anchors", "trusted-keys",
];

/// Clauses of `options` and `view`.
#[rustfmt::skip]
pub(super) const OPTIONS: &[&str] = &[
    "additional-from-auth", "additional-from-cache", "allow-new-zones", "allow-notify", "allow-proxy",
    "allow-proxy-on", "allow-query-cache-on", "allow-query-on", "allow-recursion-on", "allow-transfer",
    "allow-update", "allow-update-forwarding", "also-notify", "alt-transfer-source",
    "alt-transfer-source-v6", "attach-cache", "auth-nxdomain", "auto-dnssec",
    "automatic-interface-scan", "avoid-v4-udp-ports", "avoid-v6-udp-ports", "bindkeys-file",
    "cache-file", "catalog-zones", "check-dup-records", "check-integrity", "check-mx", "check-mx-cname",
    "check-names", "check-sibling", "check-spf", "check-srv-cname", "check-wildcard", "cleaning-interval",
    "clients-per-query", "cookie-algorithm", "cookie-secret", "coresize", "datasize",
    "deny-answer-addresses", "deny-answer-aliases", "dialup", "directory", "disable-algorithms",
    "disable-ds-digests", "disable-empty-zone", "dns64-contact", "dns64-server", "dnskey-sig-validity",
    "dnsrps-enable", "dnsrps-options", "dnssec-accept-expired", "dnssec-dnskey-kskonly", "dnssec-enable",
    "dnssec-loadkeys-interval", "dnssec-lookaside", "dnssec-must-be-secure", "dnssec-policy", "dnssec-secure-to-insecure",
    "dnssec-update-mode", "dnssec-validation", "dnstap", "dnstap-identity", "dnstap-output",
    "dnstap-version", "dscp", "dual-stack-servers", "dump-file", "edns-udp-size", "empty-contact",
    "empty-server", "fetch-quota-params", "fetches-per-server", "fetches-per-zone",
    "files", "filter-aaaa", "filter-aaaa-on-v4", "flush-zones-on-shutdown", "fstrm-set-buffer-hint",
    "fstrm-set-flush-timeout", "fstrm-set-input-queue-size", "fstrm-set-output-notify-threshold",
    "fstrm-set-output-queue-model", "fstrm-set-output-queue-size", "fstrm-set-reopen-interval",
    "geoip-directory", "glue-cache", "heartbeat-interval", "hostname", "http-listener-clients", "http-port",
    "http-streams-per-connection", "https-port", "interface-interval", "ipv4only-contact",
    "ipv4only-contact", "ipv4only-enable", "ipv4only-enable", "ipv4only-server", "ipv4only-server",
    "ixfr-from-differences", "keep-response-order", "key-directory", "lame-ttl", "lmdb-mapsize",
    "lock-file", "lwres", "managed-keys-directory", "masterfile-format", "masterfile-style",
    "match-mapped-addresses", "max-clients-per-query",
    "max-delegation-servers", "max-ixfr-ratio", "max-journal-size", "max-query-count", "max-query-restarts",
    "max-records", "max-records-per-type", "max-recursion-depth", "max-recursion-queries",
    "max-refresh-time", "max-retry-time", "max-rsa-exponent-size", "max-transfer-idle-in",
    "max-transfer-idle-out", "max-transfer-time-in", "max-transfer-time-out", "max-types-per-name",
    "max-udp-size", "max-zone-ttl", "memstatistics", "memstatistics-file", "message-compression",
    "min-cache-ttl", "min-ncache-ttl", "min-refresh-time", "min-retry-time", "min-transfer-rate-in",
    "minimal-any", "minimal-responses", "multi-master", "new-zones-directory", "no-case-compress",
    "nocookie-udp-size", "notify", "notify-delay", "notify-rate", "notify-source", "notify-source-v6",
    "notify-to-soa", "nsec3-test-zone", "nta-lifetime", "nta-recheck", "nxdomain-redirect",
    "parental-source", "parental-source-v6", "pid-file", "preferred-glue", "provide-ixfr",
    "qname-minimization", "query-source", "query-source-v6", "querylog", "random-device", "recursing-file",
    "recursive-clients", "request-expire", "request-ixfr", "request-nsid", "require-server-cookie",
    "reserved-sockets", "resolver-nonbackoff-tries", "resolver-query-timeout", "resolver-retry-interval",
    "resolver-use-dns64", "response-padding", "response-policy", "responselog", "reuseport",
    "root-delegation-only", "root-key-sentinel", "rrset-order", "secroots-file", "send-cookie",
    "send-report-channel", "serial-query-rate", "serial-update-method", "servfail-ttl",
    "session-keyalg", "session-keyfile", "session-keyname", "sig-signing-nodes", "sig-signing-signatures",
    "sig-signing-type", "sig-validity-interval", "sig0checks-quota", "sig0checks-quota-exempt",
    "sig0key-checks-limit", "sig0message-checks-limit", "sortlist", "stacksize",
    "stale-answer-client-timeout", "stale-answer-ttl", "stale-cache-enable", "stale-refresh-time",
    "startup-notify-rate", "statistics-file", "suppress-initial-notify",
    "synth-from-dnssec", "tcp-advertised-timeout", "tcp-clients", "tcp-idle-timeout", "tcp-initial-timeout",
    "tcp-keepalive-timeout", "tcp-listen-queue", "tcp-receive-buffer", "tcp-send-buffer", "tkey-dhkey",
    "tkey-domain", "tkey-gssapi-credential", "tkey-gssapi-keytab", "tls-port", "transfer-format",
    "transfer-message-size", "transfer-source", "transfer-source-v6", "transfers-in", "transfers-out",
    "transfers-per-ns", "trust-anchor-telemetry", "try-tcp-refresh", "udp-receive-buffer",
    "udp-send-buffer", "update-check-ksk", "update-quota", "use-alt-transfer-source", "use-v4-udp-ports",
    "use-v6-udp-ports", "v6-bias", "validate-except", "version", "zero-no-soa-ttl", "zero-no-soa-ttl-cache",
    "zone-statistics",
];

/// Clauses of a `view` besides.
#[rustfmt::skip]
pub(super) const VIEW: &[&str] = &[
    "dlz", "dyndb", "key", "managed-keys", "match-destinations", "match-recursive-only",
    "plugin", "server", "template", "trust-anchors", "trusted-keys",
];

/// Clauses of a `zone`, but for `type`, `forward` and `forwarders`.
#[rustfmt::skip]
pub(super) const ZONE: &[&str] = &[
    "allow-notify", "allow-query", "allow-query-on", "allow-transfer", "allow-update",
    "allow-update-forwarding", "also-notify", "alt-transfer-source", "alt-transfer-source-v6",
    "auto-dnssec", "check-dup-records", "check-integrity", "check-mx", "check-mx-cname", "check-names",
    "check-sibling", "check-spf", "check-srv-cname", "check-wildcard", "checkds", "database",
    "delegation-only", "dialup", "dlz", "dnskey-sig-validity", "dnssec-dnskey-kskonly",
    "dnssec-loadkeys-interval", "dnssec-policy", "dnssec-secure-to-insecure", "dnssec-update-mode", "file",
    "in-view", "initial-file", "inline-signing", "ixfr-from-differences", "journal", "key-directory",
    "log-report-channel", "masterfile-format", "masterfile-style", "masters", "max-ixfr-ratio",
    "max-journal-size", "max-records", "max-records-per-type", "max-refresh-time", "max-retry-time",
    "max-transfer-idle-in", "max-transfer-idle-out", "max-transfer-time-in", "max-transfer-time-out",
    "max-types-per-name", "max-zone-ttl", "min-refresh-time", "min-retry-time", "multi-master", "notify",
    "notify-delay", "notify-source", "notify-source-v6", "notify-to-soa", "nsec3-test-zone",
    "parental-agents", "parental-source", "parental-source-v6", "primaries", "request-expire",
    "request-ixfr", "send-report-channel", "serial-update-method", "server-addresses", "server-names",
    "sig-signing-nodes", "sig-signing-signatures", "sig-signing-type", "sig-validity-interval", "template",
    "transfer-source", "transfer-source-v6", "try-tcp-refresh", "update-check-ksk", "update-policy",
    "use-alt-transfer-source", "zero-no-soa-ttl", "zone-statistics",
];
