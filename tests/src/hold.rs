//! The commands to look inside a lab that is left running.

use crate::gateway::Role;
use crate::lab::Lab;
use crate::sandbox::Standing;
use crate::topology::{ALPHA, PROXY, RESOLVER, names, through_nat64};
use std::fmt::Write;
use std::process;

/// The last line of the instructions, after which nothing is printed until somebody asks for the end.
pub const READY: &str = "Ctrl-C takes it all down.";

/// What to type, with this lab's paths and process ids.
pub fn instructions(lab: &Lab, standing: Standing) -> String {
    let enter = match standing {
        Standing::Root => "nsenter".to_owned(),
        Standing::UserNamespace => format!("nsenter -t {} -U --preserve-credentials", process::id()),
    };
    let mut text = String::from("\n  The lab is running. To look inside, in another shell:\n\n");
    let mut line = |command: &str| {
        let indent = if command.is_empty() { "" } else { "    " };
        writeln!(text, "{indent}{command}").expect("a String takes all");
    };
    for namespace in lab.network.namespaces() {
        line(&format!("{enter} --net={} bash    # {}", namespace.path().display(), namespace.name()));
    }
    let client = format!("{enter} --net={}", lab.network.client.path().display());
    line("");
    line(&format!("{client} ping {}", through_nat64(ALPHA)));
    line(&format!("{client} dig @{RESOLVER} {} AAAA", names::ALPHA));
    line(&format!("{client} curl -sS 'http://[{PROXY}]/' 'http://[{}]/'", through_nat64(ALPHA)));
    // Names come from the lab's own resolver where its resolv.conf stands in the place of the machine's.
    let resolv_conf = lab.files.resolv_conf();
    let by_name = format!(
        "mount --bind {} /etc/resolv.conf && curl -sS http://{}/",
        resolv_conf.display(),
        names::ALPHA
    );
    line(&format!("{client} unshare --mount sh -c '{by_name}'"));
    line("");
    for role in Role::ALL {
        if let Ok(program) = lab.binaries().path(role.program()) {
            line(&format!("{} status --socket {}", program.display(), lab.files.admin().display()));
        }
    }
    for role in Role::ALL {
        if let Ok(daemon) = lab.daemon(role) {
            line(&format!(
                "curl -sS --unix-socket {} http://localhost/metrics",
                daemon.admin.socket().display()
            ));
        }
    }
    line(&format!("tail -f {}/*.log", lab.files.logs().display()));
    line(&format!("$EDITOR {}    # then: kill -HUP {}", lab.files.config().display(), pids(lab)));
    write!(text, "\n  {READY}").expect("a String takes all");
    text
}

fn pids(lab: &Lab) -> String {
    let pids: Vec<String> = lab.daemons().iter().map(|daemon| daemon.program.pid().to_string()).collect();
    pids.join(" ")
}
