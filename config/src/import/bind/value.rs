//! Sizes and durations as named writes them.

use super::statement::Statement;

/// A size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Bytes(u64),
    /// A part of the machine's memory, or all of it.
    Relative,
}

/// `64M`, `1g`, `90%`, `unlimited`, `default`.
pub(super) fn size(statement: &Statement) -> Result<Size, String> {
    let word = statement.value()?;
    let refuse =
        || statement.spot.says(format_args!("expected integer and optional unit or percent near '{word}'"));
    let (digits, unit) = word.split_at(word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len()));
    let factor = match unit.to_ascii_lowercase().as_str() {
        "unlimited" | "default" if digits.is_empty() => return Ok(Size::Relative),
        "%" if !digits.is_empty() => return Ok(Size::Relative),
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => return Err(refuse()),
    };
    let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    // 0 is written for no bound.
    bytes.map(|bytes| if bytes == 0 { Size::Relative } else { Size::Bytes(bytes) }).ok_or_else(refuse)
}

/// Units of named's TTL values, in seconds.
const TTL_UNITS: &[(char, u64)] = &[('W', 604_800), ('D', 86_400), ('H', 3600), ('M', 60), ('S', 1)];

/// `3600`, `1d12h`, `P1DT12H`.
pub(super) fn seconds(statement: &Statement) -> Result<u64, String> {
    let word = statement.value()?;
    let upper = word.to_ascii_uppercase();
    let sum = match upper.strip_prefix('P') {
        Some(iso) => {
            let (days, time) = iso.split_once('T').unwrap_or((iso, ""));
            // Months and years have no length in seconds that both sides would agree on.
            let days = sum(days, &TTL_UNITS[..2]);
            days.zip(sum(time, &TTL_UNITS[2..])).map(|(days, time)| days.saturating_add(time))
        }
        None => upper.parse().ok().or_else(|| sum(&upper, TTL_UNITS)).filter(|_| !upper.is_empty()),
    };
    let refuse =
        || statement.spot.says(format_args!("expected ISO 8601 duration or TTL value near '{word}'"));
    sum.ok_or_else(refuse)
}

/// Numbers with their units, each unit once at most.
fn sum(mut text: &str, units: &[(char, u64)]) -> Option<u64> {
    let mut sum = 0_u64;
    while !text.is_empty() {
        let end = text.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = text[..end].parse().ok()?;
        let unit = text[end..].chars().next()?;
        let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
        sum = sum.saturating_add(number.saturating_mul(*factor));
        text = &text[end + unit.len_utf8()..];
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::super::statement::statements;
    use super::*;

    fn clause(value: &str) -> Statement {
        let text = format!("x {value};");
        statements(&text, "named.conf", &mut |_| Err("no files here".into())).unwrap().remove(0)
    }

    #[test]
    fn sizes_have_units_and_refuse_others() {
        let check = |text: &str, expect: Size| assert_eq!(size(&clause(text)), Ok(expect), "{text}");
        check("1048576", Size::Bytes(1 << 20));
        check("64M", Size::Bytes(64 << 20));
        check("1g", Size::Bytes(1 << 30));
        for relative in ["90%", "unlimited", "default", "0"] {
            check(relative, Size::Relative);
        }
        for bad in ["foo", "1t", "%", "99999999999999999999", "20000000000g"] {
            let error = size(&clause(bad)).unwrap_err();
            assert_eq!(
                error,
                format!("named.conf:1: expected integer and optional unit or percent near '{bad}'")
            );
        }
    }

    #[test]
    fn durations_are_seconds_units_or_iso_8601() {
        let check = |text: &str, expect: u64| assert_eq!(seconds(&clause(text)), Ok(expect), "{text}");
        check("3600", 3600);
        check("1d2h", 93_600);
        check("1W", 604_800);
        check("P1DT12H", 129_600);
        check("PT30S", 30);
        for bad in ["foo", "1x", "d", "P1Y", "1d2"] {
            let error = seconds(&clause(bad)).unwrap_err();
            assert_eq!(error, format!("named.conf:1: expected ISO 8601 duration or TTL value near '{bad}'"));
        }
    }
}
