//! The proxy's cookies beside those of Debian's haproxy: the same requests and answers through both.

use crate::backend::Backend;
use crate::cookies::{Exchange, ask, member};
use crate::foreign::{HAPROXY, Program};
use crate::gateway::{Config, Gateway, free_port, v4, v6};
use crate::log::Receiver;
use crate::versions::{Speaker, Version, Way};
use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// The words of haproxy, and the keys that say the same.
const KINDS: [(&str, &str); 18] = [
    ("insert", ""),
    ("insert indirect", "indirect = true"),
    ("insert indirect nocache", "indirect = true, nocache = true"),
    ("insert postonly", "postonly = true"),
    ("insert preserve", "preserve = true"),
    ("insert indirect preserve", "indirect = true, preserve = true"),
    (
        "insert domain a.example domain .b.example httponly secure attr SameSite=Lax",
        "domain = [\"a.example\", \".b.example\"], httponly = true, secure = true, same_site = \"lax\"",
    ),
    ("insert indirect maxidle 30m", "indirect = true, max_idle = \"30m\""),
    ("insert maxlife 8h", "max_life = \"8h\""),
    ("insert maxidle 30m maxlife 8h", "max_idle = \"30m\", max_life = \"8h\""),
    ("rewrite", "mode = \"rewrite\""),
    ("prefix", "mode = \"prefix\""),
    ("prefix indirect", "mode = \"prefix\", indirect = true"),
    ("prefix indirect preserve", "mode = \"prefix\", indirect = true, preserve = true"),
    ("insert indirect postonly nocache", "indirect = true, postonly = true, nocache = true"),
    ("", "mode = \"passive\""),
    ("indirect", "mode = \"passive\", indirect = true"),
    ("indirect preserve", "mode = \"passive\", indirect = true, preserve = true"),
];

/// `Cookie` fields that clients may send. `LAST`, `EARLY` and `LATE` stand for times.
const COOKIES: [&str; 29] = [
    "",
    "Cookie: a=1\r\n",
    "Cookie: SRV=s1\r\n",
    "Cookie: SRV=s2\r\n",
    "Cookie: SRV=s3\r\n",
    "Cookie: SRV=s9\r\n",
    "Cookie: SRV=\r\n",
    "Cookie: SRV\r\n",
    "Cookie: a=1; SRV=s2; b=2\r\n",
    "Cookie: SRV=s2; a=1\r\n",
    "Cookie: a=1; SRV=s2\r\n",
    "Cookie: a=1\r\nCookie: SRV=s2\r\nCookie: b=2\r\n",
    "Cookie: a=1, SRV=s2, b=2\r\n",
    "Cookie: SRV=s3; SRV=s2\r\n",
    "Cookie: SRV=s2; SRV=s3; a=1\r\n",
    "Cookie: $Version=1; SRV=s2; $Path=/; a=1; $Path=/\r\n",
    "Cookie: a=\"1; SRV=s1\"; SRV=s2; b=\"\\\";2\"\r\n",
    "Cookie: srv=s2; SRVX=s2; XSRV=s2\r\n",
    "Cookie: SRV=s2;\r\n",
    "Cookie: a=; SRV=s2; =b; c\r\n",
    "Cookie: SRV=s2~abc; a=1\r\n",
    "Cookie: a=1; SRV=s3~abc~d\r\n",
    "Cookie: SRV=~abc\r\n",
    "Cookie: SRV=s2|LAST\r\n",
    "Cookie: SRV=s2|LAST|LAST; a=1\r\n",
    "Cookie: SRV=s2|EARLY|LAST\r\n",
    "Cookie: SRV=s2|LAST|EARLY\r\n",
    "Cookie: SRV=s2|LATE\r\n",
    "Cookie: SRV=s2|x|LAST\r\n",
];

/// What members add to their answers.
const ANSWERS: [&str; 5] = [
    "",
    "Set-Cookie: SRV=abc; Path=/",
    "Set-Cookie: a=1; Path=/||Set-Cookie: SRV=\"x;y\"; Expires=Thu, 01-Jan-1970 00:00:01 GMT||Set-Cookie: SRV=z",
    "Set-Cookie: SRV=; Max-Age=0",
    "Set-Cookie: SRVX=1||Set-Cookie: srv=2||Set-Cookie: SRV",
];

/// A time as haproxy writes it into cookies.
fn date(seconds: u64) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |place: u64| char::from(DIGITS[usize::try_from((seconds / 4) >> (6 * place) & 63).unwrap()]);
    (0..5).rev().map(digit).collect()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// The same without the times of this moment, which may change between two answers.
fn timeless(mut seen: Exchange, from: u64) -> Exchange {
    for field in &mut seen.set {
        for moment in (from..=now() + 4).step_by(4).chain([now() + 4]) {
            *field = field.replace(&format!("|{}", date(moment)), "|NOW");
        }
    }
    seen
}

/// Cookies of several fields as one field has them.
fn joined(fields: Vec<String>) -> Vec<String> {
    if fields.is_empty() { fields } else { vec![fields.join("; ")] }
}

/// What lines of both logs say of a request: states with the letters of cookies, and what was asked.
const LINE: &str = "%tsc %ST %HM";

/// What stands behind the envelope of the next line.
fn told(receiver: &Receiver) -> String {
    let line = receiver.next();
    line.split_once("]: ").map_or(line.clone(), |(_, text)| text.trim_end().to_owned())
}

/// Where the lines of both come.
struct Logs {
    theirs: Receiver,
    ours: Receiver,
}

/// One kind of cookie in front of the same members, in both programs.
struct Pair {
    words: &'static str,
    keys: &'static str,
    /// What names the first member.
    first: &'static str,
    theirs: u16,
    ours: u16,
}

