//! A line of the log, as HAProxy's `log-format` writes it: texts and fields that each record fills.

use std::fmt;
use std::str::FromStr;

/// A line with fields: `%ci:%cp [%tr] %ft %{+Q}r`.
#[derive(Clone, Debug)]
pub struct LogLine {
    text: String,
    parts: Vec<LogPart>,
}

/// One part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogPart {
    /// Stands as it is; not empty, and without white space.
    Text(String),
    /// One space, unless nothing has been written since the last one.
    Space,
    /// Is filled.
    Field(LogField, LogStyle),
}

/// How a field is written that is a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogStyle {
    /// In double quotes: `%{+Q}`.
    pub quoted: bool,
    /// With a backslash before `"`, `\` and `]`: `%{+E}`.
    pub escaped: bool,
}

/// Writes the fields and their names from one list.
macro_rules! fields {
    ($($(#[$doc:meta])+ $variant:ident = $name:literal),+ $(,)?) => {
        /// What a field is filled with. Times are in milliseconds, and -1 where they do not apply.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum LogField { $($(#[$doc])+ $variant),+ }

        impl LogField {
            /// All, by the names that HAProxy has for them.
            pub const ALL: &[(&'static str, Self)] = &[$(($name, Self::$variant)),+];
        }
    };
}

fields! {
    /// Octets to the client.
    BytesSent = "B",
    /// The captured cookie of the request.
    RequestCookie = "CC",
    /// The captured cookie of the response.
    ResponseCookie = "CS",
    /// The method.
    Method = "HM",
    /// The target without its query.
    Path = "HP",
    /// The query with its question mark.
    Query = "HQ",
    /// The target.
    Target = "HU",
    /// The version of HTTP.
    Version = "HV",
    /// The status of the response.
    Status = "ST",
    /// When the connection was accepted or the response before ended, in UTC.
    GmtDate = "T",
    /// From the first octet of the request to the last of the response.
    ActiveTime = "Ta",
    /// From the place at a member to the connection.
    ConnectTime = "Tc",
    /// From the head of the response to its end.
    DataTime = "Td",
    /// From the accept to the end of handshakes.
    HandshakeTime = "Th",
    /// From there to the first octet of the request.
    IdleTime = "Ti",
    /// As `GmtDate`, by the clocks of the machine.
    LocalDate = "Tl",
    /// From the accept to the end of the request's head.
    RequestTime = "Tq",
    /// From the first octet of the request to the end of its head.
    ReceiveTime = "TR",
    /// From the connection to the head of the response.
    ResponseTime = "Tr",
    /// As `GmtDate`, in seconds since 1970.
    Timestamp = "Ts",
    /// From the accept to the end.
    TotalTime = "Tt",
    /// From the end of the head to a place at a member.
    QueueTime = "Tw",
    /// Octets from the client.
    BytesReceived = "U",
    /// Connections of the process.
    ProcessConnections = "ac",
    /// The pool.
    Pool = "b",
    /// What the pool has under way.
    PoolConnections = "bc",
    /// This side's address of the connection to the member.
    OutgoingAddress = "bi",
    /// This side's port of the connection to the member.
    OutgoingPort = "bp",
    /// Those who were served from the pool's queue meanwhile.
    PoolQueue = "bq",
    /// The client's address.
    ClientAddress = "ci",
    /// The client's port.
    ClientPort = "cp",
    /// The listener.
    Listener = "f",
    /// Connections of the listener.
    ListenerConnections = "fc",
    /// The address that the client connected to.
    ListenerAddress = "fi",
    /// The port that the client connected to.
    ListenerPort = "fp",
    /// The listener, with `~` where TLS ends there.
    ListenerTransport = "ft",
    /// Captured fields of the request.
    RequestFields = "hr",
    /// Captured fields of the response.
    ResponseFields = "hs",
    /// The milliseconds of `GmtDate`, in three digits.
    Milliseconds = "ms",
    /// The process.
    Process = "pid",
    /// The request line.
    RequestLine = "r",
    /// Attempts to connect after the first, with `+` if one went to another member.
    Retries = "rc",
    /// The member.
    Member = "s",
    /// What the member has under way.
    MemberConnections = "sc",
    /// The member's address.
    MemberAddress = "si",
    /// The member's port.
    MemberPort = "sp",
    /// Those who were served from the member's queue meanwhile.
    MemberQueue = "sq",
    /// The cipher of the client's TLS.
    TlsCipher = "sslc",
    /// The version of the client's TLS.
    TlsVersion = "sslv",
    /// When the connection was accepted or the response before ended, with milliseconds.
    Date = "t",
    /// When the first octet of the request came, with milliseconds.
    RequestDate = "tr",
    /// The same, in UTC.
    GmtRequestDate = "trg",
    /// The same, by the clocks of the machine.
    LocalRequestDate = "trl",
    /// How it ended, in two characters.
    State = "ts",
    /// The same with what cookies did, in four.
    FullState = "tsc",
}

/// Why a text is no line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogLineError {
    /// Nothing stands there.
    #[error("the line is empty")]
    Empty,
    /// No name of a field follows.
    #[error("a % stands alone")]
    Lone,
    /// A field that nobody knows.
    #[error("there is no field %{0}")]
    Unknown(String),
    /// A sample fetch.
    #[error("expressions such as %[src] are not known here")]
    Expression,
    /// Flags without their end.
    #[error("a %{{ has no }}")]
    Open,
    /// A flag that nobody knows.
    #[error("there is no flag {0:?}")]
    Flag(char),
    /// A character that would break the line.
    #[error("the line has a control character")]
    Control,
}

impl LogLine {
    /// HAProxy's `option tcplog`.
    pub const TCPLOG: &str = "%ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %B %ts %ac/%fc/%bc/%sc/%rc %sq/%bq";
    /// HAProxy's `option httplog`.
    pub const HTTPLOG: &str = "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r";

    /// The parts; no two texts and no two spaces stand side by side.
    pub fn parts(&self) -> &[LogPart] {
        &self.parts
    }

    fn space(&mut self) {
        if self.parts.last() != Some(&LogPart::Space) {
            self.parts.push(LogPart::Space);
        }
    }

    fn letter(&mut self, letter: char) {
        match self.parts.last_mut() {
            Some(LogPart::Text(text)) => text.push(letter),
            _ => self.parts.push(LogPart::Text(letter.into())),
        }
    }
}

impl FromStr for LogLine {
    type Err = LogLineError;

    fn from_str(text: &str) -> Result<Self, LogLineError> {
        let mut line = Self { text: text.to_owned(), parts: Vec::new() };
        let mut common = LogStyle::default();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let behind = &rest[first.len_utf8()..];
            rest = match first {
                '%' => field(&mut line, &mut common, behind)?,
                ' ' | '\t' => {
                    line.space();
                    behind
                }
                _ if first.is_control() => return Err(LogLineError::Control),
                _ => {
                    line.letter(first);
                    behind
                }
            };
        }
        if line.parts.iter().all(|part| *part == LogPart::Space) {
            return Err(LogLineError::Empty);
        }
        Ok(line)
    }
}

/// Reads what follows a `%`, and returns what follows that. `common` is the style of fields that name none.
fn field<'a>(line: &mut LogLine, common: &mut LogStyle, rest: &'a str) -> Result<&'a str, LogLineError> {
    if let Some(rest) = rest.strip_prefix('%') {
        line.letter('%');
        return Ok(rest);
    }
    let (style, rest) = match rest.strip_prefix('{') {
        None => (*common, rest),
        Some(flags) => {
            let (flags, rest) = flags.split_once('}').ok_or(LogLineError::Open)?;
            (style(*common, flags)?, rest)
        }
    };
    if rest.starts_with('[') {
        return Err(LogLineError::Expression);
    }
    let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    match name {
        "" => return Err(LogLineError::Lone),
        // Is nothing but the style of those that follow.
        "o" => *common = style,
        _ => {
            let field = LogField::ALL.iter().find(|(known, _)| *known == name);
            let (_, field) = field.ok_or_else(|| LogLineError::Unknown(name.to_owned()))?;
            line.parts.push(LogPart::Field(*field, style));
        }
    }
    Ok(rest)
}

