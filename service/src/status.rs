//! `status`: what the running daemon says of itself, for people and for machines.

mod brief;
pub(crate) mod table;

use crate::admin::Status;
use crate::client::{self, Call, ClientError};
use crate::metrics::prefix;
use brief::Total;
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use table::Table;

/// The state of a daemon at one moment.
#[derive(Debug)]
pub(crate) struct Answer {
    status: Status,
    totals: Vec<Total>,
    asked: SystemTime,
}

/// Asks the daemon of this name behind a socket.
pub(crate) fn ask(socket: &Path, program: &str) -> Result<Answer, ClientError> {
    client::block_on(async {
        let call = Call::get(STATUS);
        let said = call.to_string();
        let status = call.send(socket).await?;
        let status =
            serde_json::from_str(&status).map_err(|source| ClientError::Malformed { call: said, source })?;
        let metrics = Call::get(METRICS).send(socket).await?;
        let totals = brief::totals(&metrics, &format!("{}_", prefix(program)));
        Ok(Answer { status, totals, asked: SystemTime::now() })
    })
}

const STATUS: &str = "/status";
const METRICS: &str = "/metrics";

impl Answer {
    /// Whether the daemon serves.
    pub(crate) const fn is_ready(&self) -> bool {
        self.status.ready
    }

    /// One JSON object, with the totals of the daemon's own metrics under `metrics`.
    pub(crate) fn json(&self) -> String {
        let totals: Map<_, _> =
            self.totals.iter().map(|total| (total.name.clone(), json!(total.value))).collect();
        let mut object = json!(self.status);
        object["metrics"] = Value::Object(totals);
        format!("{object}\n")
    }

    /// Lines for people: the daemon's own tables, or else the totals of its metrics.
    pub(crate) fn text(&self) -> String {
        let status = &self.status;
        let mut rows = vec![
            ("program", format!("{} {}, process {}", status.name, status.version, status.pid)),
            ("ready", self.readiness()),
            ("up", span(Duration::from_secs(status.uptime_seconds))),
            (
                "configuration",
                format!(
                    "generation {}, loaded {} ago",
                    status.generation,
                    self.ago(status.config_loaded_unix_seconds)
                ),
            ),
        ];
        if let Some(reload) = &status.last_reload {
            let ago = self.ago(reload.unix_seconds);
            let outcome = reload.error.as_deref().map_or_else(
                || format!("accepted {ago} ago"),
                |error| format!("refused {ago} ago, the configuration before it runs on\n{error}"),
            );
            rows.push(("last reload", outcome));
        }
        let totals: Vec<_> = if status.tables.is_empty() {
            self.totals.iter().map(|total| (total.name.as_str(), number(total.value))).collect()
        } else {
            Vec::new()
        };
        let width = |rows: &[(&str, String)]| rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let columns = width(&rows).max(width(&totals));
        let mut out = String::new();
        for (name, value) in &rows {
            let value = value.trim_end().replace('\n', &format!("\n{:columns$}  ", ""));
            writeln!(out, "{name:columns$}  {value}").expect("writing to a String cannot fail");
        }
        if !totals.is_empty() {
            out.push('\n');
        }
        let digits = totals.iter().map(|(_, value)| value.len()).max().unwrap_or(0);
        for (name, value) in &totals {
            writeln!(out, "{name:columns$}  {value:>digits$}").expect("writing to a String cannot fail");
        }
        for table in status.tables.iter().map(Table::text).filter(|text| !text.is_empty()) {
            out.push('\n');
            out.push_str(&table);
        }
        out
    }

    /// How long before the question a moment was.
    fn ago(&self, unix_seconds: u64) -> String {
        let at = UNIX_EPOCH + Duration::from_secs(unix_seconds);
        span(self.asked.duration_since(at).unwrap_or_default())
    }

    fn readiness(&self) -> String {
        match self.status.waiting.as_slice() {
            _ if self.status.draining => "no: draining".to_owned(),
            [] => "yes".to_owned(),
            waiting => format!("no: waiting for {}", waiting.join(", ")),
        }
    }
}

/// `3 d 4 h`: the two largest units of a time.
pub fn span(time: Duration) -> String {
    const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)];
    let mut rest = time.as_secs();
    let parts: Vec<_> = UNITS
        .iter()
        .map(|&(unit, seconds)| {
            let count = rest / seconds;
            rest %= seconds;
            (count, unit)
        })
        .skip_while(|&(count, _)| count == 0)
        .take(2)
        .filter(|&(count, _)| count > 0)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}

/// Whole numbers without a fraction, others with up to three digits of it.
fn number(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.3}") }
}

#[cfg(test)]
mod tests;
