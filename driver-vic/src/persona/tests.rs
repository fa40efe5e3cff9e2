use base64::engine::general_purpose::URL_SAFE;
use runtime_core::spec::RegistryCredentials;
use serde_json::{Value, json};
use testkit::scripted::{Answer, Scripted};

use super::*;

async fn server(answer: impl Fn() -> Answer + Send + Sync + 'static) -> (Scripted, Persona) {
    let server = Scripted::start(move |_, _| answer()).await.unwrap();
    let config = Config::new("vch:1", "u").with_persona(server.url.strip_prefix("http://").unwrap());
    let persona = Persona::new(&config).await.unwrap().unwrap();
    (server, persona)
}

async fn pull(answer: impl Fn() -> Answer + Send + Sync + 'static) -> Result<Vec<PullLine>> {
    let (_server, persona) = server(answer).await;
    let mut lines = Vec::new();
    let image = "busybox".parse().unwrap();
    persona.pull(&Context::background(), &image, None, |line| lines.push(line.clone())).await?;
    Ok(lines)
}

fn lines(lines: &[Value]) -> Answer {
    let text: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    Answer::Whole(200, "", text)
}

#[test]
fn names_are_sent_as_dockers_client_does() {
    let digest = format!("sha256:{}", "a".repeat(64));
    for (image, name, tag) in [
        ("busybox", "busybox", "latest"),
        ("busybox:1", "busybox", "1"),
        ("localhost:5000/team/app", "localhost:5000/team/app", "latest"),
        ("docker.io/library/busybox:1", "busybox", "1"),
        (&format!("busybox@{digest}"), "busybox", &digest),
        (&format!("busybox:7@{digest}"), "busybox", &digest),
    ] {
        let expected = (name.to_owned(), Some(tag.to_owned()));
        assert_eq!(split(&image.parse().unwrap()), expected, "{image}");
    }
}

#[tokio::test]
async fn what_is_told_of_layers_is_passed_on() {
    let told = pull(|| {
        lines(&[
            json!({"status": "Pulling from library/busybox"}),
            json!({"status": "Downloading", "id": "l1", "progressDetail": {"current": 5, "total": 9}}),
            json!({"status": "Complete", "id": "l1", "progressDetail": {}}),
            json!({"status": "Digest", "progressDetail": null}),
        ])
    });
    let told = told.await.unwrap();
    assert_eq!((told.len(), told[1].progress_detail.current), (4, 5));
}

#[tokio::test]
async fn a_failure_in_a_success_is_a_failure() {
    for (message, kind) in [
        ("manifest unknown: manifest unknown", ErrorKind::NotFound),
        ("unexpected http code: 401 Unauthorized, URL: http://r/v2", ErrorKind::Unauthenticated),
        ("dial tcp 127.0.0.1:5000: connection refused", ErrorKind::Unavailable),
        ("busybox is not in the whitelist", ErrorKind::Failed),
    ] {
        let answer = move || {
            lines(&[
                json!({"status": "Pulling"}),
                json!({"errorDetail": {"message": message}, "error": message}),
            ])
        };
        let error = pull(answer).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (kind, message));
    }
    let error = pull(|| lines(&[json!({"error": "plain"})])).await.unwrap_err();
    assert_eq!(error.message(), "plain");
}

#[tokio::test]
async fn other_answers_than_success_count_by_word_and_status() {
    for (code, message, kind) in [
        (404, "no such thing", ErrorKind::NotFound),
        (500, "Get http://r/v2/: dial tcp: no such host", ErrorKind::Unavailable),
        (500, "it broke", ErrorKind::Failed),
    ] {
        let error = pull(move || Answer::json(code, json!({"message": message}))).await.unwrap_err();
        assert_eq!((error.kind(), error.message()), (kind, message));
    }
    assert_eq!(pull(|| Answer::Cut).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(
        pull(|| Answer::Whole(200, "", "<html>\n".to_owned())).await.unwrap_err().kind(),
        ErrorKind::Protocol
    );
}

#[tokio::test]
async fn credentials_go_in_a_header_and_are_never_quoted() {
    let answer = || lines(&[json!({"error": "login with me:hunter2 failed"})]);
    let (server, persona) = server(answer).await;
    let own = RegistryCredentials::basic("localhost:5000", "me", "hunter2");
    let image = "localhost:5000/team/app:1".parse().unwrap();
    let error = persona.pull(&Context::background(), &image, Some(&own), |_| ()).await.unwrap_err();
    assert_eq!(error.message(), "login with me:[redacted] failed");
    let asked = &server.asked()[0];
    let line = "POST /v1.35/images/create?fromImage=localhost%3A5000%2Fteam%2Fapp&tag=1";
    assert_eq!(asked.line, line);
    let header = URL_SAFE.decode(asked.header("x-registry-auth").unwrap()).unwrap();
    let expected = json!({"username": "me", "password": "hunter2", "serveraddress": "localhost:5000"});
    assert_eq!(serde_json::from_slice::<Value>(&header).unwrap(), expected);
}

#[tokio::test]
async fn files_that_can_not_be_used_are_named() {
    let tls = PersonaTls { ca: "/nowhere/ca.pem".into(), identity: None };
    let config = Config::new("vch:1", "u").with_persona("127.0.0.1:1").with_persona_tls(tls);
    let error = Persona::new(&config).await.unwrap_err();
    assert_eq!(error.field(), Some("url.persona_ca"));
    assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
}

/// A server over TLS that answers its first request so, with the certificate that a client has to trust.
async fn tls_server() -> (String, rcgen::CertifiedKey<rcgen::KeyPair>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = TlsAcceptor::from(Arc::new(config.clone())).accept(stream).await else {
                continue;
            };
            let mut request = [0; 4096];
            drop(stream.read(&mut request).await);
            let body = r#"{"ServerVersion":"1.4"}"#;
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            drop(stream.write_all(answer.as_bytes()).await);
        }
    });
    (address, own)
}

#[tokio::test]
async fn over_tls_only_who_is_trusted_is_asked() {
    let (address, own) = tls_server().await;
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for (trusted, is_reached) in [(&own, true), (&other, false)] {
        let ca = dir.path().join("ca.pem");
        std::fs::write(&ca, trusted.cert.pem()).unwrap();
        let config = Config::new("vch:1", "u").with_persona(&address);
        let config = config.with_persona_tls(PersonaTls { ca, identity: None });
        let persona = Persona::new(&config).await.unwrap().unwrap();
        match persona.info(&Context::background()).await {
            Ok(info) => assert!(is_reached && info.server_version == "1.4"),
            Err(refusal) => {
                assert_eq!(
                    (is_reached, refusal.error.kind()),
                    (false, ErrorKind::Failed),
                    "{}",
                    refusal.error
                );
            }
        }
    }
}
