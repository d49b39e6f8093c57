//! Numbers, durations, sizes, names and paths.

use super::{Read, Value, listing};
use crate::keys;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;
use toml::de::DeValue;

/// Units of durations and their milliseconds, largest first. Days stand behind all others, so that they are read and
/// never written: everybody knows 24 hours.
pub(crate) const DURATION_UNITS: [(&str, u64); 5] =
    [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1), ("d", 86_400_000)];

/// Units of sizes and their bytes, largest first.
pub(crate) const SIZE_UNITS: [(&str, u64); 4] =
    [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Names stand in metric labels, admin paths and logs: the characters that HAProxy allows, and not too many.
const NAME_LENGTH: RangeInclusive<usize> = 1..=128;

impl Value<'_> {
    /// A whole number in `range`.
    pub(super) fn integer<T>(&self, range: RangeInclusive<T>) -> Read<T>
    where
        T: TryFrom<i128> + PartialOrd + Display,
    {
        let expected = format!("an integer from {} to {}", range.start(), range.end());
        self.integer_or_else(range, &expected, String::new)
    }

    /// One of `words`, or a whole number in `range` by `make`.
    pub(super) fn word_or_integer<N, T>(
        &self,
        words: &[(&'static str, T)],
        range: RangeInclusive<N>,
        make: impl FnOnce(N) -> T,
    ) -> Read<T>
    where
        N: TryFrom<i128> + PartialOrd + Display,
        T: Copy,
    {
        let number = format!("an integer from {} to {}", range.start(), range.end());
        let known = words.iter().map(|(word, _)| *word);
        let expected =
            listing(known.clone().map(|word| format!("{word:?}")).chain(std::iter::once(number)), "or");
        let text = match self.value {
            DeValue::String(text) => text.as_ref(),
            _ => "",
        };
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Ok(*value);
        }
        let near =
            || keys::nearest(text, known).map_or(String::new(), |near| format!("did you mean {near:?}?"));
        self.integer_or_else(range, &expected, near).map(make)
    }

    /// A whole number in `range`. `help` is for strings that hold none.
    fn integer_or_else<N>(
        &self,
        range: RangeInclusive<N>,
        expected: &str,
        help: impl FnOnce() -> String,
    ) -> Read<N>
    where
        N: TryFrom<i128> + PartialOrd + Display,
    {
        let DeValue::Integer(number) = self.value else {
            let help = match self.value {
                DeValue::String(text) if text.parse::<i128>().is_ok() => "leave out the quotes".to_owned(),
                _ => help(),
            };
            return Err(self.mismatch_but(expected, help));
        };
        i128::from_str_radix(number.as_str(), number.radix())
            .ok()
            .and_then(|number| N::try_from(number).ok())
            .filter(|number| range.contains(number))
            .ok_or_else(|| self.mismatch(expected))
    }

    /// A duration such as `"500ms"`, in `range`.
    pub(super) fn duration(&self, range: RangeInclusive<Duration>) -> Read<Duration> {
        let show = |limit: &Duration| duration_text(*limit);
        let expected = format!("a duration from {:?} to {:?}", show(range.start()), show(range.end()));
        let help = || match self.value {
            DeValue::Integer(number) => {
                format!("give a unit: \"{number}s\" for seconds, \"{number}ms\" for milliseconds")
            }
            _ => "a duration is a whole number and a unit: \"500ms\", \"5s\", \"2m\", \"1h\"".to_owned(),
        };
        let DeValue::String(text) = self.value else {
            return Err(self.mismatch_but(&expected, help()));
        };
        let Some(length) = with_unit(text, &DURATION_UNITS).map(Duration::from_millis) else {
            return Err(self.mismatch_but(&expected, help()));
        };
        if range.contains(&length) { Ok(length) } else { Err(self.mismatch(&expected)) }
    }

    /// A size such as `"32MiB"`, in `range` of bytes.
    pub(super) fn size(&self, range: RangeInclusive<u64>) -> Read<u64> {
        let expected =
            format!("a size from {:?} to {:?}", size_text(*range.start()), size_text(*range.end()));
        let help = || {
            let units = listing(SIZE_UNITS.iter().rev().map(|(unit, _)| *unit), "or");
            format!("a size is a whole number and a unit, {units}: \"32MiB\"")
        };
        let DeValue::String(text) = self.value else {
            return Err(self.mismatch_but(&expected, help()));
        };
        let Some(bytes) = with_unit(text, &SIZE_UNITS) else {
            return Err(self.mismatch_but(&expected, help()));
        };
        if range.contains(&bytes) { Ok(bytes) } else { Err(self.mismatch(&expected)) }
    }

    /// A name: 1 to 128 ASCII letters, digits, `-`, `_`, `.` and `:`.
    pub(super) fn name(&self) -> Read<String> {
        let text = self.text("a name")?;
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
        if NAME_LENGTH.contains(&text.len()) && text.bytes().all(legal) {
            return Ok(text.to_owned());
        }
        let help = format!(
            "a name has {} to {} ASCII letters, digits, '-', '_', '.' and ':'",
            NAME_LENGTH.start(),
            NAME_LENGTH.end()
        );
        Err(self.mismatch_but("a name", help))
    }

    /// An absolute path.
    pub(super) fn path(&self) -> Read<PathBuf> {
        let text = self.text("an absolute path")?;
        if text.starts_with('/') && !text.contains('\0') {
            return Ok(PathBuf::from(text));
        }
        Err(self.mismatch_but(
            "an absolute path",
            "begin the path with '/': a daemon has no directory of its own",
        ))
    }
}

/// The value of `12ms` by a table of units; `None` without a number or a known unit, and beyond 64 bits.
fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(known, _)| *known == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// `amount` in the largest unit that divides it.
fn in_unit(amount: u64, units: &[(&str, u64)]) -> String {
    units.iter().find(|(_, factor)| amount >= *factor && amount.is_multiple_of(*factor)).map_or_else(
        || format!("0{}", units[units.len() - 1].0),
        |(unit, factor)| format!("{}{unit}", amount / factor),
    )
}

/// A duration as the file writes it, in whole milliseconds.
pub(crate) fn duration_text(length: Duration) -> String {
    // Nothing is nothing in every unit, and people write seconds.
    if length.is_zero() {
        return "0s".to_owned();
    }
    in_unit(u64::try_from(length.as_millis()).unwrap_or(u64::MAX), &DURATION_UNITS)
}

/// A size as the file writes it.
pub(crate) fn size_text(bytes: u64) -> String {
    in_unit(bytes, &SIZE_UNITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_forms_are_in_the_largest_whole_unit() {
        assert_eq!(duration_text(Duration::from_millis(1500)), "1500ms");
        assert_eq!(duration_text(Duration::from_secs(120)), "2m");
        assert_eq!(duration_text(Duration::ZERO), "0s");
        assert_eq!(size_text(32 << 20), "32MiB");
        assert_eq!(size_text(1_000_000), "1000000B");
    }

    #[test]
    fn units_are_exact() {
        assert_eq!(with_unit("500ms", &DURATION_UNITS), Some(500));
        assert_eq!(with_unit("2m", &DURATION_UNITS), Some(120_000));
        assert_eq!(with_unit("2d", &DURATION_UNITS), Some(172_800_000));
        assert_eq!(duration_text(Duration::from_secs(172_800)), "48h");
        assert_eq!(with_unit("1KiB", &SIZE_UNITS), Some(1024));
        for bad in
            ["", "5", "s", "5 s", "1.5s", "-1s", "5S", "5min", "99999999999999999999h", "9999999999999999h"]
        {
            assert_eq!(with_unit(bad, &DURATION_UNITS), None, "{bad}");
        }
    }
}
