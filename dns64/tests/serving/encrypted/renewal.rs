//! Certificates and listeners that change while the daemon serves.

use super::tls::connect;
use super::{FILE, NAME, Site, certificate, keys, pem};
use crate::daemon::{Daemon, ask_udp, doomed, file, framed, listener, read_framed};
use crate::scripted::Scripted;
use crate::world::{PREF64, question, synthesized, v6};
use hickory_proto::rr::RecordType;
use rustls::pki_types::CertificateDer;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

async fn answers(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    stream.write_all(&framed(&question("v4.example.", RecordType::AAAA))).await.unwrap();
    assert_eq!(v6(&read_framed(stream).await), synthesized());
}

fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

async fn expiry(site: &Site) -> String {
    let metrics = site.daemon.admin("GET", "/metrics").await;
    metrics
        .lines()
        .find(|line| line.starts_with("causeway_dns64_certificate_expiry"))
        .map(str::to_owned)
        .unwrap_or_default()
}

#[tokio::test]
async fn a_renewed_certificate_is_served_after_a_reload_and_open_connections_go_on() {
    let site = Site::new().await;
    let mut before = connect(site.tls, &site.pem, NAME).await;
    answers(&mut before).await;
    let renewed = pem(&[NAME, "second.example"]);
    site.daemon.put(FILE, &renewed);
    let answer = site.daemon.admin("POST", "/reload").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("has another certificate"), "{answer}");
    let mut after = connect(site.tls, &renewed, "second.example").await;
    assert_eq!(shown(&after), certificate(&renewed));
    answers(&mut after).await;
    answers(&mut before).await;
    assert_eq!(shown(&before), certificate(&site.pem));
    let answer = site.daemon.admin("POST", "/reload").await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && !answer.contains("certificate"),
        "nothing changed: {answer}"
    );
}

#[tokio::test]
async fn sighup_reads_certificates_again_although_the_file_is_the_same() {
    let site = Site::new().await;
    let renewed = pem(&[NAME]);
    site.daemon.put(FILE, &renewed);
    site.daemon.hang_up();
    site.daemon.metric_becomes("causeway_config_generation", "2").await;
    assert_eq!(shown(&connect(site.tls, &renewed, NAME).await), certificate(&renewed));
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_refuses_the_reload_and_the_old_one_stays() {
    let site = Site::new().await;
    let expiry_before = expiry(&site).await;
    assert!(expiry_before.contains(FILE), "{expiry_before}");
    let (other, key) = (pem(&[NAME]), pem(&[NAME]));
    let mismatch = other.replace(&other[other.find("-----BEGIN PRIVATE").unwrap()..], "")
        + &key[key.find("-----BEGIN PRIVATE").unwrap()..];
    for (bad, says) in [("", "no certificate"), ("garbage", "no certificate"), (&mismatch, "does not belong")]
    {
        site.daemon.put(FILE, bad);
        let answer = site.daemon.admin("POST", "/reload").await;
        assert!(answer.starts_with("HTTP/1.1 422"), "{answer}");
        for part in [says, FILE, "dns64.tls.certificates[0]", "help"] {
            assert!(answer.contains(part), "{part} in {answer}");
        }
        let mut stream = connect(site.tls, &site.pem, NAME).await;
        answers(&mut stream).await;
    }
    assert_eq!(expiry(&site).await, expiry_before);
}

#[tokio::test]
async fn listeners_of_every_kind_come_and_go_and_open_connections_stay() {
    let site = Site::new().await;
    let mut stays = connect(site.tls, &site.pem, NAME).await;
    let [tls, https, quic] = [(); 3].map(|()| listener());
    let answer = site.daemon.reload(&site.text(PREF64, [tls, https, quic])).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answers(&mut stays).await;
    answers(&mut connect(tls, &site.pem, NAME).await).await;
    super::https::answers(https, &site.pem).await;
    super::quic::answers(quic, &site.pem).await;
    site.freed(site.tls).await;
    site.freed(site.https).await;
    assert_eq!(v6(&ask_udp(site.plain, "v4.example.", RecordType::AAAA).await), synthesized());
}

#[tokio::test]
async fn tls_and_https_change_places_since_both_addresses_are_ours() {
    // With one worker nobody is left at the old place as soon as HTTP is spoken there.
    let site = Site::with("workers = 1\n").await;
    let (tls, https) = (site.https, site.tls);
    let answer = site.daemon.reload(&site.text(PREF64, [tls, https, site.quic])).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    super::https::is_spoken(https, &site.pem).await;
    super::https::answers(https, &site.pem).await;
    answers(&mut connect(tls, &site.pem, NAME).await).await;
}

/// What the program says of a file whose certificate is `content`, or is missing.
fn refused(content: Option<&str>, arguments: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join(FILE);
    if let Some(content) = content {
        std::fs::write(&bundle, content).unwrap();
    }
    let addresses: [SocketAddr; 3] = [(); 3].map(|()| listener());
    let keys = keys(addresses).replace(&format!("FOLDER/{FILE}"), bundle.to_str().unwrap());
    let output = doomed(&file(PREF64, &[listener()], &[Scripted::nobody()], &keys), arguments);
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_missing_or_unusable_certificate_is_named_by_check_and_at_the_start() {
    let whole = pem(&[NAME]);
    let keyless = &whole[..whole.find("-----BEGIN PRIVATE").unwrap()];
    for (content, says) in
        [(None, "No such file"), (Some("nothing"), "no certificate"), (Some(keyless), "no private key")]
    {
        for arguments in [&["check"][..], &[]] {
            let (code, said) = refused(content, arguments);
            assert_eq!(code, Some(2), "{said}");
            for part in ["dns64.tls.certificates[0]", FILE, says, "help:"] {
                assert!(said.contains(part), "{part} in {said}");
            }
        }
    }
}

#[tokio::test]
async fn a_certificate_that_has_ended_is_served_with_a_warning() {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let ended = params.self_signed(&key).unwrap().pem() + &key.serialize_pem();
    let text = file(PREF64, &[listener()], &[Scripted::nobody()], &keys([(); 3].map(|()| listener())));
    let daemon = Daemon::start_beside(&text, &[(FILE, &ended)]).await;
    let log = daemon.log();
    let warning = log.lines().find(|line| line.contains("WARN") && line.contains(FILE)).expect("a warning");
    assert!(warning.contains("ended on Jan  1 00:00:00 2021"), "{warning}");
    let (code, said) = refused(Some(&ended), &["check"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("warning") && said.contains("ended on"), "{said}");
}