/// `+Q,-E`
fn style(common: LogStyle, flags: &str) -> Result<LogStyle, LogLineError> {
    let (mut style, mut on) = (common, true);
    for flag in flags.chars() {
        match flag {
            '+' => on = true,
            '-' => on = false,
            ',' => {}
            'Q' => style.quoted = on,
            'E' => style.escaped = on,
            _ => return Err(LogLineError::Flag(flag)),
        }
    }
    Ok(style)
}

/// As the file writes it.
impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The text is all there is to a line.
impl PartialEq for LogLine {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for LogLine {}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: LogStyle = LogStyle { quoted: false, escaped: false };
    const QUOTED: LogStyle = LogStyle { quoted: true, escaped: false };

    fn check(text: &str, expect: &Result<&[LogPart], LogLineError>) {
        let line: Result<LogLine, _> = text.parse();
        assert_eq!(line.as_ref().map(LogLine::parts).map_err(Clone::clone), *expect, "{text}");
        assert!(line.is_err() || line.is_ok_and(|line| line.to_string() == text), "{text}");
    }

    fn text(text: &str) -> LogPart {
        LogPart::Text(text.to_owned())
    }

    #[test]
    fn lines_are_texts_spaces_and_fields() {
        use LogField::{ClientAddress, ClientPort, FullState, Member, Pool, RequestLine, State};
        use LogPart::{Field, Space};
        check("%ci:%cp", &Ok(&[Field(ClientAddress, PLAIN), text(":"), Field(ClientPort, PLAIN)]));
        check("a  %b/%s", &Ok(&[text("a"), Space, Field(Pool, PLAIN), text("/"), Field(Member, PLAIN)]));
        check("100%% %ts%tsc", &Ok(&[text("100%"), Space, Field(State, PLAIN), Field(FullState, PLAIN)]));
        check("%{+Q}r", &Ok(&[Field(RequestLine, QUOTED)]));
    }

