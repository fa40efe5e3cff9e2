//! The registry over HTTP, as a client sees it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::header::HeaderMap;
use hyper::{Request, client};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::{Action, Auth, Credentials, Options, Registry, Rule};
use crate::image::{Blob, Entry, Format, Image, ImageBuilder, ImageIndex, LayerBuilder, Platform, digest_of};

struct Reply {
    status: u16,
    headers: HeaderMap,
    /// `None` when the connection broke before the body was whole.
    body: Option<Bytes>,
    /// How much of the body came.
    received: usize,
}

impl Reply {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no header {name}")).to_str().unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(self.body.as_ref().unwrap()).unwrap()
    }

    fn error_code(&self) -> String {
        self.json()["errors"][0]["code"].as_str().unwrap().to_owned()
    }
}

/// Sends one request on a connection of its own.
async fn send(registry: &Registry, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
    let address = registry.address();
    let stream = TcpStream::connect(&address).await.unwrap();
    let (mut sender, connection) = client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(connection));
    let mut request = Request::builder().method(method).uri(path).header("host", address);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::copy_from_slice(body))).unwrap();
    let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
    let (body, received) = read(body).await;
    drop(connection);
    Reply { status: parts.status.as_u16(), headers: parts.headers, body, received }
}

async fn read(mut body: hyper::body::Incoming) -> (Option<Bytes>, usize) {
    let mut data = BytesMut::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => data.extend_from_slice(&frame.into_data().unwrap()),
            Err(_) => return (None, data.len()),
        }
    }
    let length = data.len();
    (Some(data.freeze()), length)
}

async fn get(registry: &Registry, path: &str) -> Reply {
    send(registry, "GET", path, &[], b"").await
}

async fn started() -> (Registry, Image) {
    let registry = Registry::start(Options::default()).await.unwrap();
    let image = image("amd64");
    registry.push("guest", "1", &image);
    (registry, image)
}

fn image(architecture: &str) -> Image {
    let layer = LayerBuilder::new().with("file", Entry::file(vec![7; 1000])).build().unwrap();
    ImageBuilder::new(Platform::linux(architecture)).layer(layer).build().unwrap()
}

