//! Service binding records (RFC 9460 §4.2.1): synthesis is not carried over to their hints.

use crate::site::Site;
use crate::zone::hex;

/// `1 . alpn=h2 ipv4hint=192.0.2.1 ipv6hint=2001:db8:1::1`
const HINTS: &str = "0001000001000302683200040004c00002010006001020010db8000100000000000000000001";

#[tokio::test]
async fn rule_59_hints_pass_octet_by_octet() {
    for number in [64, 65] {
        let zone = format!("svc.example. TYPE{number} \\# {HINTS}\nsvc.example. A 192.0.2.1");
        let site = Site::new(&zone).await;
        for flags in ["", "+do"] {
            let octets = site.ask_octets(&format!("svc.example. TYPE{number} {flags}")).await;
            let data = hex(HINTS);
            assert!(octets.windows(data.len()).any(|window| window == data), "TYPE{number} {flags}");
        }
        assert!(site.asked().iter().all(|asked| !asked.ends_with(" A") && !asked.ends_with(" AAAA")));
    }
}