impl Pair {
    /// Each kind, and each with a first member that has no name.
    fn all() -> Vec<Self> {
        let pair = |first| {
            move |(words, keys): &(&'static str, &'static str)| Self {
                words,
                keys,
                first,
                theirs: free_port(),
                ours: free_port(),
            }
        };
        KINDS.iter().map(pair("s1")).chain(KINDS.iter().map(pair(""))).collect()
    }

    fn names(&self) -> [&'static str; 3] {
        [self.first, "s2", "s3"]
    }

    /// New clients come to the first member, and the last takes nobody.
    fn haproxy(&self, members: &[Backend]) -> String {
        let Self { words, theirs, .. } = self;
        let mut section = format!(
            "listen l{theirs}\n mode http\n log global\n log-format '{LINE}'\n bind 127.0.0.1:{theirs}\n cookie SRV {words}\n"
        );
        let states = ["", "weight 0", "disabled"];
        for (place, ((member, name), more)) in members.iter().zip(self.names()).zip(states).enumerate() {
            let cookie = if name.is_empty() { String::new() } else { format!("cookie {name}") };
            writeln!(section, " server m{place} {} {cookie} {more}", member.address).unwrap();
        }
        section
    }

    fn gateway(&self, config: Config, members: &[Backend]) -> Config {
        let state = ["", "weight = 0", "state = \"maintenance\""];
        let lines = self.names().into_iter().zip(state).map(|(name, state)| match name {
            "" => state.to_owned(),
            name => format!("cookie = \"{name}\"\n{state}"),
        });
        let lines: Vec<_> = lines.collect();
        let list: Vec<_> =
            members.iter().zip(&lines).map(|(member, lines)| (member.address, lines.as_str())).collect();
        let pool = format!("p{}", self.ours);
        let keys = if self.keys.is_empty() { String::new() } else { format!(", {}", self.keys) };
        let cookie = format!("check = {{ kind = \"off\" }}\ncookie = {{ name = \"SRV\"{keys} }}");
        config.listener(&pool, "http", self.ours, &pool, "").pool_of(&pool, &cookie, &list)
    }

    /// What differs of all requests and answers, and how many there were.
    fn compare(&self, front: Version, logs: &Logs) -> (String, usize) {
        let mut theirs = Speaker::connect(Version::One, v4(self.theirs));
        let mut ours = Speaker::connect(front, v6(self.ours));
        let (mut differences, mut count) = (String::new(), 0);
        for cookie in COOKIES {
            let (start, mut asked) = (now() / 4 * 4, Vec::new());
            let cookie = cookie
                .replace("LAST", &date(start - 60))
                .replace("EARLY", &date(start - 9 * 3600))
                .replace("LATE", &date(start + 200_000));
            for (answer, method) in ANSWERS.iter().flat_map(|answer| [(answer, "GET /"), (answer, "POST /")])
            {
                let lines = format!("{cookie}X-Answer: ETag: \"a\"||{answer}\r\n").replace("||\r", "\r");
                let mut theirs = timeless(ask(&mut theirs, method, &lines), start);
                let ours = timeless(ask(&mut ours, method, &lines), start);
                let sets = ours.set.iter().any(|field| field.contains("; path=/"));
                if method.starts_with("POST") && self.words.contains("nocache") && sets {
                    // Theirs leaves it out where no cache would store the answer by itself.
                    theirs.cached.push("private".to_owned());
                }
                if front == Version::Two {
                    // Fields of HTTP/2 are one field of HTTP/1.1 (RFC 9113 §8.2.3).
                    theirs.asked = joined(theirs.asked);
                }
                if theirs != ours {
                    writeln!(differences, "{}: {method} {lines}{theirs:?}\n{ours:?}", self.words).unwrap();
                }
                count += 1;
                asked.push(format!("{method} {lines}"));
            }
            // The log gathers lines for a moment: they are read together.
            for asked in asked {
                let (theirs, ours) = (told(&logs.theirs), told(&logs.ours));
                if theirs != ours {
                    writeln!(differences, "{}: {asked}{theirs}\n{ours}", self.words).unwrap();
                }
            }
        }
        (differences, count)
    }
}

#[test]
fn the_same_cookies_go_through_haproxy_and_us() {
    // Theirs speaks to the same members.
    let way = Way { front: Version::One, back: Version::One };
    let (members, pairs) = (["s1", "s2", "s3"].map(|name| member(way, name)), Pair::all());
    let logs = Logs { theirs: Receiver::new(), ours: Receiver::new() };
    let file = pairs.iter().map(|pair| pair.haproxy(&members)).collect::<String>();
    let Some(_haproxy) = Program::start(
        "haproxy",
        &format!("global\n log {} local0\n{HAPROXY} option dontlognull\n{file}", logs.theirs.address()),
        pairs[0].theirs,
    ) else {
        return;
    };
    let config = |config, pair: &Pair| pair.gateway(config, &members);
    let log = format!(
        "workers = 1\nlog = {{ format = 'custom:{LINE}', to = \"udp://{}\", tag = \"haproxy\" }}",
        logs.ours.address()
    );
    let _gateway = Gateway::start(&pairs.iter().fold(Config::new(&log), config));
    let fronts = [Version::One, Version::Two];
    let compared = fronts.into_iter().flat_map(|front| pairs.iter().map(move |pair| (front, pair)));
    let (differences, counts): (String, Vec<_>) =
        compared.map(|(front, pair)| pair.compare(front, &logs)).unzip();
    assert!(differences.is_empty(), "of {}:\n{differences}", counts.iter().sum::<usize>());
}
