//! Numbers in lines, which are most of what stands there. Pure.

/// Writes a number in at least so many digits.
pub(super) fn digits(mut number: u64, width: usize, out: &mut Vec<u8>) {
    let mut held = [b'0'; 20];
    let mut at = held.len();
    while number > 0 || at == held.len() {
        at -= 1;
        // The remainder is below ten.
        held[at] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&held[at.min(held.len() - width.min(held.len()))..]);
}

/// Writes a number.
pub(super) fn plain(number: u64, out: &mut Vec<u8>) {
    if number < 10 {
        // Most are.
        out.push(b'0' + (number % 10) as u8);
    } else {
        digits(number, 1, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal_and_as_wide_as_asked_for() {
        let check = |number: u64, width: usize, expect: &str| {
            let mut out = Vec::new();
            digits(number, width, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expect);
        };
        check(0, 1, "0");
        check(7, 3, "007");
        check(1234, 3, "1234");
        check(u64::MAX, 1, "18446744073709551615");
        for number in [0, 9, 10, u64::MAX] {
            let mut out = Vec::new();
            plain(number, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }
    }
}