    #[test]
    fn flags_hold_for_one_field_or_for_all_that_follow() {
        use LogField::{Member, Pool, RequestLine};
        use LogPart::Field;
        let both = LogStyle { quoted: true, escaped: true };
        let escaped = LogStyle { quoted: false, escaped: true };
        check("%{+Q}b%s", &Ok(&[Field(Pool, QUOTED), Field(Member, PLAIN)]));
        check("%{+Q}o%b%{-Q}s", &Ok(&[Field(Pool, QUOTED), Field(Member, PLAIN)]));
        check("%{+Q}o%{+E}r", &Ok(&[Field(RequestLine, both)]));
        check("%{+Q,-Q,+E}r", &Ok(&[Field(RequestLine, escaped)]));
    }

    #[test]
    fn what_is_no_line_is_refused() {
        check("", &Err(LogLineError::Empty));
        check("  ", &Err(LogLineError::Empty));
        check("%{+Q}o", &Err(LogLineError::Empty));
        check("a%", &Err(LogLineError::Lone));
        check("% b", &Err(LogLineError::Lone));
        check("%TRx", &Err(LogLineError::Unknown("TRx".to_owned())));
        check("%[src]", &Err(LogLineError::Expression));
        check("%{+Q}[src]", &Err(LogLineError::Expression));
        check("%{+Qr", &Err(LogLineError::Open));
        check("%{+X}ci", &Err(LogLineError::Flag('X')));
        check("a\nb", &Err(LogLineError::Control));
    }

    #[test]
    fn the_lines_of_haproxy_are_lines() {
        for text in [LogLine::TCPLOG, LogLine::HTTPLOG] {
            assert!(text.parse::<LogLine>().is_ok(), "{text}");
        }
    }
}
