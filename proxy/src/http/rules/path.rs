//! Paths as conditions see them: decoded, without dot segments and repeated slashes (RFC 3986 §6.2.2).
//!
//! Servers differ in what they make of `/a/%2e%2e/b`, and whoever wants around a rule tries all spellings. So rules see
//! the path that the most obliging server would, and a path that servers are known to read in two ways is none at all.
//! Parameters (`/a;b=c/d`, RFC 3986 §3.3) are common, and are part of the path for some servers and not for others: such
//! a path has two readings, with them and without, of which rules must say the same. Members get the path as it came.

use super::Unfit;
use std::borrow::Cow;

/// What may stand in a segment as it is and means the same encoded, for all servers that are known. Not so `;`, which
/// begins parameters, and `+`, which is a space for some.
const DELIMITERS: &[u8] = b"!$&'()*,=:@";

/// The path as conditions see it. `None` if it can be read in two ways: a percent sign without its digits, control
/// characters, a backslash, a `..` that leads above the root, follows an empty segment, stands beside an encoded slash,
/// or has parameters behind it, or an encoded slash among parameters.
pub(crate) fn plain(path: &str) -> Option<Cow<'_, [u8]>> {
    let octets = path.as_bytes();
    let special = memchr::memchr2(b'%', b'\\', octets).is_some()
        || octets.windows(2).any(|pair| pair[0] == b'/' && matches!(pair[1], b'/' | b'.'));
    if !special || !path.starts_with('/') {
        return Some(octets.into());
    }
    let (decoded, hides_slash) = decode(octets)?;
    // With the empty ones: servers differ in whether `..` leads out of those.
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut climbs = false;
    // Whether the path ends in a slash, or in a segment that stands for one.
    let mut ends_open = false;
    for segment in decoded.split(|octet| *octet == b'/').skip(1) {
        let name = bare(segment);
        let is_dots = matches!(name, b"." | b"..");
        if is_dots && name.len() < segment.len() {
            return None;
        }
        ends_open = is_dots || segment.is_empty();
        if name == b".." {
            climbs = true;
            segments.pop().filter(|left| !bare(left).is_empty())?;
        } else if !is_dots {
            segments.push(segment);
        }
    }
    if climbs && hides_slash {
        return None;
    }
    Some(joined(segments.into_iter(), ends_open).into())
}

/// A [plain] path as servers see it that take what is behind a `;` in each segment for parameters, if that is another.
pub(crate) fn without_parameters(plain: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr(b';', plain)?;
    let names = plain.split(|octet| *octet == b'/').skip(1).map(bare);
    let ends_open = plain.rsplit(|octet| *octet == b'/').next().is_some_and(|last| bare(last).is_empty());
    Some(joined(names, ends_open))
}

/// A segment without its parameters.
fn bare(segment: &[u8]) -> &[u8] {
    segment.split(|octet| *octet == b';').next().unwrap_or_default()
}

/// The path of these segments, of which empty ones are none.
fn joined<'a>(segments: impl Iterator<Item = &'a [u8]>, ends_open: bool) -> Vec<u8> {
    let mut whole: Vec<u8> = segments
        .filter(|segment| !segment.is_empty())
        .flat_map(|segment| [b"/", segment])
        .flatten()
        .copied()
        .collect();
    if ends_open || whole.is_empty() {
        whole.push(b'/');
    }
    whole
}

/// The path in one form that means the same to members (RFC 3986 §6.2.2, and one slash for several): plain characters are
/// not encoded, all that needs it is, and there are no dot segments. `None` as of [`plain`].
pub(super) fn normal(path: &str) -> Option<String> {
    plain(path)?;
    let mut segments: Vec<String> = Vec::new();
    let mut ends_open = false;
    for segment in path.split('/').skip(1) {
        let segment = recoded(segment.as_bytes())?;
        ends_open = matches!(segment.as_str(), "" | "." | "..");
        if segment == ".." {
            segments.pop()?;
        } else if !ends_open {
            segments.push(segment);
        }
    }
    let end = if ends_open || segments.is_empty() { "/" } else { "" };
    let whole: String = segments.iter().flat_map(|segment| ["/", segment]).collect();
    Some(whole + end)
}

