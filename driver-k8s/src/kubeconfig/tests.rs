use kube::config::AuthInfo;

use super::*;

/// A kubeconfig with one context of this name, or more, each with a cluster and a user of the same name.
fn yaml(current: &str, names: &[&str]) -> String {
    let mut text = format!("apiVersion: v1\nkind: Config\ncurrent-context: {current:?}\n");
    let section = |text: &mut String, title: &str, entry: &dyn Fn(&str) -> String| {
        text.push_str(&format!("{title}:\n"));
        for name in names {
            text.push_str(&format!("- name: {name}\n  {}\n", entry(name)));
        }
    };
    section(&mut text, "clusters", &|name| format!("cluster: {{server: \"https://{name}.example:6443\"}}"));
    section(&mut text, "users", &|name| format!("user: {{token: token-of-{name}}}"));
    section(&mut text, "contexts", &|name| {
        format!("context: {{cluster: {name}, user: {name}, namespace: ns-{name}}}")
    });
    text
}

struct Bench {
    dir: tempfile::TempDir,
    surroundings: Surroundings,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let account = dir.path().join("account");
        let surroundings =
            Surroundings { home: Some(dir.path().to_owned()), account, ..Surroundings::default() };
        Self { dir, surroundings }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn listing(mut self, files: &[PathBuf]) -> Self {
        self.surroundings.list = Some(std::env::join_paths(files).unwrap());
        self
    }

    fn in_cluster(mut self) -> Self {
        self.write("account/token", "token-of-pod\n");
        self.write("account/namespace", "ns-of-pod\n");
        self.surroundings.service = Some(("10.0.0.1".to_owned(), "443".to_owned()));
        self
    }

    async fn access(&self, config: &Config) -> Result<Access> {
        self.surroundings.access(config).await
    }

    async fn refused(&self, config: &Config) -> Error {
        let error = self.access(config).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        error
    }
}

/// Server, namespace and token.
fn said(access: &Access) -> (String, &str, Option<String>) {
    let AuthInfo { token, .. } = access.config.auth_info.clone();
    // It has no other way out but the one into a file.
    let token =
        token.map(|token| serde_json::to_value(AuthInfo { token: Some(token), ..AuthInfo::default() }));
    let token = token.map(|json| json.unwrap()["token"].as_str().unwrap().to_owned());
    (access.config.cluster_url.host().unwrap().to_owned(), &access.config.default_namespace, token)
}

#[tokio::test]
async fn the_current_context_of_the_file_at_home() {
    let bench = Bench::new();
    bench.write(".kube/config", &yaml("b", &["a", "b"]));
    let access = bench.access(&Config::default()).await.unwrap();
    assert_eq!(said(&access), ("b.example".into(), "ns-b", Some("token-of-b".into())));
    assert!(!access.config.accept_invalid_certs && access.config.read_timeout.is_none());
    let other = Config::default().with_context("a").with_namespace("mine");
    let access = bench.access(&other).await.unwrap();
    assert_eq!(said(&access), ("a.example".into(), "mine", Some("token-of-a".into())));
    assert!(!format!("{access:?}").contains("token-of-a"));
}

#[tokio::test]
async fn files_of_a_list_are_merged_and_the_first_wins() {
    let bench = Bench::new();
    bench.write(".kube/config", &yaml("home", &["home"]));
    let first = bench.write("first", &yaml("", &["a"]));
    let second = bench.write("second", &yaml("b", &["a", "b"]).replace("https://a.example", "https://other"));
    let missing = bench.dir.path().join("missing");
    let bench = bench.listing(&[missing, first, PathBuf::new(), second]);
    assert_eq!(said(&bench.access(&Config::default()).await.unwrap()).0, "b.example");
    let a = bench.access(&Config::default().with_context("a")).await.unwrap();
    assert_eq!(said(&a).0, "a.example");
    let error = bench.refused(&Config::default().with_context("home")).await;
    assert!(error.to_string().contains("no context \"home\", there are \"a\", \"b\""), "{error}");
}

#[tokio::test]
async fn a_file_that_is_asked_for_must_be_there() {
    let bench = Bench::new().in_cluster();
    bench.write(".kube/config", &yaml("home", &["home"]));
    let path = bench.write("own", &yaml("own", &["own"]));
    let own = bench.access(&Config::default().with_kubeconfig(&path)).await.unwrap();
    assert_eq!(said(&own).0, "own.example");
    let error = bench.refused(&Config::default().with_kubeconfig("/missing")).await;
    assert!(error.to_string().contains("no file /missing"), "{error}");
}

