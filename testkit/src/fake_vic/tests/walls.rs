//! Tasks of images from a registry, with walls. They need root.

use super::*;
use crate::image::{guest, standard};
use crate::registry::{Options, Registry};

/// A fake on an engine with walls, and a VM that runs the program of the test images; `None` where that can't be.
async fn walled(options: FakeVicOptions, more: Value) -> Option<(Bench, Registry, String)> {
    let engine = Engine::start(EngineOptions::default()).await.unwrap();
    if engine.isolation() != Isolation::Chroot {
        println!("skipped: needs root and namespaces");
        return None;
    }
    let program = tokio::task::spawn_blocking(guest::binary).await.unwrap().unwrap();
    let registry = Registry::start(Options::default()).await.unwrap();
    for named in standard::all(&program).unwrap() {
        registry.push(named.name, standard::TAG, &named.image);
    }
    let mut bench = Bench::on(engine, options).await;
    bench.layer = bench.pull(&registry.reference("guest", standard::TAG)).await;
    let mut task = json!({"path": "/guest", "args": ["sleep", "60"]});
    for (key, value) in more.as_object().unwrap() {
        task[key.as_str()] = value.clone();
    }
    let id = bench.made_with("", task).await;
    bench.start(&id).await;
    bench.until(&id, |info| info["endpoints"][0]["address"] != "").await;
    Some((bench, registry, id))
}

impl Bench {
    /// What a command of the guest program prints.
    async fn print(&self, id: &str, args: &[&str], more: Value) -> String {
        let mut command = json!({"path": "/guest", "args": args});
        for (key, value) in more.as_object().unwrap() {
            command[key.as_str()] = value.clone();
        }
        let task = self.join_command(id, command).await;
        self.bind_command(id, &task, true).await;
        self.get(&format!("/interaction/{task}/stdout")).await.text
    }
}

const OWN: &str = r#"{"env": ["OWN=value"], "workingDir": "/tmp", "user": "1000:1000"}"#;

#[tokio::test]
async fn the_guest_ignores_what_tasks_ask_for() {
    let own: Value = serde_json::from_str(OWN).unwrap();
    let Some((bench, _registry, id)) = walled(quick(), own.clone()).await else { return };
    let env = bench.print(&id, &["env"], own.clone()).await;
    assert!(env.contains("PATH=/usr/local/sbin") && !env.contains("OWN="), "{env}");
    assert_eq!(bench.print(&id, &["cwd"], own.clone()).await, "/\n");
    assert!(bench.print(&id, &["proc-status", "Uid"], own).await.starts_with('0'));
    bench.finish().await;
}

#[tokio::test]
async fn another_guest_honours_it() {
    let own: Value = serde_json::from_str(OWN).unwrap();
    let options = FakeVicOptions { guest_applies_oci: true, ..quick() };
    let Some((bench, _registry, id)) = walled(options, own.clone()).await else { return };
    assert!(bench.fake.url().ends_with("&guest=oci"));
    let env = bench.print(&id, &["env"], own.clone()).await;
    assert!(env.contains("OWN=value"), "{env}");
    assert_eq!(bench.print(&id, &["cwd"], own.clone()).await, "/tmp\n");
    assert!(bench.print(&id, &["proc-status", "Uid"], own).await.starts_with("1000"));
    bench.finish().await;
}

#[tokio::test]
async fn the_host_name_is_the_vms() {
    let Some((bench, _registry, id)) = walled(quick(), json!({})).await else { return };
    assert_eq!(bench.print(&id, &["hostname"], json!({})).await.trim(), "h");
    bench.finish().await;
}
