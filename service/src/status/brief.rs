//! Metrics in brief: one total per counter and gauge of a daemon, over all labels.
//!
//! Reads the OpenMetrics text that this crate writes. Of histograms only the count of observations is kept. Gauges of
//! seconds, such as when each of several certificates ends, and of weights are left out where they have labels: a sum of
//! them says nothing.

/// The sum of a metric's samples.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Total {
    /// The name without the daemon's prefix and without the suffix of counters.
    pub(super) name: String,
    /// The sum.
    pub(super) value: f64,
}

/// The totals of the metrics whose names begin with `prefix`, in the order of the text. Lines that are no samples, or
/// samples of no number, are passed over.
pub(super) fn totals(text: &str, prefix: &str) -> Vec<Total> {
    let mut totals: Vec<Total> = Vec::new();
    let (mut histogram, mut moments) = (None, None);
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix("# TYPE ") {
            histogram = kind.strip_suffix(" histogram").map(str::to_owned);
            moments = kind.strip_suffix(" gauge").filter(|name| has_no_sum(name)).map(str::to_owned);
            continue;
        }
        let Some((name, value)) = sample(line) else { continue };
        if moments.as_deref() == Some(name) && line[name.len()..].starts_with('{') {
            continue;
        }
        let name = match histogram.as_deref().map(|family| name.strip_prefix(family)) {
            None => name.strip_suffix("_total").unwrap_or(name),
            Some(Some("_count")) => name,
            Some(_) => continue,
        };
        let Some(name) = name.strip_prefix(prefix) else { continue };
        match totals.last_mut() {
            Some(last) if last.name == name => last.value += value,
            _ => totals.push(Total { name: name.to_owned(), value }),
        }
    }
    totals
}

/// Whether the sum of a gauge's samples says nothing: of moments and spans, and of what is compared only.
fn has_no_sum(name: &str) -> bool {
    ["_seconds", "_weight"].iter().any(|unit| name.ends_with(unit))
}

/// A line's metric and number: `name{labels} number`. A label's value may hold anything, spaces and braces too.
fn sample(line: &str) -> Option<(&str, f64)> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let rest = if rest.starts_with('{') { behind_labels(rest)? } else { rest };
    let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
    (name != "#").then_some((name, value))
}

fn behind_labels(text: &str) -> Option<&str> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b'}' if !quoted => return text.get(at + 1..),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: &[(&str, f64)]) {
        let totals = totals(text, "causeway_x_");
        let found: Vec<_> = totals.iter().map(|total| (total.name.as_str(), total.value)).collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn counters_are_summed_over_labels() {
        check(
            "# HELP causeway_x_packets Packets.\n\
             # TYPE causeway_x_packets counter\n\
             causeway_x_packets_total{direction=\"v6_to_v4\"} 2\n\
             causeway_x_packets_total{direction=\"v4_to_v6\"} 3\n\
             # TYPE causeway_x_leases gauge\n\
             causeway_x_leases 7\n\
             # EOF\n",
            &[("packets", 5.0), ("leases", 7.0)],
        );
    }

    #[test]
    fn other_programs_and_common_metrics_are_left_out() {
        check("causeway_ready 1\ncauseway_y_leases 1\nprocess_start_time_seconds 1000.5\n", &[]);
    }

    #[test]
    fn label_values_may_hold_anything() {
        check("causeway_x_up{member=\"a} \\\" 9 {\",pool=\"b\"} 1 1234\n", &[("up", 1.0)]);
    }

    #[test]
    fn histograms_keep_their_count() {
        check(
            "# TYPE causeway_x_wait_seconds histogram\n\
             causeway_x_wait_seconds_sum 1.5\n\
             causeway_x_wait_seconds_count 4\n\
             causeway_x_wait_seconds_bucket{le=\"0.1\"} 3\n\
             causeway_x_wait_seconds_bucket{le=\"+Inf\"} 4\n\
             # TYPE causeway_x_leases gauge\n\
             causeway_x_leases 7\n",
            &[("wait_seconds_count", 4.0), ("leases", 7.0)],
        );
    }

    #[test]
    fn moments_spans_and_weights_of_several_are_not_added() {
        check(
            "# TYPE causeway_x_certificate_expiry_timestamp_seconds gauge\n\
             causeway_x_certificate_expiry_timestamp_seconds{file=\"a\"} 1700000000\n\
             causeway_x_certificate_expiry_timestamp_seconds{file=\"b\"} 1700000000\n\
             # TYPE causeway_x_member_weight gauge\n\
             causeway_x_member_weight{member=\"a\"} 100\n\
             # TYPE causeway_x_age_seconds gauge\n\
             causeway_x_age_seconds 3\n\
             # TYPE causeway_x_busy_seconds counter\n\
             causeway_x_busy_seconds_total{worker=\"0\"} 1\n\
             causeway_x_busy_seconds_total{worker=\"1\"} 2\n",
            &[("age_seconds", 3.0), ("busy_seconds", 3.0)],
        );
    }

    #[test]
    fn broken_lines_are_passed_over() {
        check("causeway_x_up{member=\"a 1\ncauseway_x_up\ncauseway_x_up many\n\n# EOF", &[]);
    }
}