#[tokio::test]
async fn a_clusters_own_proxy_comes_before_that_of_the_environment() {
    let mut bench = Bench::new();
    bench.surroundings.proxies.https = Some("http://environment:3128".to_owned());
    let text = yaml("a", &["a"]);
    bench.write(".kube/config", &text);
    let proxy = async |bench: &Bench| bench.access(&Config::default()).await.unwrap().config.proxy_url;
    assert_eq!(proxy(&bench).await.unwrap().host(), Some("environment"));
    let server = r#"server: "https://a.example:6443""#;
    bench
        .write(".kube/config", &text.replace(server, &format!("{server}, proxy-url: \"socks5://own:1080\"")));
    bench.surroundings.proxies.none_for = "*".to_owned();
    assert_eq!(proxy(&bench).await.unwrap().host(), Some("own"));
    bench.write(".kube/config", &text);
    assert_eq!(proxy(&bench).await, None);
}

#[tokio::test]
async fn a_pod_uses_its_own_account_where_no_file_says_otherwise() {
    let bench = Bench::new().in_cluster();
    let access = bench.access(&Config::default()).await.unwrap();
    assert_eq!(said(&access), ("10.0.0.1".into(), "ns-of-pod", Some("token-of-pod".into())));
    assert_eq!(access.token_file, Some(bench.dir.path().join("account/token")));
    assert_eq!(access.config.root_cert_file, Some(bench.dir.path().join("account/ca.crt")));
    let error = bench.refused(&Config::default().with_context("a")).await;
    assert!(error.to_string().contains("a context is asked for, but"), "{error}");
    bench.write(".kube/config", &yaml("home", &["home"]));
    assert_eq!(said(&bench.access(&Config::default()).await.unwrap()).0, "home.example");
}

#[tokio::test]
async fn what_is_missing_is_said() {
    let bench = Bench::new();
    let error = bench.refused(&Config::default()).await;
    for part in ["KUBECONFIG is not set", ".kube/config", "no pod of a cluster"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    let bench = bench.listing(&[PathBuf::from("/missing/one")]);
    let error = bench.refused(&Config::default()).await;
    assert!(error.to_string().contains("KUBECONFIG names (/missing/one)"), "{error}");
    let none = bench.write("none", &yaml("", &["a"]));
    let error = bench.refused(&Config::default().with_kubeconfig(none)).await;
    assert!(error.to_string().contains("none is the current one; there are \"a\""), "{error}");
}

#[tokio::test]
async fn what_is_no_kubeconfig_is_not_quoted() {
    let bench = Bench::new();
    for text in ["users:\n- name: {hunter2\n", "users: hunter2\n", "- hunter2"] {
        let path = bench.write("bad", text);
        let error = bench.refused(&Config::default().with_kubeconfig(&path)).await;
        assert!(!format!("{error:#} {error:?}").contains("hunter2"), "{error:?}");
        assert!(error.to_string().contains("bad is no kubeconfig"), "{error}");
    }
}

#[tokio::test]
async fn tokens_of_files_come_first_and_without_their_line_break() {
    let bench = Bench::new();
    bench.write("token", "from-file\n");
    let text = yaml("a", &["a"]).replace("token: token-of-a", "token: t, tokenFile: token");
    let path = bench.write("own", &text);
    let access = bench.access(&Config::default().with_kubeconfig(&path)).await.unwrap();
    assert_eq!(said(&access).2.as_deref(), Some("from-file"));
    std::fs::remove_file(bench.dir.path().join("token")).unwrap();
    let access = bench.access(&Config::default().with_kubeconfig(&path)).await.unwrap();
    assert_eq!(said(&access).2.as_deref(), Some("t"));
    let path = bench.write("own", &text.replace("token: t, ", ""));
    let error = bench.access(&Config::default().with_kubeconfig(&path)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
}

#[tokio::test]
async fn certificates_are_checked_unless_the_kubeconfig_says_otherwise() {
    let bench = Bench::new();
    let text = yaml("a", &["a"]).replace("6443\"", "6443\", insecure-skip-tls-verify: true");
    let path = bench.write("own", &text);
    let access = bench.access(&Config::default().with_kubeconfig(&path)).await.unwrap();
    assert!(access.config.accept_invalid_certs);
}
