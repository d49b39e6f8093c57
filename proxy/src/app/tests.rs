use super::*;

fn refusals(listener: &str) -> Vec<(String, String)> {
    let text = format!(
        "[proxy]\n[[proxy.listener]]\nname = \"plain\"\nbind = [\"[::1]:80\"]\npool = \"web\"\n\
         [[proxy.listener]]\nname = \"web\"\nbind = [\"[::1]:443\"]\npool = \"web\"\n{listener}\n\
         [[proxy.pool]]\nname = \"web\"\n"
    );
    let loaded = config::parse(&text, "gateway.toml").expect("the file itself is valid");
    App::check(&loaded.model).into_iter().map(|refusal| (refusal.path, refusal.help)).collect()
}

#[test]
fn what_is_served_is_not_refused() {
    for mode in ["tcp", "http", "udp"] {
        assert_eq!(refusals(&format!("mode = \"{mode}\"")), []);
    }
    for mode in ["tcp", "http"] {
        let tls = "tls = { certificates = [\"/etc/causeway/web.pem\"] }";
        assert_eq!(refusals(&format!("mode = \"{mode}\"\n{tls}")), []);
    }
}

#[test]
fn http_2_is_refused_at_its_place_with_a_remedy() {
    let tls = "tls = { certificates = [\"/etc/causeway/web.pem\"], alpn = [\"h2\"] }";
    let h2 = refusals(&format!("mode = \"http\"\n{tls}"));
    assert_eq!(h2.len(), 1);
    assert_eq!(h2[0].0, "proxy.listener[1].tls.alpn");
    assert!(h2[0].1.contains("leave out \"h2\""), "{h2:?}");
    assert_eq!(refusals(&format!("mode = \"tcp\"\n{tls}")), [], "members may speak it");
}

#[test]
fn listeners_without_lines_are_named_where_there_is_a_log() {
    let advice = |format: &str, mode: &str| {
        let text = format!(
            "[proxy]\nlog = {{ format = \"{format}\" }}\n\
             [[proxy.listener]]\nname = \"web\"\nbind = [\"[::1]:80\"]\npool = \"web\"\nmode = \"{mode}\"\n\
             [[proxy.pool]]\nname = \"web\"\n"
        );
        App::advise(&config::parse(&text, "gateway.toml").expect("the file is valid").model)
    };
    assert_eq!(advice("json", "tcp"), [""; 0]);
    assert_eq!(advice("off", "http"), [""; 0]);
    assert_eq!(advice("json", "http"), ["proxy.log tells of tcp connections alone, and not of \"web\""]);
    assert_eq!(advice("tcplog", "udp").len(), 1);
}
