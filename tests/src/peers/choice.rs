//! Which rows of a suite are measured.

use super::Unknown;
use super::figure::Spec;

/// Which rows have a figure whose name begins with one of `words`; with a name in full, the row of that name alone. All
/// rows, if there are no words. `rows` are the figures of each.
///
/// # Errors
/// The first word that no name begins with.
pub fn chosen(rows: &[&'static [Spec]], words: &[String]) -> Result<Vec<bool>, Unknown> {
    let names = |row: &&'static [Spec]| row.iter().map(|spec| spec.name).collect::<Vec<_>>();
    let mut wanted = vec![words.is_empty(); rows.len()];
    for word in words {
        let exact = rows.iter().any(|row| names(row).contains(&word.as_str()));
        let fits = |name: &&str| if exact { *name == word } else { name.starts_with(word.as_str()) };
        let fitting: Vec<bool> = rows.iter().map(|row| names(row).iter().any(fits)).collect();
        if !fitting.contains(&true) {
            return Err(Unknown { word: word.clone(), names: rows.iter().flat_map(names).collect() });
        }
        for (wanted, fitting) in wanted.iter_mut().zip(fitting) {
            *wanted |= fitting;
        }
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::super::figure::Better;
    use super::*;

    const fn spec(name: &'static str) -> Spec {
        Spec::new(name, name, "", Better::More, 1.0)
    }

    const ROWS: &[&[Spec]] =
        &[&[spec("tcp_up")], &[spec("tcp_up_four")], &[spec("udp_delivered"), spec("udp_cpu")]];

    fn check(words: &[&str], expected: Result<[bool; 3], &str>) {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let found = chosen(ROWS, &words);
        let expected = expected.map(|rows| rows.to_vec());
        assert_eq!(found.map_err(|unknown| unknown.word), expected.map_err(str::to_owned), "{words:?}");
    }

    #[test]
    fn words_choose_rows() {
        check(&[], Ok([true, true, true]));
        check(&["tcp_up"], Ok([true, false, false]));
        check(&["tcp"], Ok([true, true, false]));
        check(&["udp_cpu"], Ok([false, false, true]));
        check(&["udp", "tcp_up"], Ok([true, false, true]));
        check(&["tcp_up", "icmp"], Err("icmp"));
    }
}
