//! Commands in VMs that run.

use super::*;
use crate::fake_vic::fault;

impl Bench {
    /// Joins a command, again from the beginning as long as somebody was faster; its id.
    pub(super) async fn join_command(&self, id: &str, more: Value) -> String {
        loop {
            let handle = self.open(id).await;
            let mut body =
                json!({"handle": handle, "namespace": self.layer, "path": "/bin/sh", "attach": true});
            for (key, value) in more.as_object().unwrap() {
                body[key.as_str()] = value.clone();
            }
            let joined = self.ask("POST", "/tasks", body).await.ok();
            let answer = self.commit(&handle).await;
            if answer.status != 409 {
                answer.ok();
                return joined["id"].as_str().unwrap().to_owned();
            }
        }
    }

    /// Has it launched, by whoever attaches where that is wanted.
    pub(super) async fn bind_command(&self, id: &str, task: &str, attached: bool) {
        self.change(id, async |handle| {
            let named = json!({"handle": handle, "id": task});
            self.ask("POST", "/tasks/binding", named.clone()).await.ok();
            if attached {
                self.ask("POST", "/interaction/binding", named).await.ok();
            }
        })
        .await;
    }

    pub(super) async fn inspect(&self, id: &str, task: &str) -> Value {
        let handle = self.open(id).await;
        self.ask("GET", "/tasks", json!({"handle": handle, "id": task})).await.ok()
    }

    pub(super) async fn until_task(&self, id: &str, task: &str, state: &str) -> Value {
        let mut pause = Duration::from_millis(1);
        loop {
            let told = self.inspect(id, task).await;
            if told["state"] == state {
                return told;
            }
            assert!(pause < Duration::from_secs(5), "{told}");
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    /// A VM whose address has come, so that nothing changes by itself any more.
    pub(super) async fn settled(&self, script: &str) -> String {
        let id = self.running(script).await;
        self.until(&id, |info| info["endpoints"][0]["address"] != "").await;
        id
    }
}

#[tokio::test]
async fn a_command_has_a_life_of_its_own() {
    let bench = Bench::new().await;
    let id = bench.settled("exec sleep 60").await;
    let task = bench.join_command(&id, json!({"args": ["-c", "exit 3"]})).await;
    let told = bench.inspect(&id, &task).await;
    assert_eq!((&told["id"], &told["state"]), (&json!(task), &json!("created")));
    assert_eq!(told.get("exitCode"), None);
    bench.bind_command(&id, &task, false).await;
    let told = bench.until_task(&id, &task, "stopped").await;
    assert_eq!((&told["exitCode"], &told["processConfig"]["execPath"]), (&json!(3), &json!("/bin/sh")));
    let handle = bench.open(&id).await;
    bench.ask("GET", "/tasks/wait", json!({"handle": handle, "id": task})).await.ok();
    assert_eq!(bench.state(&id).await, "Running");
    bench.finish().await;
}

#[tokio::test]
async fn a_handle_tells_of_the_time_that_it_was_opened() {
    let bench = Bench::new().await;
    let id = bench.settled("exec sleep 60").await;
    let task = bench.join_command(&id, json!({"args": ["-c", "exit 0"]})).await;
    let old = bench.open(&id).await;
    bench.bind_command(&id, &task, false).await;
    bench.until_task(&id, &task, "stopped").await;
    let told = bench.ask("GET", "/tasks", json!({"handle": old, "id": task})).await.ok();
    assert_eq!(told["state"], "created");
    bench.finish().await;
}

#[tokio::test]
async fn what_can_not_be_launched_has_failed() {
    let bench = Bench::new().await;
    let id = bench.settled("exec sleep 60").await;
    let task = bench.join_command(&id, json!({"path": "/no/such/program"})).await;
    bench.bind_command(&id, &task, false).await;
    let told = bench.until_task(&id, &task, "failed").await;
    assert_eq!(told["processConfig"]["errorMsg"], "no such file or directory");
    bench.fake.faults().inject(fault::launch_fails("permission denied"));
    let task = bench.join_command(&id, json!({"args": ["-c", "true"]})).await;
    bench.bind_command(&id, &task, false).await;
    let told = bench.until_task(&id, &task, "failed").await;
    assert_eq!(told["processConfig"]["errorMsg"], "permission denied");
    // Of a layer that the VM doesn't have.
    let task = bench.join_command(&id, json!({"namespace": "nobody's"})).await;
    bench.bind_command(&id, &task, false).await;
    bench.until_task(&id, &task, "failed").await;
    bench.finish().await;
}

#[tokio::test]
async fn a_signal_leaves_no_exit_code() {
    let bench = Bench::new().await;
    let id = bench.settled("exec sleep 60").await;
    let task = bench.join_command(&id, json!({"args": ["-c", "kill -9 $$"]})).await;
    bench.bind_command(&id, &task, false).await;
    assert_eq!(bench.until_task(&id, &task, "stopped").await["exitCode"], -1);
    bench.finish().await;
}

#[tokio::test]
async fn bound_to_streams_it_waits_for_somebody() {
    let bench = Bench::new().await;
    let id = bench.settled("exec sleep 60").await;
    let task = bench.join_command(&id, json!({"args": ["-c", "echo out; echo err >&2; exit 2"]})).await;
    bench.bind_command(&id, &task, true).await;
    assert_eq!(bench.inspect(&id, &task).await["state"], "created", "nobody has attached");
    let out = bench.get(&format!("/interaction/{task}/stdout")).await;
    assert_eq!((out.status, out.text.as_str()), (200, "out\n"));
    // What it said is there until it is fetched, also after its end.
    bench.until_task(&id, &task, "stopped").await;
    assert_eq!(bench.get(&format!("/interaction/{task}/stderr")).await.text, "err\n");
    bench.finish().await;
}

#[tokio::test]
async fn commands_end_with_the_vm() {
    let bench = Bench::new().await;
    let id = bench.settled("exec sleep 60").await;
    let task = bench.join_command(&id, json!({"args": ["-c", "exec sleep 60"]})).await;
    bench.bind_command(&id, &task, true).await;
    let stdout = format!("/interaction/{task}/stdout");
    let reading = bench.get(&stdout);
    let stopping = async {
        bench.until_task(&id, &task, "running").await;
        bench.stop(&id).await;
    };
    let (out, ()) = tokio::join!(reading, stopping);
    assert_eq!((out.status, out.text.as_str()), (200, ""));
    assert!(bench.fake.engine().ledger().processes.is_empty());
    bench.finish().await;
}