/// What of a [normal] path is below this folder, which is decoded and has no slash at its end; `None` if the path is
/// elsewhere. Whether it is there is asked of the decoded path, as conditions do. An error: servers differ in it, by an
/// encoded slash or by parameters.
pub(super) fn below<'a>(path: &'a str, folder: &[u8]) -> Result<Option<&'a str>, Unfit> {
    let is_below =
        |path: &[u8]| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"));
    let plain = plain(path).ok_or(Unfit)?;
    let decided = is_below(&plain);
    let rest = folder.split(|octet| *octet == b'/').skip(1).try_fold(path, |path, name| {
        let path = path.strip_prefix('/')?;
        let (segment, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
        percent_encoding::percent_decode_str(segment).eq(name.iter().copied()).then_some(rest)
    });
    let same = without_parameters(&plain).is_none_or(|bare| is_below(&bare) == decided);
    if same && rest.is_some() == decided { Ok(rest) } else { Err(Unfit) }
}

/// A [normal] path with the [`DELIMITERS`] decoded, if any was encoded.
pub(super) fn opened(path: &str) -> Option<String> {
    let mut parts = path.split('%');
    let mut opened = parts.next()?.to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        match u8::from_str_radix(digits, 16).ok().filter(|octet| DELIMITERS.contains(octet)) {
            Some(octet) => opened.push(char::from(octet)),
            None => opened.extend(["%", digits]),
        }
        opened.push_str(rest);
    }
    (opened.len() < path.len()).then_some(opened)
}

/// Letters, digits and the like decoded, what is no part of a path encoded, the rest as it was.
fn recoded(segment: &[u8]) -> Option<String> {
    let mut written = String::with_capacity(segment.len());
    let mut rest = segment;
    while let [octet, after @ ..] = rest {
        let (octet, after, was_encoded) = match (octet, after) {
            (b'%', [high, low, after @ ..]) => (digit(*high)? << 4 | digit(*low)?, after, true),
            (octet, after) => (*octet, after, false),
        };
        let plain = octet.is_ascii_alphanumeric() || b"-._~".contains(&octet);
        if plain || !was_encoded && (b";+".contains(&octet) || DELIMITERS.contains(&octet)) {
            written.push(char::from(octet));
        } else {
            written.push_str(percent_encoding::percent_encode_byte(octet));
        }
        rest = after;
    }
    Some(written)
}

/// The octets that are meant, and whether a slash was encoded. `None` if one is a backslash, which some systems take for
/// a slash, or a control character; or an encoded slash behind a `;`, where parameters end for those who decode first.
fn decode(path: &[u8]) -> Option<(Vec<u8>, bool)> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut hides_slash = false;
    let mut in_parameters = false;
    let mut rest = path;
    while let [octet, after @ ..] = rest {
        let (octet, after) = match (octet, after) {
            (b'%', [high, low, after @ ..]) => (digit(*high)? << 4 | digit(*low)?, after),
            (b'%', _) => return None,
            (octet, after) => (*octet, after),
        };
        if octet.is_ascii_control() || octet == b'\\' {
            return None;
        }
        if octet == b'/' {
            let is_hidden = rest[0] == b'%';
            if is_hidden && in_parameters {
                return None;
            }
            hides_slash |= is_hidden;
            in_parameters = false;
        }
        in_parameters |= octet == b';';
        decoded.push(octet);
        rest = after;
    }
    Some((decoded, hides_slash))
}

