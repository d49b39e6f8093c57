//! Files of htpasswd: a name, a colon and a hash on each line. Pure.
//!
//! Only hashes that take work to try are read: bcrypt and SHA-crypt. Any other kind is a fault of its line, since a
//! copy of the file would give the passwords away.

use sha_crypt::{PasswordVerifier, ShaCrypt};
use std::collections::HashMap;

/// The longest name, in octets: that of a system account, eight times over.
const LONGEST_NAME: usize = 255;
/// The costs of bcrypt: beyond 14 one check takes seconds.
const COSTS: std::ops::RangeInclusive<u32> = 4..=14;
/// The rounds of SHA-crypt that take about as long.
const MOST_ROUNDS: u32 = 1_000_000;

/// A hash as the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Bcrypt(String),
    Sha(String),
}

/// What is wrong with one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct LineFault {
    /// Counted from 1.
    pub line: usize,
    /// What, with the remedy.
    pub what: String,
}

/// What a hash begins with that is not read, and what it is.
const WEAK: [(&str, &str); 5] = [
    ("$apr1$", "of MD5"),
    ("$1$", "of MD5"),
    ("{SHA}", "of SHA-1, which is quickly tried"),
    ("{SSHA}", "of SHA-1, which is quickly tried"),
    ("$2x$", "of a faulty bcrypt"),
];

/// The hashes by name.
pub(super) fn read(text: &str) -> Result<HashMap<String, Hash>, LineFault> {
    let mut users = HashMap::new();
    for (place, line) in text.lines().enumerate() {
        let fault = |what: String| LineFault { line: place + 1, what };
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, rest) = line.split_once(':').ok_or_else(|| {
            fault("there is no colon; a line is NAME:HASH, as htpasswd -B writes it".to_owned())
        })?;
        if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
            return Err(fault("the name must have 1 to 255 octets without control characters".to_owned()));
        }
        // Some programs write remarks behind a further colon.
        let hash = rest.split(':').next().unwrap_or_default().trim_end();
        let hash = Hash::read(hash).map_err(|what| fault(format!("the password of {name:?} is {what}")))?;
        if users.insert(name.to_owned(), hash).is_some() {
            return Err(fault(format!("{name:?} has a line already; remove one of them")));
        }
    }
    if users.is_empty() {
        return Err(LineFault {
            line: 1,
            what: "nobody stands in it; add somebody with htpasswd -B".to_owned(),
        });
    }
    Ok(users)
}

impl Hash {
    fn read(text: &str) -> Result<Self, String> {
        let anew = "set it anew with htpasswd -B";
        if let Some((_, kind)) = WEAK.iter().find(|(prefix, _)| text.starts_with(prefix)) {
            return Err(format!("a hash {kind}; {anew}"));
        }
        if ["$2y$", "$2b$", "$2a$"].iter().any(|prefix| text.starts_with(prefix)) {
            let parts: bcrypt::HashParts =
                text.parse().map_err(|_| format!("a broken hash of bcrypt; {anew}"))?;
            return if COSTS.contains(&parts.get_cost()) {
                Ok(Self::Bcrypt(text.to_owned()))
            } else {
                Err(format!("a hash of bcrypt whose cost is not one of 4 to 14; {anew}"))
            };
        }
        for (prefix, length) in [("$5$", 43), ("$6$", 86)] {
            if let Some(rest) = text.strip_prefix(prefix) {
                return if is_sha(rest, length) {
                    Ok(Self::Sha(text.to_owned()))
                } else {
                    Err(format!(
                        "a broken hash of SHA-crypt, or one of less than 1,000 or more than 1,000,000 rounds; {anew}"
                    ))
                };
            }
        }
        Err(format!("plain, or of a kind that is not read; {anew}"))
    }

    /// Whether this is the password. The time depends on the kind and the cost of the hash, and on the length of the
    /// password.
    pub(super) fn fits(&self, password: &[u8]) -> bool {
        match self {
            Self::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
            Self::Sha(hash) => ShaCrypt::SHA512.verify_password(password, hash.as_str()).is_ok(),
        }
    }
}

