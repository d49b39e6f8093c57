//! Which rows of a suite are measured.

use super::Unknown;
use super::figure::Spec;

/// A row that can be chosen by the names of its figures.
pub trait Choice {
    /// What it finds.
    fn figures(&self) -> &'static [Spec];
}

/// The rows with a figure whose name begins with one of `words`; with a name in full, the row of that name alone. All
/// rows, if there are no words.
///
/// # Errors
/// The first word that no name begins with.
pub fn chosen<R: Choice>(rows: &'static [R], words: &[String]) -> Result<Vec<&'static R>, Unknown> {
    let names = |row: &R| row.figures().iter().map(|spec| spec.name).collect::<Vec<_>>();
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
    Ok(rows.iter().zip(wanted).filter(|(_, wanted)| *wanted).map(|(row, _)| row).collect())
}

#[cfg(test)]
mod tests {
    use super::super::figure::Better;
    use super::*;

    struct Row(&'static [Spec]);

    impl Choice for Row {
        fn figures(&self) -> &'static [Spec] {
            self.0
        }
    }

    const fn spec(name: &'static str) -> Spec {
        Spec::new(name, name, "", Better::More, 1.0)
    }

    const ROWS: &[Row] = &[
        Row(&[spec("tcp_up")]),
        Row(&[spec("tcp_up_four")]),
        Row(&[spec("udp_delivered"), spec("udp_cpu")]),
    ];

    fn check(words: &[&str], expected: Result<&[&str], &str>) {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let found = chosen(ROWS, &words);
        let found = found.map(|rows| rows.iter().map(|row| row.0[0].name).collect::<Vec<_>>());
        assert_eq!(found.as_deref().map_err(|unknown| unknown.word.as_str()), expected, "{words:?}");
    }

    #[test]
    fn words_choose_rows() {
        check(&[], Ok(&["tcp_up", "tcp_up_four", "udp_delivered"]));
        check(&["tcp_up"], Ok(&["tcp_up"]));
        check(&["tcp"], Ok(&["tcp_up", "tcp_up_four"]));
        check(&["udp_cpu"], Ok(&["udp_delivered"]));
        check(&["udp", "tcp_up"], Ok(&["tcp_up", "udp_delivered"]));
        check(&["tcp_up", "icmp"], Err("icmp"));
    }
}
