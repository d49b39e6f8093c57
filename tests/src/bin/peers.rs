//! `cargo peers`: measures ours and the program that people run today in one run, and prints how they compare.

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};
use std::env;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use tests::binaries::Binaries;
use tests::interrupt::Interrupt;
use tests::peers::{Missing, Suite, Unknown, cpu, dns64, nat64, proxy, table};
use tests::report::Paint;
use tests::sandbox;

/// From this part on, what others do on the machine is worth a warning.
const BUSY: f64 = 0.1;

/// The machine lacks what the suite needs, or a row does not exist.
const UNUSABLE: u8 = 2;

/// Measures ours beside the program that people run today. Exit status: 0 all targets met, 1 some missed or a failure,
/// 2 bad usage or a package is missing.
#[derive(Parser)]
#[command(name = "peers")]
struct Arguments {
    /// What to measure.
    suite: Name,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
    /// How often each measurement is taken; medians are printed.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Take only these rows: names, or what names begin with, separated by commas.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Name {
    /// causeway-nat64 beside Tayga.
    Nat64,
    /// causeway-dns64 beside Unbound and BIND.
    Dns64,
    /// causeway-proxy beside HAProxy.
    Proxy,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(cause) => {
            let _ = writeln!(io::stderr(), "{cause:#}");
            if cause.is::<Missing>() || cause.is::<Unknown>() {
                ExitCode::from(UNUSABLE)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

/// Whether all targets are met.
fn run(arguments: &Arguments) -> Result<bool> {
    let suite: Box<dyn Suite> = match arguments.suite {
        Name::Nat64 => Box::new(nat64::Suite::choose(&arguments.only)?),
        Name::Dns64 => Box::new(dns64::Suite::choose(&arguments.only)?),
        Name::Proxy => Box::new(proxy::Suite::choose(&arguments.only)?),
    };
    let ours = Binaries::build_only(&[suite.package()])?;
    // From here on the machine's own network is out of reach; nothing before may have made a thread.
    sandbox::enter()?;
    let interrupt = Interrupt::watch()?;
    let busy = cpu::busy()?;
    if busy >= BUSY {
        writeln!(
            io::stderr(),
            "The machine is not idle: others use {:.0} % of its processors, and the figures will tell of them too.",
            busy * 100.0
        )?;
    }
    let watched = io::stderr().is_terminal();
    let report = suite.run(&ours, arguments.rounds.into(), &mut |step| {
        ensure!(!interrupt.asked(), "interrupted; the lab is gone");
        if watched {
            let (round, trial, contestant) = (step.round, step.trial, step.contestant);
            write!(io::stderr(), "\r\x1b[K  round {round} of {}: {trial}, {contestant}", arguments.rounds)?;
        }
        Ok(())
    });
    if watched {
        write!(io::stderr(), "\r\x1b[K")?;
    }
    let report = report?;
    let mut out = io::stdout();
    if arguments.json {
        for line in report.lines() {
            writeln!(out, "{line}")?;
        }
    } else {
        let coloured = out.is_terminal() && env::var_os("NO_COLOR").is_none();
        write!(out, "{}", table::table(&report, if coloured { Paint::Colours } else { Paint::Plain }))?;
    }
    Ok(report.ok())
}
