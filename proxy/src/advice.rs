//! What an operator should know of a configuration that is right and may still not do what is wanted. Pure.

use config::model::{AdminState, CheckKind, Listener, Member, Mode, Pool, Proxy};

/// All of it, one line each.
pub(crate) fn of(proxy: &Proxy) -> Vec<String> {
    let closed = proxy.pool.iter().filter_map(closed);
    let checked = proxy.listener.iter().filter_map(|listener| checked_otherwise(proxy, listener));
    let plain = proxy.listener.iter().filter_map(plain_passwords);
    closed.chain(checked).chain(plain).collect()
}

/// A pool that takes no new clients, however well its members are.
fn closed(pool: &Pool) -> Option<String> {
    let takes = |member: &Member| member.state == AdminState::Ready && member.weight > 0;
    let why = if pool.member.is_empty() {
        "has no member"
    } else if !pool.member.iter().any(takes) {
        "has no member that is ready and has a weight"
    } else {
        return None;
    };
    Some(format!("pool \"{}\" {why}: its listeners turn new clients away", pool.name))
}

/// A listener of mode udp whose members are checked at a port of TCP that nobody has named and no other listener uses.
fn checked_otherwise(proxy: &Proxy, listener: &Listener) -> Option<String> {
    let pool = proxy.pool.iter().find(|pool| pool.name == listener.pool)?;
    let is_checked = pool.check.kind != CheckKind::Off && pool.check.port.is_none();
    let has_streams =
        proxy.listener.iter().any(|other| other.mode != Mode::Udp && other.pool == listener.pool);
    (listener.mode == Mode::Udp && is_checked && !has_streams).then(|| {
        format!(
            "listener \"{}\" takes datagrams, and the members of pool \"{}\" are checked over TCP at the same port; \
             where nothing listens there, give proxy.pool.check another port, or kind = \"off\"",
            listener.name, pool.name
        )
    })
}

/// A listener that asks for passwords which cross the network as they are.
fn plain_passwords(listener: &Listener) -> Option<String> {
    let asks = listener.tls.is_none() && listener.rule.iter().any(|rule| rule.auth.is_some());
    asks.then(|| {
        format!(
            "listener \"{}\" asks for passwords and has no tls: whoever is on the way can read them",
            listener.name
        )
    })
}
