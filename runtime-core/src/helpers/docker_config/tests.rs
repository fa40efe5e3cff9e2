//! Forms, matching, files and helpers.

use std::{fs, os::unix::fs::PermissionsExt};

use base64::{Engine, prelude::BASE64_STANDARD};
use proptest::prelude::*;
use serde_json::json;

use std::sync::Arc;

use super::*;

fn image(text: &str) -> ImageReference {
    text.parse().unwrap()
}

fn auth(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

/// The names of the users whose credentials are tried for an image; each key's user is the key itself.
fn users(keys: &[&str], of: &str) -> Vec<String> {
    let auths: serde_json::Map<_, _> =
        keys.iter().map(|key| ((*key).to_owned(), json!({ "username": key, "password": "p" }))).collect();
    let config = DockerConfig::parse(&json!({ "auths": auths }).to_string()).unwrap();
    config.stored_for(&image(of)).map(|credentials| credentials.username).collect()
}

#[test]
fn every_form_of_an_entry() {
    let text = json!({
        "auths": {
            "a.test": { "auth": auth("me:pass:word"), "email": "x" },
            "b.test": { "username": "me", "password": "pw" },
            "c.test": { "auth": auth("me:old\0\0").trim_end_matches('='), "username": "ignored" },
            "d.test": { "identitytoken": "it" },
            "e.test": { "registrytoken": "rt" },
            "f.test": {},
            "g.test": null,
        },
        "HttpHeaders": { "User-Agent": "x" },
    });
    let config = DockerConfig::parse(&text.to_string()).unwrap();
    let of = |registry: &str| {
        let found = config.stored_for(&image(&format!("{registry}/x"))).next();
        found.map(|found| {
            assert_eq!(found.registry, registry);
            let [password, identity, token] =
                [found.password, found.identity_token, found.registry_token].map(|s| s.expose().to_owned());
            format!("{}|{password}|{identity}|{token}", found.username)
        })
    };
    for (registry, expected) in [
        ("a.test", Some("me|pass:word||")),
        ("b.test", Some("me|pw||")),
        ("c.test", Some("me|old||")),
        ("d.test", Some("||it|")),
        ("e.test", Some("|||rt")),
        ("f.test", None),
        ("g.test", None),
        ("h.test", None),
    ] {
        assert_eq!(of(registry).as_deref(), expected, "{registry}");
    }
    let legacy = json!({ "https://index.docker.io/v1/": { "auth": auth("me:pw"), "email": "x" } });
    let legacy = DockerConfig::parse_legacy(&legacy.to_string()).unwrap();
    assert_eq!(legacy.stored_for(&image("busybox")).count(), 1);
    assert_eq!(DockerConfig::parse("{}").unwrap(), DockerConfig::default());
}

#[test]
fn what_is_wrong_shows_no_secret() {
    let bad_auth = json!({ "auths": { "a.test": { "auth": "hunter2!" } } }).to_string();
    let no_colon = json!({ "auths": { "a.test": { "auth": auth("hunter2") } } }).to_string();
    for text in [bad_auth.as_str(), &no_colon, r#"{"auths": {"a.test": "hunter2"}}"#, r#"{"auths": hunter2"#]
    {
        let error = DockerConfig::parse(text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
    let config =
        DockerConfig::parse(&json!({ "auths": { "a.test": { "auth": auth("me:hunter2") } } }).to_string());
    assert!(!format!("{config:?}").contains("hunter2"));
    assert!(format!("{config:?}").contains("a.test"));
}

#[test]
fn keys_fit_as_the_kubelet_has_it() {
    for (key, fits, not) in [
        ("a.test", &["a.test/x", "a.test/x/y:1"][..], &["b.test/x", "a.test:5000/x", "sub.a.test/x"][..]),
        ("a.test:5000", &["a.test:5000/x"], &["a.test/x", "a.test:5001/x"]),
        ("https://a.test", &["a.test/x"], &["b.test/x"]),
        ("http://a.test/v2/", &["a.test/x"], &["b.test/x"]),
        ("https://a.test/v1/team", &["a.test/team/x", "a.test/team"], &["a.test/x", "a.test/teamwork"]),
        ("a.test/team/", &["a.test/team/x"], &["a.test/other/team"]),
        ("A.Test", &["a.test/x"], &["b.test/x"]),
        ("*.a.test", &["b.a.test/x"], &["a.test/x", "c.b.a.test/x"]),
        ("*.*.a.test", &["c.b.a.test/x"], &["b.a.test/x"]),
        ("pre-*.a.test", &["pre-b.a.test/x", "pre-bc.a.test/x"], &["b.a.test/x"]),
        ("*-b-*c.a.test", &["x-b-y-b-zc.a.test/x"], &["x-b-y.a.test/x"]),
        ("?.a.test:1", &["b.a.test:1/x"], &["bb.a.test:1/x", "b.a.test/x"]),
        ("https://index.docker.io/v1/", &["busybox", "me/app", "docker.io/me/app"], &["a.test/x"]),
        ("docker.io", &["busybox", "index.docker.io/me/app"], &["a.test/busybox"]),
        ("docker.io/me", &["me/app"], &["busybox", "you/app"]),
        ("registry-1.docker.io", &["busybox"], &["a.test/x"]),
        ("[::1]:5000", &["[::1]:5000/x"], &["[::1]/x", "[::2]:5000/x"]),
        ("localhost:5000", &["localhost:5000/x"], &["localhost/x"]),
        ("", &[], &["busybox"]),
        ("https://", &[], &["busybox"]),
    ] {
        for reference in fits {
            assert_eq!(users(&[key], reference), [key], "{key} is for {reference}");
        }
        for reference in not {
            assert!(users(&[key], reference).is_empty(), "{key} is not for {reference}");
        }
    }
}

#[test]
fn the_most_specific_is_tried_first() {
    let keys = ["*.test", "a.test", "a.test/team", "a.test/team/app", "?.test", "https://a.test/v1/"];
    let expected = ["a.test/team/app", "a.test/team", "a.test", "https://a.test/v1/", "*.test", "?.test"];
    assert_eq!(users(&keys, "a.test/team/app:1"), expected);
}

#[tokio::test]
async fn helpers_are_asked_by_the_protocol() {
    let directory = tempfile::tempdir().unwrap();
    let helper = |name: &str, script: &str| {
        let path = directory.path().join(format!("docker-credential-{name}"));
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    helper("echo", r#"printf '{"ServerURL":"x","Username":"%s %s","Secret":"hunter2"}' "$1" "$(cat)""#);
    helper("token", r#"cat >/dev/null; echo '{"Username":"<token>","Secret":"hunter2"}'"#);
    helper("none", "cat >/dev/null; echo 'credentials not found in native keychain'; exit 1");
    helper("broken", "echo hunter2; exit 3");
    helper("garbage", "echo hunter2");
    let config = json!({
        "auths": { "a.test": { "auth": auth("stored:pw") }, "none.test": {} },
        "credHelpers": {
            "a.test": "echo", "https://index.docker.io/v1/": "echo", "token.test": "token", "broken.test": "broken",
            "garbage.test": "garbage", "missing.test": "missing", "evil.test": "../echo",
        },
        "credsStore": "none",
    });
    let config = DockerConfig::parse(&config.to_string()).unwrap().with_helper_path(directory.path());
    let users = async |reference: &str| {
        let found = config.credentials_for(&image(reference)).await.unwrap();
        found.into_iter().map(|found| found.username).collect::<Vec<_>>()
    };
    assert_eq!(users("a.test/x").await, ["get a.test", "stored"]);
    assert_eq!(users("busybox").await, ["get https://index.docker.io/v1/"]);
    assert!(users("none.test/x").await.is_empty());
    let token = config.credentials_for(&image("token.test/x")).await.unwrap();
    assert_eq!((token[0].username.as_str(), token[0].identity_token.expose()), ("", "hunter2"));
    for (registry, why) in [
        ("broken", "exit status: 3"),
        ("garbage", "form"),
        ("missing", "not in the PATH"),
        ("evil", "no name"),
    ] {
        let error = config.credentials_for(&image(&format!("{registry}.test/x"))).await.unwrap_err();
        assert!(error.to_string().contains(why), "{registry}: {error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_helper_that_hangs_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("docker-credential-hang");
    fs::write(&path, "#!/bin/sh\nexec sleep 1000\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let config = DockerConfig::parse(r#"{"credsStore": "hang"}"#).unwrap().with_helper_path(directory.path());
    let error = config.credentials_for(&image("busybox")).await.unwrap_err();
    assert!(error.to_string().contains("no answer"), "{error}");
}

#[tokio::test]
async fn a_file_is_read_again_when_it_has_changed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    let file = DockerConfigFile::new(&path);
    assert!(matches!(file.current().await, Err(DockerConfigError::Io { .. })));
    let write = |password: &str| {
        // As Docker does it: another file takes the name.
        let next = directory.path().join("next");
        fs::write(
            &next,
            json!({ "auths": { "a.test": { "username": "me", "password": password } } }).to_string(),
        )
        .unwrap();
        fs::rename(next, &path).unwrap();
    };
    let password = async || {
        let config = file.current().await.unwrap();
        config.stored_for(&image("a.test/x")).next().unwrap().password.expose().to_owned()
    };
    write("one");
    assert_eq!(password().await, "one");
    assert!(Arc::ptr_eq(&file.current().await.unwrap(), &file.current().await.unwrap()));
    write("two");
    assert_eq!(password().await, "two");
    fs::write(directory.path().join(".dockercfg"), r#"{"a.test": {"username": "me"}}"#).unwrap();
    let legacy = DockerConfig::load(directory.path().join(".dockercfg")).await.unwrap();
    assert_eq!(legacy.stored_for(&image("a.test/x")).count(), 1);
}

proptest! {
    #[test]
    fn no_text_is_too_odd(text in ".*", key in ".*") {
        let _ = DockerConfig::parse(&text);
        let _ = DockerConfig::parse_legacy(&text);
        let config = json!({ "auths": { key: { "username": "me" } } }).to_string();
        let config = DockerConfig::parse(&config).unwrap();
        prop_assert!(config.stored_for(&image("a.test/x")).count() <= 1);
    }

    /// A key that is a beginning of an image's own name is for it, and the longest one comes first.
    #[test]
    fn beginnings_of_the_name_fit(
        host in "[a-z]{1,5}(\\.[a-z]{1,5}){1,2}(:[1-9][0-9]{0,3})?",
        path in prop::collection::vec("[a-z]{1,5}", 1..5),
    ) {
        let reference = format!("{host}/{}", path.join("/"));
        let keys: Vec<_> = (0..=path.len()).map(|length| {
            [&[host.clone()][..], &path[..length]].concat().join("/")
        }).collect();
        // Such a first part would be the registry's own interface.
        prop_assume!(path[0] != "v1" && path[0] != "v2");
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        let longest_first: Vec<_> = keys.iter().rev().copied().collect();
        prop_assert_eq!(users(&keys, &reference), longest_first);
    }

    /// What fits never says more about the port or the number of labels than the image does.
    #[test]
    fn stars_stay_in_their_label(pattern in "[a-z*?]{1,4}(\\.[a-z*?]{1,4}){1,2}(:[1-9])?", host in "[a-z]{1,4}(\\.[a-z]{1,4}){1,2}(:[1-9])?") {
        if !users(&[&pattern], &format!("{host}/x")).is_empty() {
            prop_assert_eq!(pattern.split('.').count(), host.split('.').count());
            prop_assert_eq!(pattern.split_once(':').map(|(_, port)| port), host.split_once(':').map(|(_, port)| port));
        }
    }
}
