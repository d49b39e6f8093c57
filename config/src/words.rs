//! The words that stand for the values of choices such as `nat64.offload`.

use crate::model::{
    AdminState, AppCookieMode, Balance, CheckKind, CheckMethod, ClientAuth, Coding, CookieMode, Denied,
    Facility, ForwardedField, ForwardedFor, Hairpin, HttpReuse, HttpVersion, Level, LogFormat, Mode, Offload,
    PrivateZones, ProxyProtocol, ReverseNames, SameSite, TlsVersion, Treatment, UdpZeroChecksum,
};

/// A type whose values are words in the file.
pub(crate) trait Word: Copy + 'static {
    /// Every value with its word.
    const ALL: &'static [(&'static str, Self)];

    /// The word of a value.
    fn word(self) -> &'static str;
}

/// Writes both directions from one list; a variant that is left out does not compile.
macro_rules! words {
    ($($name:ident { $($variant:ident = $word:literal),+ })+) => { $(
        impl Word for $name {
            const ALL: &'static [(&'static str, Self)] = &[$(($word, Self::$variant)),+];

            fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    )+ };
}

words! {
    Offload { Auto = "auto", Off = "off" }
    UdpZeroChecksum { Drop = "drop", Calculate = "calculate", Forward = "forward" }
    Hairpin { Intrinsic = "intrinsic", Simple = "simple", Off = "off" }
    Denied { Refuse = "refuse", Drop = "drop" }
    PrivateZones { Auto = "auto", Forward = "forward", Local = "local" }
    Treatment { Synthesize = "synthesize", Pass = "pass" }
    ReverseNames { Cname = "cname", Direct = "direct", Off = "off" }
    Mode { Tcp = "tcp", Http = "http", Udp = "udp" }
    ForwardedField {
        Proto = "proto", Port = "port", Host = "host", RealIp = "real-ip", Forwarded = "forwarded", EmbeddedV4 = "embedded-v4"
    }
    ForwardedFor { Append = "append", Replace = "replace", Off = "off" }
    Balance {
        Roundrobin = "roundrobin", Leastconn = "leastconn", Source = "source", Random = "random", Hash = "hash"
    }
    ClientAuth { Off = "off", Optional = "optional", Required = "required" }
    TlsVersion { V1_2 = "1.2", V1_3 = "1.3" }
    Facility {
        User = "user", Mail = "mail", Daemon = "daemon", Auth = "auth", Syslog = "syslog", News = "news", Cron = "cron", Authpriv = "authpriv", Ftp = "ftp", Local0 = "local0", Local1 = "local1", Local2 = "local2", Local3 = "local3", Local4 = "local4", Local5 = "local5", Local6 = "local6", Local7 = "local7"
    }
    ProxyProtocol { Off = "off", V1 = "v1", V2 = "v2" }
    Coding { Br = "br", Zstd = "zstd", Gzip = "gzip" }
    HttpReuse { Never = "never", Safe = "safe", Aggressive = "aggressive", Always = "always" }
    HttpVersion { H1 = "h1", H2 = "h2" }
    AdminState { Ready = "ready", Drain = "drain", Maintenance = "maintenance" }
    CookieMode { Insert = "insert", Rewrite = "rewrite", Prefix = "prefix", Passive = "passive" }
    SameSite { Strict = "strict", Lax = "lax", None = "none" }
    AppCookieMode { PathParameters = "path-parameters", QueryString = "query-string" }
    CheckKind { Tcp = "tcp", Tls = "tls", Http = "http", Off = "off" }
    CheckMethod { Get = "GET", Head = "HEAD", Options = "OPTIONS" }
    Level { Error = "error", Warn = "warn", Info = "info", Debug = "debug", Trace = "trace" }
    LogFormat { Text = "text", Json = "json" }
}