fn blob_path(blob: &Blob) -> String {
    format!("/v2/guest/blobs/{}", blob.digest)
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

#[tokio::test]
async fn an_image_can_be_pulled() {
    let (registry, image) = started().await;
    assert_eq!(get(&registry, "/v2/").await.status, 200);
    for reference in ["1", image.digest().as_str()] {
        let path = format!("/v2/guest/manifests/{reference}");
        let head = send(&registry, "HEAD", &path, &[], b"").await;
        assert_eq!((head.status, head.body.as_ref().unwrap().len()), (200, 0));
        assert_eq!(head.header("content-length"), image.manifest.data.len().to_string());
        let reply = get(&registry, &path).await;
        assert_eq!(reply.body.as_ref(), Some(&image.manifest.data));
        assert_eq!(reply.header("content-type"), image.manifest.media_type);
        assert_eq!(reply.header("docker-content-digest"), image.digest().as_str());
    }
    for blob in image.blobs() {
        assert_eq!(get(&registry, &blob_path(blob)).await.body.as_ref(), Some(&blob.data));
    }
    let part = send(&registry, "GET", &blob_path(&image.config), &[("range", "bytes=2-5")], b"").await;
    assert_eq!((part.status, part.body.as_deref()), (206, Some(&image.config.data[2..6])));
    assert_eq!(part.header("content-range"), format!("bytes 2-5/{}", image.config.data.len()));
    let beyond = send(&registry, "GET", &blob_path(&image.config), &[("range", "bytes=99999-")], b"").await;
    assert_eq!(beyond.status, 416);
    assert_eq!(registry.requests()[0].path, "/v2/");
    assert!(registry.requests().iter().all(|request| request.status.is_some() && !request.has_authorization));
}

#[tokio::test]
async fn what_is_missing_says_so() {
    let (registry, _) = started().await;
    for (path, status, code) in [
        ("/v2/guest/manifests/2".to_owned(), 404, "MANIFEST_UNKNOWN"),
        ("/v2/other/manifests/1".to_owned(), 404, "NAME_UNKNOWN"),
        (format!("/v2/guest/blobs/{}", digest_of(b"?")), 404, "BLOB_UNKNOWN"),
        ("/v2/guest/blobs/md5:0".to_owned(), 400, "DIGEST_INVALID"),
        ("/v2/Guest/manifests/1".to_owned(), 400, "NAME_INVALID"),
        ("/v1/guest".to_owned(), 404, "NOT_FOUND"),
    ] {
        let reply = get(&registry, &path).await;
        assert_eq!((reply.status, reply.error_code().as_str()), (status, code), "{path}");
    }
    assert_eq!(send(&registry, "PUT", "/v2/guest/tags/list", &[], b"").await.status, 405);
}

#[tokio::test]
async fn an_index_is_given_to_those_who_accept_it() {
    let (registry, _) = started().await;
    let images = vec![image("amd64"), image("arm64")];
    let index = ImageIndex::new(Format::Oci, images).unwrap();
    registry.push_index("multi", "1", &index);
    let path = "/v2/multi/manifests/1";
    let refused = send(&registry, "GET", path, &[("accept", Format::Oci.manifest())], b"").await;
    assert_eq!((refused.status, refused.error_code().as_str()), (404, "MANIFEST_UNKNOWN"));
    let both = format!("{}, {}", Format::Oci.manifest(), Format::Oci.index());
    let reply = send(&registry, "GET", path, &[("accept", &both)], b"").await;
    assert_eq!(reply.json()["manifests"][1]["platform"]["architecture"], "arm64");
    let arm = reply.json()["manifests"][1]["digest"].as_str().unwrap().to_owned();
    assert_eq!(get(&registry, &format!("/v2/multi/manifests/{arm}")).await.status, 200);
}

#[tokio::test]
async fn lists_come_in_pages_with_a_link() {
    let (registry, image) = started().await;
    registry.push("guest", "2", &image);
    let reply = get(&registry, "/v2/guest/tags/list?n=1").await;
    assert_eq!(reply.json(), serde_json::json!({"name": "guest", "tags": ["1"]}));
    assert_eq!(reply.header("link"), "</v2/guest/tags/list?last=1&n=1>; rel=\"next\"");
    let reply = get(&registry, "/v2/guest/tags/list?last=1&n=1").await;
    assert_eq!(reply.json()["tags"], serde_json::json!(["2"]));
    assert!(!reply.headers.contains_key("link"));
    assert_eq!(get(&registry, "/v2/_catalog").await.json(), serde_json::json!({"repositories": ["guest"]}));
    assert!(registry.remove_tag("guest", "2") && !registry.remove_tag("guest", "2"));
}

#[tokio::test]
async fn an_image_can_be_pushed_in_each_way() {
    let registry = Registry::start(Options::default()).await.unwrap();
    let image = image("amd64");
    let [config, layer] = [&image.config, &image.layers[0]];

    // At once.
    let path = format!("/v2/guest/blobs/uploads/?digest={}", config.digest.as_str().replace(':', "%3A"));
    assert_eq!(send(&registry, "POST", &path, &[], &config.data).await.status, 201);
    // In pieces.
    let upload = send(&registry, "POST", "/v2/guest/blobs/uploads/", &[], b"").await;
    let location = upload.header("location").to_owned();
    let (first, second) = layer.data.split_at(10);
    let piece = send(&registry, "PATCH", &location, &[("content-range", "0-9")], first).await;
    assert_eq!((piece.status, piece.header("range")), (202, "0-9"));
    let gap = send(&registry, "PATCH", &location, &[("content-range", "20-29")], first).await;
    assert_eq!(gap.status, 416);
    let done = send(&registry, "PUT", &format!("{location}?digest={}", layer.digest), &[], second).await;
    assert_eq!((done.status, done.header("docker-content-digest")), (201, layer.digest.as_str()));
    // Once more, with the wrong digest.
    let upload = send(&registry, "POST", "/v2/guest/blobs/uploads/", &[], b"").await;
    let location = format!("{}?digest={}", upload.header("location"), layer.digest);
    let wrong = send(&registry, "PUT", &location, &[], b"other").await;
    assert_eq!((wrong.status, wrong.error_code().as_str()), (400, "DIGEST_INVALID"));

    let media_type = [("content-type", Format::Oci.manifest())];
    let put = send(&registry, "PUT", "/v2/guest/manifests/1", &media_type, &image.manifest.data).await;
    assert_eq!((put.status, put.header("docker-content-digest")), (201, image.digest().as_str()));
    // Another repository needs the blobs too: one by mount.
    let put = send(&registry, "PUT", "/v2/copy/manifests/1", &media_type, &image.manifest.data).await;
    assert_eq!(put.error_code(), "MANIFEST_BLOB_UNKNOWN");
    for blob in image.blobs() {
        let path = format!("/v2/copy/blobs/uploads/?mount={}&from=guest", blob.digest);
        assert_eq!(send(&registry, "POST", &path, &[], b"").await.status, 201);
    }
    let put = send(&registry, "PUT", "/v2/copy/manifests/1", &media_type, &image.manifest.data).await;
    assert_eq!(put.status, 201);
    assert_eq!(send(&registry, "DELETE", "/v2/copy/manifests/1", &[], b"").await.status, 202);
    assert_eq!(get(&registry, "/v2/copy/manifests/1").await.status, 404);
}

#[tokio::test]
async fn a_password_is_asked_for_and_never_logged() {
    let (registry, _) = started().await;
    registry.protect("guest", Auth::Basic(Credentials::new("user", "hunter2")));
    let reply = get(&registry, "/v2/guest/manifests/1").await;
    assert_eq!((reply.status, reply.header("www-authenticate")), (401, "Basic realm=\"wharf-testkit\""));
    assert_eq!(reply.error_code(), "UNAUTHORIZED");
    let given = basic("user", "hunter2");
    let reply = send(&registry, "GET", "/v2/guest/manifests/1", &[("authorization", &given)], b"").await;
    assert_eq!(reply.status, 200);
    assert!(registry.requests()[1].has_authorization);
    let shown = format!("{registry:?} {:?}", registry.requests());
    assert!(!shown.contains("hunter2") && !shown.contains(&given), "{shown}");
}

#[tokio::test]
async fn tokens_are_fetched_in_both_ways_and_expire() {
    let user = Credentials::new("user", "hunter2");
    let bearer = Auth::Bearer { credentials: Some(user), lifetime: Duration::from_secs(60) };
    let repositories = BTreeMap::from([("guest".to_owned(), bearer)]);
    let registry = Registry::start(Options { repositories, ..Options::default() }).await.unwrap();
    registry.push("guest", "1", &image("amd64"));
    let path = "/v2/guest/manifests/1";
    let challenge = get(&registry, path).await.header("www-authenticate").to_owned();
    assert!(
        challenge.starts_with(&format!("Bearer realm=\"http://{}/token\"", registry.address())),
        "{challenge}"
    );

    let by_header = "/token?service=wharf-testkit&scope=repository%3Aguest%3Apull";
    assert_eq!(get(&registry, by_header).await.status, 401);
    let given = basic("user", "hunter2");
    let first = send(&registry, "GET", by_header, &[("authorization", &given)], b"").await.json();
    let form = b"grant_type=password&scope=repository%3Aguest%3Apull&username=user&password=hunter2";
    let second = send(&registry, "POST", "/token", &[], form).await.json();
    for token in [&first["token"], &second["access_token"]] {
        let header = format!("Bearer {}", token.as_str().unwrap());
        assert_eq!(send(&registry, "GET", path, &[("authorization", &header)], b"").await.status, 200);
        assert_eq!(send(&registry, "DELETE", path, &[("authorization", &header)], b"").await.status, 401);
    }
    registry.expire_tokens();
    let header = format!("Bearer {}", first["token"].as_str().unwrap());
    let expired = send(&registry, "GET", path, &[("authorization", &header)], b"").await;
    assert!(expired.header("www-authenticate").ends_with("error=\"invalid_token\""));
}

#[tokio::test]
async fn answers_go_wrong_as_the_script_says() {
    let (registry, image) = started().await;
    let (layer, path) = (&image.layers[0], blob_path(&image.layers[0]));
    let once = |action| drop(registry.script(Rule::new("*/blobs/*", action).times(1)));

    once(Action::Status { code: 503, body: "busy".to_owned() });
    let reply = get(&registry, &path).await;
    assert_eq!((reply.status, reply.body.as_deref()), (503, Some(b"busy".as_slice())));

    once(Action::TooManyRequests { retry_after: Duration::from_secs(7) });
    let reply = get(&registry, &path).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, "7"));
    assert_eq!(reply.error_code(), "TOOMANYREQUESTS");

    once(Action::Redirect { base: "http://127.0.0.1:1".to_owned() });
    let reply = get(&registry, &path).await;
    assert_eq!((reply.status, reply.header("location")), (307, format!("http://127.0.0.1:1{path}").as_str()));

    once(Action::CutBody { after: 10 });
    let reply = get(&registry, &path).await;
    assert_eq!((reply.status, reply.body, reply.received), (200, None, 10));

    once(Action::WrongBytes { seed: 1 });
    let reply = get(&registry, &path).await;
    let body = reply.body.unwrap();
    assert_eq!(body.len(), layer.data.len());
    assert_ne!(digest_of(&body), layer.digest);

    let start = Instant::now();
    let length = u32::try_from(layer.data.len()).unwrap();
    once(Action::Slow { bytes_per_second: length * 4 });
    assert_eq!(get(&registry, &path).await.body.as_ref(), Some(&layer.data));
    assert!(start.elapsed() >= Duration::from_millis(200), "{:?}", start.elapsed());

    assert_eq!(get(&registry, &path).await.body.as_ref(), Some(&layer.data));
}

#[tokio::test]
async fn a_hanging_request_goes_on_when_released() {
    let (registry, image) = started().await;
    let hang = registry.script(Rule::new("*/manifests/*", Action::Hang).method("GET"));
    let release = async {
        registry.wait_for_request(|request| request.path.contains("/manifests/")).await;
        assert_eq!(registry.requests()[0].status, None);
        hang.release();
    };
    let (reply, ()) = tokio::join!(get(&registry, "/v2/guest/manifests/1"), release);
    assert_eq!(reply.body, Some(image.manifest.data));
    assert_eq!((hang.hits(), registry.requests()[0].status), (1, Some(200)));
}

#[tokio::test]
async fn dropping_the_handle_ends_server_and_connections() {
    let (registry, _) = started().await;
    let address = registry.address();
    registry.script(Rule::new("*", Action::Hang));
    let mut stream = TcpStream::connect(&address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET /v2/ HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    registry.wait_for_request(|request| request.path == "/v2/").await;
    drop(registry);
    let mut rest = Vec::new();
    // Closed or reset, but over.
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await;
    assert!(rest.is_empty());
    assert!(TcpStream::connect(&address).await.is_err());
}
