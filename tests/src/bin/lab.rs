//! `cargo lab`: shows what an IPv6-only client experiences behind the gateway.

use anyhow::{Context, Result, ensure};
use clap::Parser;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use std::{env, process};
use tests::binaries::Binaries;
use tests::check::CHECKS;
use tests::interrupt::Interrupt;
use tests::lab::Lab;
use tests::report::{self, Outcome, Paint};
use tests::sandbox;
use tests::{hold, topology};

/// Runs the gateway in a private lab and shows what an IPv6-only client experiences.
#[derive(Parser)]
#[command(name = "lab")]
struct Arguments {
    /// Leave the lab running afterwards, and print the commands to look inside.
    #[arg(long)]
    hold: bool,
    /// Print the results as one JSON object.
    #[arg(long, conflicts_with = "hold")]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(cause) => {
            if arguments.json {
                // A machine reads the object and nothing else, also when there is no lab to speak of.
                let failure = Outcome::no_lab(&cause);
                let _ = writeln!(io::stdout(), "{}", report::machine(&[failure]));
            }
            let _ = writeln!(io::stderr(), "{cause:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all checks are green.
fn run(arguments: &Arguments) -> Result<bool> {
    let binaries = Binaries::build()?;
    // From here on the machine's own network is out of reach; nothing before may have made a thread.
    let standing = sandbox::enter()?;
    let interrupt = Interrupt::watch()?;
    let mut out = io::stdout();
    let paint =
        if out.is_terminal() && env::var_os("NO_COLOR").is_none() { Paint::Colours } else { Paint::Plain };
    if !arguments.json {
        writeln!(out, "{}", topology::PICTURE)?;
        out.flush()?;
    }
    let start = Instant::now();
    let lab = Lab::start(&binaries)?;
    let outcomes = check_all(&lab, &interrupt, |outcome, first| {
        if arguments.json {
            Ok(())
        } else {
            Ok(writeln!(io::stdout(), "{}", report::row(outcome, first, paint))?)
        }
    })?;
    let mut ok = outcomes.iter().all(|outcome| outcome.ok);
    if arguments.json {
        writeln!(out, "{}", report::machine(&outcomes))?;
    } else {
        writeln!(out, "\n{}", report::summary(&outcomes, start.elapsed(), paint))?;
    }
    if !ok {
        tell_failure(&lab)?;
    }
    if arguments.hold {
        writeln!(out, "{}", hold::instructions(&lab, standing))?;
        out.flush()?;
        ok &= hold(&lab, &interrupt)?;
        writeln!(out, "\nTaking the lab down.")?;
    }
    drop(lab);
    Ok(ok)
}

/// Waits until somebody asks for the end or a daemon dies; false for the latter.
fn hold(lab: &Lab, interrupt: &Interrupt) -> Result<bool> {
    for daemon in lab.daemons() {
        let interrupt = interrupt.clone();
        daemon.program.at_end(move || interrupt.ask());
    }
    interrupt.wait();
    let casualties = lab.casualties();
    for casualty in &casualties {
        writeln!(io::stderr(), "\n{casualty}")?;
    }
    Ok(casualties.is_empty())
}

/// Runs the checks in order; after the death of a daemon the rest is not worth waiting for.
fn check_all(
    lab: &Lab,
    interrupt: &Interrupt,
    mut show: impl FnMut(&Outcome, bool) -> Result<()>,
) -> Result<Vec<Outcome>> {
    let mut outcomes: Vec<Outcome> = Vec::new();
    for check in CHECKS {
        ensure!(!interrupt.asked(), "interrupted; the lab is gone");
        let start = Instant::now();
        let dead = lab.casualties();
        let result = if dead.is_empty() { (check.run)(lab) } else { Err(anyhow::anyhow!(dead.join("; "))) };
        let outcome = Outcome::of(check, result, start.elapsed());
        show(&outcome, outcomes.last().is_none_or(|last| last.part != outcome.part))?;
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// Keeps the captures and shows what the daemons said.
fn tell_failure(lab: &Lab) -> Result<()> {
    let mut err = io::stderr();
    let folder = lab.keep(&captures_folder()?.join(format!("lab-{}", process::id())))?;
    for daemon in lab.daemons() {
        writeln!(err, "\n{}", daemon.last_words())?;
    }
    writeln!(err, "\nCaptures and logs are kept in {}", folder.display())?;
    Ok(())
}

/// `target/lab-captures`, beside the profile's folder that this program lies in.
fn captures_folder() -> Result<PathBuf> {
    let own = env::current_exe()?;
    let target = own.parent().and_then(Path::parent).context("this program lies in no target folder")?;
    Ok(target.join("lab-captures"))
}
