//! A client that knows nothing of the fake: kubectl, where it is installed.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::client::fake;
use crate::fake_k8s::store::{DeleteOptions, Resource};

struct Kubectl<'a> {
    kubeconfig: &'a Path,
    home: &'a Path,
}

impl Kubectl<'_> {
    /// What it prints, if it succeeds; else what it complains of.
    async fn run(&self, arguments: &[&str], input: &Value) -> Result<String, String> {
        let mut child = Command::new("kubectl")
            .arg("--kubeconfig")
            .arg(self.kubeconfig)
            .args(arguments)
            .env("HOME", self.home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command that reads nothing may have ended.
        let _ = stdin.write_all(input.to_string().as_bytes()).await;
        drop(stdin);
        let output = child.wait_with_output().await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }
}

async fn is_installed() -> bool {
    let found = Command::new("kubectl").arg("version").arg("--client").output().await.is_ok();
    if !found {
        println!("no kubectl here: nothing was tried");
    }
    found
}

#[tokio::test]
async fn kubectl_gets_along() {
    if !is_installed().await {
        return;
    }
    let fake = fake();
    let home = tempfile::tempdir().unwrap();
    let kubeconfig = home.path().join("config");
    fake.write_kubeconfig(&kubeconfig).unwrap();
    let kubectl = Kubectl { kubeconfig: &kubeconfig, home: home.path() };
    let none = Value::Null;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"x": "1"}},
        "spec": {"containers": [{"name": "c", "image": "i:1"}]},
    });

    // The fake has no schema to validate by.
    let created = kubectl.run(&["create", "--validate=false", "-f", "-"], &pod).await.unwrap();
    assert_eq!(created, "pod/a created\n");
    let again = kubectl.run(&["create", "--validate=false", "-f", "-"], &pod).await.unwrap_err();
    assert!(again.contains("(AlreadyExists)"), "{again}");
    let applied = kubectl.run(&["apply", "--validate=false", "-f", "-"], &pod).await.unwrap();
    assert!(applied.starts_with("pod/a configured"), "{applied}");
    let applied =
        kubectl.run(&["apply", "--server-side", "--validate=false", "-f", "-"], &pod).await.unwrap();
    assert_eq!(applied, "pod/a serverside-applied\n");

    let names = kubectl.run(&["get", "po", "-l", "x=1", "-o", "name"], &none).await.unwrap();
    assert_eq!(names, "pod/a\n");
    let yaml = kubectl.run(&["get", "pod", "a", "-o", "yaml"], &none).await.unwrap();
    assert!(yaml.contains("dnsPolicy: ClusterFirst"), "{yaml}");
    let table = kubectl.run(&["get", "pods,secrets,cm,ns,leases", "-A"], &none).await.unwrap();
    assert!(table.contains("pod/a"), "{table}");
    let described = kubectl.run(&["describe", "pod", "a"], &none).await.unwrap();
    assert!(described.contains("QoS Class:"), "{described}");
    kubectl.run(&["label", "pod", "a", "y=2"], &none).await.unwrap();
    kubectl.run(&["annotate", "pod", "a", "z=3"], &none).await.unwrap();
    let missing = kubectl.run(&["get", "pod", "none"], &none).await.unwrap_err();
    assert!(missing.contains("pods \"none\" not found"), "{missing}");
    // Commands that send protobuf (`auth can-i`, `create secret`) are beyond the fake.
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}});
    let created = kubectl.run(&["create", "--validate=false", "-f", "-"], &namespace).await.unwrap();
    assert_eq!(created, "namespace/n created\n");
    let deleted = kubectl.run(&["delete", "ns", "n"], &none).await.unwrap();
    assert_eq!(deleted, "namespace \"n\" deleted\n");

    // It watches until the pod is gone, which here nobody else sees to.
    fake.store()
        .edit(Resource::Pods, "default", "a", |pod| {
            pod["spec"]["nodeName"] = "node1".into();
            Ok(())
        })
        .unwrap();
    let kubelet = async {
        fake.requests().wait_for(|request| request.operation == "WATCH pods").await;
        let now = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
        fake.store().delete(Resource::Pods, "default", "a", &now).unwrap();
    };
    let (deleted, ()) = tokio::join!(kubectl.run(&["delete", "pod", "a"], &none), kubelet);
    assert_eq!(deleted.unwrap(), "pod \"a\" deleted\n");
}
