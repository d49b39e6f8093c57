//! Requests of all kinds from a seed: well-formed with odd features, and then some octets changed.

/// Makes one request after the other.
pub(super) struct Generator {
    state: u64,
}

const METHODS: &[&str] = &["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW", "get"];
const TARGETS: &[&str] = &[
    "/",
    "/a",
    "/a?b=c",
    "/a/../b",
    "//a",
    "/a%20b",
    "/%",
    "/a;b",
    "/a?b?c",
    "http://a.example/",
    "http://a.example/c?d",
    "http://b.example/",
    "http://a.example",
    "https://a.example:8443/x",
    "*",
    "a.example:80",
    "/a#b",
    "/\u{fc}",
    "/\"<>\\^`{|}",
    "ftp://a.example/",
    "/a b",
    "",
    "http://",
    "http://u@a.example/",
];
const VERSIONS: &[&str] = &[
    "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/0.9", "http/1.1",
    "HTTP/2.0",
];
const HOSTS: &[&str] = &[
    "Host: a.example\r\n",
    "Host: a.example\r\n",
    "Host: a.example\r\n",
    "Host: a.example\r\n",
    "host:a.example:80\r\n",
    "HOST: [2001:db8::1]\r\n",
    "",
    "Host:\r\n",
    "Host: a.example\r\nHost: a.example\r\n",
    "Host: a.example\r\nHost: b.example\r\n",
    "Host: a example\r\n",
    "Host: a.example/b\r\n",
    "Host: u@a.example\r\n",
    "Host: a.example:x\r\n",
];
const FIELDS: &[&str] = &[
    "Accept: */*\r\n",
    "Cookie: a=b; c=d\r\n",
    "Cookie: e=f\r\n",
    "X-A: 1\r\n",
    "X-A: 2\r\n",
    "X_A: 1\r\n",
    "X-Empty:\r\n",
    "X-Blank: \t a\tb \t\r\n",
    "X-High: \u{fc}\r\n",
    "Connection: keep-alive\r\n",
    "Connection: close\r\n",
    "Connection: X-A\r\n",
    "Connection: host\r\n",
    "Keep-Alive: timeout=5\r\n",
    "TE: trailers\r\n",
    "Upgrade: h2c\r\n",
    "Expect: nothing\r\n",
    "Max-Forwards: 5\r\n",
    "X-Fold: a\r\n b\r\n",
    "X-Space : a\r\n",
    "X-Nul: a\0\r\n",
    "X-Cr: a\rb\r\n",
    "X-Lf: a\n",
    ": nameless\r\n",
    "Nocolon\r\n",
    " X-Lead: a\r\n",
    "X(Y: a\r\n",
    "X-Control: a\u{1}b\r\n",
    "Content_Length: 3\r\n",
    "Transfer_Encoding: chunked\r\n",
    "Content-Length0: 3\r\n",
    "Trailer: X-T\r\n",
    "Range: bytes=0-1\r\n",
    "Referer: http://a.example/#b\r\n",
];
/// Framings, with content that goes with them. The first are plain.
const PLAIN: usize = 8;
const FRAMINGS: &[(&str, &str)] = &[
    ("", ""),
    ("", ""),
    ("", ""),
    ("Content-Length: 5\r\n", "hello"),
    ("Content-Length: 5\r\n", "hello"),
    ("Content-Length: 005\r\n", "hello"),
    ("Content-Length: 0\r\n", ""),
    ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
    ("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
    ("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"),
    ("Content-Length: 5, 5\r\n", "hello"),
    ("Content-Length: +5\r\n", "hello"),
    ("Content-Length:\r\n", ""),
    ("Content-Length: 5 5\r\n", "hello"),
    ("Content-Length: 0x5\r\n", "hello"),
    ("Content-Length : 5\r\n", "hello"),
    ("Content-Length: 99999999999999999999\r\n", "hello"),
    ("Transfer-Encoding: chunked\r\n", "2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\n\r\n"),
    ("Transfer-Encoding: Chunked\r\n", "005 \r\nhello\r\n0\r\nX-T: u\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\n", "5\nhello\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\n", "5;a=\"b\r\nhello\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\n", "g\r\nhello\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\n", "100000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
    ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    ("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
    ("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
    ("Transfer-Encoding: identity\r\n", ""),
    ("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
    ("Transfer-Encoding:\r\n", ""),
    ("Transfer-Encoding: \u{b}chunked\r\n", "0\r\n\r\n"),
    ("Transfer-Encoding: chunked;q=1\r\n", "0\r\n\r\n"),
];
/// What is put in the place of octets, or between them.
const ODD: &[char] = &[
    '\r', '\n', '\0', ' ', '\t', ':', ';', ',', '"', '\\', '/', '#', '%', '*', '\u{b}', '\u{7f}', '\u{80}',
    '\u{ff}', '0', '9', 'a', '-', '_',
];

impl Generator {
    pub(super) const fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    /// One request, or a little more, one character for each octet.
    pub(super) fn request(&mut self) -> String {
        // Most parts are plain, so that one odd one at a time decides.
        let method = self.plainly(METHODS, 3);
        let target = self.plainly(TARGETS, 2);
        let version = self.plainly(VERSIONS, 3);
        let host = self.plainly(HOSTS, 3);
        let known = if self.below(2) == 0 { PLAIN } else { FRAMINGS.len() };
        let (framing, content) = FRAMINGS[self.below(known)];
        let mut fields = String::new();
        for _ in 0..self.below(3) {
            fields.push_str(self.one::<&str>(FIELDS));
        }
        let mut request = if self.below(2) == 0 {
            format!("{method} {target} {version}\r\n{host}{fields}{framing}\r\n{content}")
        } else {
            format!("{method} {target} {version}\r\n{framing}{fields}{host}\r\n{content}")
        };
        if self.below(3) == 0 {
            request = self.changed(&request);
        }
        if self.below(4) == 0 {
            request.push_str("GET /next HTTP/1.1\r\nHost: a.example\r\n\r\n");
        }
        request
    }

    /// The first, most of the time.
    fn plainly(&mut self, all: &[&'static str], often: usize) -> &'static str {
        if self.below(often + 1) < often { all[0] } else { self.one::<&str>(all) }
    }

    fn changed(&mut self, request: &str) -> String {
        let mut octets: Vec<char> = request.chars().collect();
        for _ in 0..=self.below(2) {
            let at = self.below(octets.len());
            let odd = *self.one(ODD);
            match self.below(4) {
                0 => octets.insert(at, odd),
                1 => octets[at] = odd,
                2 => drop(octets.remove(at)),
                _ => {
                    let twice = octets[at];
                    octets.insert(at, twice);
                }
            }
        }
        octets.into_iter().collect()
    }

    fn one<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    /// xorshift64.
    fn below(&mut self, bound: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from((self.state >> 11) % bound as u64).expect("below a usize")
    }
}