/// `[rounds=N$]SALT$HASH`, with a hash of this many characters.
fn is_sha(rest: &str, length: usize) -> bool {
    let (rounds, rest) = match rest.strip_prefix("rounds=") {
        Some(rest) => match rest.split_once('$') {
            Some((rounds, rest)) => (rounds.parse().ok(), rest),
            None => (None, rest),
        },
        None => (Some(5000), rest),
    };
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"./".contains(&b));
    rounds.is_some_and(|rounds: u32| (1000..=MOST_ROUNDS).contains(&rounds))
        && rest.split_once('$').is_some_and(|(salt, hash)| {
            (1..=16).contains(&salt.len()) && plain(salt) && hash.len() == length && plain(hash)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `htpasswd -nbB -C 4`, `mkpasswd -m sha-256` and `mkpasswd -m sha-512`, all of "sesame".
    const BCRYPT: &str = "$2y$04$AqQXoO8IEA2usK7My2Mj/eGN7m90Qe5EP90IOxhW/z7Z0UrdH1WEi";
    const SHA256: &str = "$5$z4n1CZ01L67BTOjJ$Wi0VIGwCQho76zc3eZTZbuEWDsfkXTe52krsey9Aal9";
    const SHA512: &str = "$6$XbVZZ9Hm5Hahqzp5$GduiN/VVhf5RKKBzDNH6KC2sXdFZ4dAiux8AY8JbJ6wYwy/ythP9W6GkozkGpposY/5j2FKbJ2WTjynLXEqO1.";
    const ROUNDS: &str = "$6$rounds=1000$dBsJTW2lsQx7ze/Q$zoR2rjO/cJaQ2O9M.Qmmg.JiiJN9Gb7K.bfHeLRMXxmE7KGpS6soBPm1Ka67GzyJJbSeTpcVw4K9meFnLcbrJ0";

    #[test]
    fn hashes_of_other_programs_are_checked() {
        for hash in [BCRYPT, SHA256, SHA512, ROUNDS] {
            let users = read(&format!("# staff\n\nala\u{e4}:{hash}:a remark\n")).unwrap();
            let hash = &users["ala\u{e4}"];
            assert!(hash.fits(b"sesame"), "{hash:?}");
            for wrong in ["", "Sesame", "sesame ", "sesam"] {
                assert!(!hash.fits(wrong.as_bytes()), "{hash:?} {wrong}");
            }
        }
    }

    #[test]
    fn other_lines_are_refused_by_number_and_name() {
        let check = |line: &str, expect: &str| {
            let fault = read(&format!("# first\n{line}\n")).expect_err(line).to_string();
            assert_eq!(fault, expect);
        };
        let weak =
            |what: &str| format!("line 2: the password of \"a\" is {what}; set it anew with htpasswd -B");
        check("a:$apr1$Ab$cdef", &weak("a hash of MD5"));
        check("a:$1$Ab$cdef", &weak("a hash of MD5"));
        check("a:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", &weak("a hash of SHA-1, which is quickly tried"));
        check("a:sesame", &weak("plain, or of a kind that is not read"));
        check("a:rqXexS6ZhobKA", &weak("plain, or of a kind that is not read"));
        check("a:", &weak("plain, or of a kind that is not read"));
        check("a:$2y$04$short", &weak("a broken hash of bcrypt"));
        check(
            &format!("a:{}", BCRYPT.replace("$04$", "$31$")),
            &weak("a hash of bcrypt whose cost is not one of 4 to 14"),
        );
        let sha = "a broken hash of SHA-crypt, or one of less than 1,000 or more than 1,000,000 rounds";
        check("a:$6$salt$short", &weak(sha));
        check(&format!("a:{}", ROUNDS.replace("rounds=1000", "rounds=999999999")), &weak(sha));
        check("sesame", "line 2: there is no colon; a line is NAME:HASH, as htpasswd -B writes it");
        check(&format!(":{BCRYPT}"), "line 2: the name must have 1 to 255 octets without control characters");
        check(&format!("a:{BCRYPT}\na:{SHA256}"), "line 3: \"a\" has a line already; remove one of them");
        check("", "line 1: nobody stands in it; add somebody with htpasswd -B");
    }
}