fn digit(octet: u8) -> Option<u8> {
    char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_read_as_the_most_obliging_server_would() {
        let check = |path: &str, expect: &str| {
            let plain = plain(path).unwrap_or_else(|| panic!("{path}"));
            assert_eq!(String::from_utf8_lossy(&plain), expect, "{path}");
        };
        check("/", "/");
        check("*", "*");
        check("/a/b.c", "/a/b.c");
        check("//a///b//", "/a/b/");
        check("/%61dmin", "/admin");
        check("/a/%2e%2E/admin", "/admin");
        check("/a/./b/.", "/a/b/");
        check("/a/b/..", "/a/");
        check("/a/..", "/");
        check("/.well-known/x", "/.well-known/x");
        check("/..a/...", "/..a/...");
        check("/group%2Fproject", "/group/project");
        check("/b%C3%BCcher", "/b\u{fc}cher");
        check("/a;v=1/b%20c", "/a;v=1/b c");
        check("/100%25", "/100%");
    }

    #[test]
    fn paths_that_can_be_read_in_two_ways_are_none() {
        for path in [
            "/..",
            "/a/../../b",
            "/%2e%2e/a",
            "/a/..;/admin",
            "/a/.;x/b",
            "/public%2F..%2Fadmin",
            "/a%5c../b",
            "/a\\../b",
            "/a\\b",
            "/a%5Cb",
            "/a;%2Fb",
            "/a%3bx%2fb",
            "/a//../b",
            "/a//b/../../c",
            "/a/;x/../b",
            "/a%2f/../b",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%00",
            "/a%0d%0ab",
            "/a%7f",
        ] {
            assert_eq!(plain(path), None, "{path}");
        }
    }

    #[test]
    fn parameters_are_cut_from_each_segment() {
        let check = |path: &str, expect: Option<&str>| {
            let cut = without_parameters(&plain(path).unwrap());
            assert_eq!(cut.as_deref(), expect.map(str::as_bytes), "{path}");
        };
        check("/a/b", None);
        check("/a;v=1/b", Some("/a/b"));
        check("/;/a/b;c;d", Some("/a/b"));
        check("/a/b/;c", Some("/a/b/"));
        check("/a/b;c/", Some("/a/b/"));
        check("/a%3bb//c", Some("/a/c"));
        check("/;", Some("/"));
        check("*", None);
    }

    proptest! {
        #[test]
        fn a_plain_path_has_nothing_to_hide_behind(path in "/([a-c./;%\\\\]|%2[eEfF]|%3b|%5c|%61){0,24}") {
            if let Some(plain) = plain(&path) {
                prop_assert!(plain.starts_with(b"/"));
                let mut segments: Vec<&[u8]> = plain.split(|octet| *octet == b'/').collect();
                // The empty ones before the first slash and behind the last.
                segments.remove(0);
                segments.pop_if(|last| last.is_empty());
                prop_assert!(segments.iter().all(|segment| !matches!(*segment, b"" | b"." | b"..")), "{path}");
                // What cuts parameters ahead of all else comes to the same as what cuts them behind.
                let bare: Vec<_> = path.replace("%3b", ";").split('/').map(|segment| segment.split(';').next().unwrap_or_default().to_owned()).collect();
                let early = super::plain(&bare.join("/")).map(Cow::into_owned);
                let late = without_parameters(&plain).unwrap_or_else(|| plain.to_vec());
                prop_assert_eq!(early.unwrap(), late, "{}", path);
            }
        }

        #[test]
        fn spelling_a_letter_in_digits_changes_nothing(path in "(/[a-z.]{1,3}){1,4}", at in 1usize..12) {
            let at = at.min(path.len() - 1);
            // The one before is a letter where this is a slash.
            let at = at - usize::from(path.as_bytes()[at] == b'/');
            let spelt = format!("{}%{:02x}{}", &path[..at], path.as_bytes()[at], &path[at + 1..]);
            prop_assert_eq!(plain(&spelt), plain(&path));
        }
    }
}
