//! Pulls.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE;
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::*;
use crate::fake_vic::fault;
use crate::image::{Entry, ImageBuilder, LayerBuilder, Platform};
use crate::registry::{Auth, Credentials, Options, Registry};

/// A registry with one image.
async fn registry(auth: Auth) -> Registry {
    let registry = Registry::start(Options { auth, ..Options::default() }).await.unwrap();
    let layer = LayerBuilder::new().with("file", Entry::file("content")).build().unwrap();
    let image = ImageBuilder::new(Platform::host()).layer(layer).cmd(["/run"]).env("A", "b").build().unwrap();
    registry.push("app", "1", &image);
    registry
}

impl Bench {
    async fn persona(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Answered {
        let answer = client::open(self.fake.persona(), method, target, headers, client::full("")).await;
        client::read(answer.unwrap()).await.unwrap()
    }

    async fn try_pull(&self, reference: &str, headers: &[(&str, &str)]) -> Answered {
        self.persona("POST", &format!("/v1.35/images/create?fromImage={reference}"), headers).await
    }

    async fn images(&self) -> Value {
        let text = self.get("/kv/docker.images").await.ok();
        serde_json::from_str(text["Value"].as_str().unwrap()).unwrap()
    }
}

fn lines(answer: &Answered) -> Vec<Value> {
    answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn it_says_what_it_is() {
    let bench = Bench::new().await;
    assert_eq!(bench.persona("GET", "/v1.35/info", &[]).await.ok()["OSType"], "linux");
    assert_eq!(bench.persona("GET", "/info", &[]).await.status, 200);
    assert_eq!(bench.persona("GET", "/v1.35/containers/json", &[]).await.refusal().0, 404);
    bench.fake.faults().inject(fault::persona_is_away(500));
    assert_eq!(bench.persona("GET", "/v1.35/info", &[]).await.status, 500);
    bench.finish().await;
}

#[tokio::test]
async fn what_was_pulled_is_known() {
    let (bench, registry) = (Bench::new().await, registry(Auth::None).await);
    let name = format!("{}/app", registry.address());
    let answer = bench.persona("POST", &format!("/v1.35/images/create?fromImage={name}&tag=1"), &[]).await;
    assert_eq!((answer.status, answer.headers["content-type"].to_str().unwrap()), (200, "application/json"));
    let told = lines(&answer);
    assert_eq!(told[0], json!({"status": "Pulling from app", "id": "1"}));
    for status in ["Pulling fs layer", "Downloading", "Download complete", "Pull complete"] {
        let line =
            told.iter().find(|line| line["status"] == status).unwrap_or_else(|| panic!("{status}: {told:?}"));
        assert_eq!(line["id"].as_str().unwrap().len(), 12);
    }
    let last = told.last().unwrap()["status"].as_str().unwrap();
    assert_eq!(last, format!("Status: Downloaded newer image for {name}:1"));
    let images = bench.images().await;
    let image = &images["CacheByName"][format!("{name}:1")];
    let id = image["image_id"].as_str().unwrap();
    assert_eq!(&images["CacheByID"][format!("sha256:{id}")], image);
    assert_eq!((&image["config"]["Cmd"], &image["config"]["Env"]), (&json!(["/run"]), &json!(["A=b"])));
    assert_eq!((&image["name"], &image["tags"]), (&json!(name), &json!(["1"])));
    let layer = image["id"].as_str().unwrap();
    let stored = bench.get(&format!("/storage/{}/info/{layer}", bench.fake.host_uuid())).await.ok();
    assert_eq!(stored["ID"], json!(layer));
    // Once more, it is there.
    let again = lines(&bench.try_pull(&format!("{name}:1"), &[]).await);
    assert_eq!(again.last().unwrap()["status"], format!("Status: Image is up to date for {name}:1"));
    bench.finish().await;
}

#[tokio::test]
async fn names_are_as_they_were_written() {
    for (bug, found) in [(false, true), (true, false)] {
        let bugs = Bugs { second_name_is_lost: bug, ..Bugs::default() };
        let bench = Bench::with(FakeVicOptions { bugs, ..quick() }).await;
        let registry = registry(Auth::None).await;
        let (one, other) = (
            format!("{}/app:1", registry.address()),
            format!("localhost:{}/app:1", registry.address().rsplit_once(':').unwrap().1),
        );
        bench.pull(&one).await;
        bench.try_pull(&other, &[]).await.lines_end_well();
        let images = bench.images().await;
        assert!(images["CacheByName"].get(&one).is_some());
        assert_eq!(images["CacheByName"].get(&other).is_some(), found);
        assert_eq!(images["CacheByName"].get(&one[..one.len() - 2]), None, "with a tag only");
        bench.finish().await;
    }
}

impl Answered {
    #[track_caller]
    fn lines_end_well(&self) {
        assert!(lines(self).iter().all(|line| line.get("error").is_none()), "{self:?}");
    }
}

#[tokio::test]
async fn credentials() {
    let auth = Auth::Basic(Credentials::new("user", "secret"));
    let (bench, registry) = (Bench::new().await, registry(auth).await);
    let reference = registry.reference("app", "1");
    let header = |password: &str| {
        BASE64_URL_SAFE.encode(json!({"username": "user", "password": password}).to_string())
    };
    assert_eq!(bench.try_pull(&reference, &[]).await.refusal().0, 500);
    let wrong = bench.try_pull(&reference, &[("X-Registry-Auth", &header("wrong"))]).await;
    assert!(wrong.status == 500 && wrong.text.contains("unauthorized"), "{wrong:?}");
    let right = bench.try_pull(&reference, &[("X-Registry-Auth", &header("secret"))]).await;
    right.lines_end_well();
    bench.finish().await;
}

#[tokio::test]
async fn what_can_not_be_pulled() {
    let (bench, registry) = (Bench::new().await, registry(Auth::None).await);
    assert_eq!(bench.try_pull("%20", &[]).await.refusal(), (400, "invalid reference format".into()));
    assert_eq!(bench.try_pull(&registry.reference("nobody", "1"), &[]).await.status, 404);
    let faults = bench.fake.faults();
    faults.inject(fault::pull_is_refused(503, "no more"));
    let reference = registry.reference("app", "1");
    assert_eq!(bench.try_pull(&reference, &[]).await.refusal(), (503, "no more".into()));
    faults.inject(fault::pull_breaks("unexpected EOF"));
    let broken = bench.try_pull(&reference, &[]).await;
    assert_eq!(broken.status, 200, "it had begun");
    let last = lines(&broken).pop().unwrap();
    assert_eq!(last, json!({"errorDetail": {"message": "unexpected EOF"}, "error": "unexpected EOF"}));
    assert_eq!(bench.images().await["CacheByName"].get(&reference), None);
    bench.try_pull(&reference, &[]).await.lines_end_well();
    bench.finish().await;
}

#[tokio::test]
async fn over_tls() {
    let engine = EngineOptions { isolation: Some(Isolation::None), ..EngineOptions::default() };
    let engine = Engine::start(engine).await.unwrap();
    let options = FakeVicOptions { persona_tls: true, ..quick() };
    let fake = FakeVic::start(engine.clone(), &options).await.unwrap();
    let authority = fake.persona_authority().unwrap();
    assert!(fake.url().contains("&persona_ca=%2F"), "{}", fake.url());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(fake.persona()).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("/v1.35/info").header("host", "persona").body(client::full("")).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status().as_u16(), 200);
    // In plain text it says nothing.
    assert!(client::ask(fake.persona(), "GET", "/info", None).await.is_err());
    fake.shutdown().await;
    engine.shutdown().await.unwrap();
}
