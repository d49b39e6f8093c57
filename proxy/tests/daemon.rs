//! The real causeway-proxy over loopback: real sockets, small servers of our own behind it, clients that speak in bytes.
//!
//! Everything waits on conditions with a deadline; ports are found free.

#[cfg(test)]
#[path = "daemon/advisories.rs"]
mod advisories;
#[cfg(test)]
#[path = "daemon/answers.rs"]
mod answers;
#[cfg(test)]
#[path = "daemon/backend.rs"]
mod backend;
#[cfg(test)]
#[path = "daemon/certificate.rs"]
mod certificate;
#[cfg(test)]
#[path = "daemon/checks.rs"]
mod checks;
#[cfg(test)]
#[path = "daemon/client.rs"]
mod client;
#[cfg(test)]
#[path = "daemon/cookie_peers.rs"]
mod cookie_peers;
#[cfg(test)]
#[path = "daemon/cookies.rs"]
mod cookies;
#[cfg(test)]
#[path = "daemon/datagrams.rs"]
mod datagrams;
#[cfg(test)]
#[path = "daemon/desync.rs"]
mod desync;
#[cfg(test)]
#[path = "daemon/differential.rs"]
mod differential;
#[cfg(test)]
#[path = "daemon/faults.rs"]
mod faults;
#[cfg(test)]
#[path = "daemon/foreign.rs"]
mod foreign;
#[cfg(test)]
#[path = "daemon/framing.rs"]
mod framing;
#[cfg(test)]
#[path = "daemon/gates.rs"]
mod gates;
#[cfg(test)]
#[path = "daemon/gateway.rs"]
mod gateway;
#[cfg(test)]
#[path = "daemon/grpc.rs"]
mod grpc;
#[cfg(test)]
#[path = "daemon/health.rs"]
mod health;
#[cfg(test)]
#[path = "daemon/http.rs"]
mod http;
#[cfg(test)]
#[path = "daemon/http2.rs"]
mod http2;
#[cfg(test)]
#[path = "daemon/http2_advisories.rs"]
mod http2_advisories;
#[cfg(test)]
#[path = "daemon/http2_conformance.rs"]
mod http2_conformance;
#[cfg(test)]
#[path = "daemon/http2_floods.rs"]
mod http2_floods;
#[cfg(test)]
#[path = "daemon/http2_frames.rs"]
mod http2_frames;
#[cfg(test)]
#[path = "daemon/http2_member.rs"]
mod http2_member;
#[cfg(test)]
#[path = "daemon/http2_tunnels.rs"]
mod http2_tunnels;
#[cfg(test)]
#[path = "daemon/identity.rs"]
mod identity;
#[cfg(test)]
#[path = "daemon/leaving.rs"]
mod leaving;
#[cfg(test)]
#[path = "daemon/limits.rs"]
mod limits;
#[cfg(test)]
#[path = "daemon/listeners.rs"]
mod listeners;
#[cfg(test)]
#[path = "daemon/load.rs"]
mod load;
#[cfg(test)]
#[path = "daemon/log.rs"]
mod log;
#[cfg(test)]
#[path = "daemon/log_faults.rs"]
mod log_faults;
#[cfg(test)]
#[path = "daemon/log_http.rs"]
mod log_http;
#[cfg(test)]
#[path = "daemon/member_http2.rs"]
mod member_http2;
#[cfg(test)]
#[path = "daemon/member_tls.rs"]
mod member_tls;
#[cfg(test)]
#[path = "daemon/member_tunnels.rs"]
mod member_tunnels;
#[cfg(test)]
#[path = "daemon/memory.rs"]
mod memory;
#[cfg(test)]
#[path = "daemon/memory_http.rs"]
mod memory_http;
#[cfg(test)]
#[path = "daemon/namespace.rs"]
mod namespace;
#[cfg(test)]
#[path = "daemon/operator.rs"]
mod operator;
#[cfg(test)]
#[path = "daemon/people.rs"]
mod people;
#[cfg(test)]
#[path = "daemon/pools.rs"]
mod pools;
#[cfg(test)]
#[path = "daemon/proxy_protocol.rs"]
mod proxy_protocol;
#[cfg(test)]
#[path = "daemon/queue.rs"]
mod queue;
#[cfg(test)]
#[path = "daemon/recorder.rs"]
mod recorder;
#[cfg(test)]
#[path = "daemon/reload.rs"]
mod reload;
#[cfg(test)]
#[path = "daemon/request_limits.rs"]
mod request_limits;
#[cfg(test)]
#[path = "daemon/rest.rs"]
mod rest;
#[cfg(test)]
#[path = "daemon/reuse.rs"]
mod reuse;
#[cfg(test)]
#[path = "daemon/rules.rs"]
mod rules;
#[cfg(test)]
#[path = "daemon/smuggling.rs"]
mod smuggling;
#[cfg(test)]
#[path = "daemon/sni.rs"]
mod sni;
#[cfg(test)]
#[path = "daemon/sockets.rs"]
mod sockets;
#[cfg(test)]
#[path = "daemon/tcp.rs"]
mod tcp;
#[cfg(test)]
#[path = "daemon/tls.rs"]
mod tls;
#[cfg(test)]
#[path = "daemon/trailers.rs"]
mod trailers;
#[cfg(test)]
#[path = "daemon/tunnel.rs"]
mod tunnel;
#[cfg(test)]
#[path = "daemon/udp.rs"]
mod udp;
#[cfg(test)]
#[path = "daemon/versions.rs"]
mod versions;
