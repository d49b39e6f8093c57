//! What a translator may have and may do without.

use config::{Gateway, parse, show};
use std::path::Path;

#[track_caller]
fn read(text: &str) -> Gateway {
    match parse(text, "gateway.toml") {
        Ok(loaded) => loaded.model,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn explicit_maps_alone_need_no_prefix() {
    let text = "[nat64]\nipv4_addr = \"192.0.2.1\"\nipv6_addr = \"2001:db8::1\"\n\
                [[nat64.map]]\nv4 = \"192.0.2.10\"\nv6 = \"2001:db8::10\"\n";
    let model = read(text);
    assert_eq!(model.prefix, None);
    assert_eq!(read(&show(&model)), model);
    let error = parse(text.split("[[").next().expect("the first part"), "gateway.toml").err();
    assert!(error.is_some_and(|error| error.to_string().contains("[prefix], which is missing")));
}

#[test]
fn the_own_address_may_be_the_one_that_stands_for_the_other() {
    let text = |v6: &str| {
        format!(
            "[prefix]\npref64 = \"2001:db8:64::/96\"\n[nat64]\nipv4_addr = \"192.0.2.1\"\nipv6_addr = \"{v6}\"\n"
        )
    };
    read(&text("2001:db8:64::192.0.2.1"));
    let error = parse(&text("2001:db8:64::192.0.2.2"), "gateway.toml").err();
    assert!(error.is_some_and(|error| error.to_string().contains("lies in the translation prefix")));
}

#[test]
fn leases_may_live_in_memory_alone() {
    let text = |dir: &str| {
        format!(
            "[prefix]\npref64 = \"2001:db8:64::/96\"\n[nat64]\nipv4_addr = \"192.0.2.1\"\n\
             ipv6_addr = \"2001:db8::1\"\nstate_dir = \"{dir}\"\n"
        )
    };
    let state_dir = |text: &str| read(text).nat64.expect("the section").state_dir;
    assert_eq!(state_dir(&text("none")), None);
    assert_eq!(state_dir(&show(&read(&text("none")))), None);
    assert_eq!(state_dir(&text("/none")).as_deref(), Some(Path::new("/none")));
}
