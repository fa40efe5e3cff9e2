//! Whole lives of pods against the fake host, whose tasks are processes of this one.

use std::{collections::BTreeSet, time::Duration};

use futures::{StreamExt, TryStreamExt, future::join_all};
use runtime_core::{
    AttachOptions, ContainerPhase, Context, Driver, ErrorKind, Event, ExecSession, ExitCause, LogOptions,
    PodFilter, PodPhase, RunOptions, StopOptions,
    spec::{ContainerSpec, ExecSpec, PodSpec},
};
use testkit::{
    engine::{Engine, EngineOptions, HOST_IMAGE, Isolation},
    fake_vic::{FakeVic, FakeVicOptions, Operation, fault, swagger::Description},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use url::Url;

use crate::{
    config::Config,
    driver::{VicDriver, connect},
};

struct Bench {
    fake: FakeVic,
    engine: Engine,
    driver: VicDriver,
    cx: Context,
}

impl Bench {
    async fn start() -> Self {
        let options = EngineOptions { isolation: Some(Isolation::None), ..EngineOptions::default() };
        let engine = Engine::start(options).await.unwrap();
        let options = FakeVicOptions {
            stats_interval: Duration::from_millis(50),
            stream_wait: Duration::from_secs(5),
            ..FakeVicOptions::default()
        };
        let fake = FakeVic::start(engine.clone(), &options).await.unwrap();
        let driver = connect(Config::from_url(&Url::parse(&fake.url()).unwrap()).unwrap()).await.unwrap();
        let cx = Context::background().with_timeout(Duration::from_secs(120));
        Self { fake, engine, driver, cx }
    }

    async fn run(&self, spec: &PodSpec) -> runtime_core::Result<runtime_core::PodRun> {
        self.driver.pods().unwrap().run(&self.cx, spec, &RunOptions::default()).await
    }

    /// What was asked and answered is as the API's description says, where that is at hand; and nothing is left.
    async fn finish(self) {
        if let Some(description) = Description::beside_the_workspace() {
            let all = self.fake.exchanges().all();
            // Of what was made to fail the body may not have been read.
            let sound = all.iter().filter(|one| !one.injected);
            let problems: Vec<_> = sound.flat_map(|one| description.problems(one)).collect();
            assert_eq!(problems, Vec::<String>::new());
        }
        assert_eq!(self.fake.containers(), Vec::<String>::new());
        self.fake.shutdown().await;
        self.engine.shutdown().await.unwrap();
    }
}

fn pod(name: &str, script: &str) -> PodSpec {
    PodSpec::new(name)
        .with_container(ContainerSpec::new("main", HOST_IMAGE).with_command(["sh", "-c", script]))
}

async fn read(session: &mut ExecSession) -> String {
    let mut text = String::new();
    session.stdout.take().unwrap().read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn a_pod_lives_from_run_to_removal() {
    let bench = Bench::start().await;
    let (driver, cx) = (&bench.driver, &bench.cx);
    let (pods, containers, exec) =
        (driver.pods().unwrap(), driver.containers().unwrap(), driver.exec().unwrap());
    let mut spec =
        pod("web", "echo ready; read line; echo got $line; trap 'exit 6' TERM; while :; do sleep 0.1; done");
    spec.containers[0].stdin = true;
    let run = bench.run(&spec).await.unwrap();
    let main = &run.containers[0].id;
    let status = pods.status(cx, &run.id).await.unwrap();
    assert_eq!((status.summary.phase, status.addresses.len()), (PodPhase::Running, 1));

    let mut log = containers.logs(cx, main, &LogOptions::follow()).await.unwrap();
    assert_eq!(log.next().await.unwrap().unwrap().text(), "ready");

    let output =
        exec.sync(cx, main, &ExecSpec::new(["sh", "-c", "echo out; echo err >&2; exit 3"])).await.unwrap();
    assert_eq!((output.stdout_text(), output.stderr_text()), ("out\n".to_owned(), "err\n".to_owned()));
    assert_eq!(output.exit.code(), Some(3));
    let missing = exec.sync(cx, main, &ExecSpec::new(["/no/such/program"])).await.unwrap();
    assert_eq!(missing.exit.code(), Some(127));

    let mut session = exec.start(cx, main, &ExecSpec::new(["cat"]).with_stdin()).await.unwrap();
    let mut stdin = session.stdin.take().unwrap();
    stdin.write_all(b"hello").await.unwrap();
    drop(stdin);
    assert_eq!(read(&mut session).await, "hello");
    assert!(session.wait().await.unwrap().success());

    let mut attached = exec.attach(cx, main, &AttachOptions::default().with_stdin()).await.unwrap();
    attached.stdin.as_mut().unwrap().write_all(b"line\n").await.unwrap();
    assert_eq!(log.next().await.unwrap().unwrap().text(), "got line");

    let stats = pods.stats(cx, &run.id).await.unwrap();
    assert!(stats.memory.unwrap().usage.unwrap().0 > 0);

    pods.stop(cx, &run.id, &StopOptions::after(Duration::from_secs(5))).await.unwrap();
    assert_eq!(containers.wait(cx, main).await.unwrap().code(), Some(6));
    assert_eq!(attached.wait().await.unwrap().code(), Some(6));
    assert!(log.next().await.is_none());
    let status = containers.status(cx, main).await.unwrap();
    assert_eq!(
        (status.summary.phase, status.exit.unwrap().cause),
        (ContainerPhase::Exited, ExitCause::Exited(6))
    );
    let all: Vec<_> = containers
        .logs(cx, main, &LogOptions::default().with_tail(1))
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(all[0].text(), "got line");
    pods.remove(cx, &run.id).await.unwrap();
    pods.remove(cx, &run.id).await.unwrap();
    assert_eq!(pods.status(cx, &run.id).await.unwrap_err().kind(), ErrorKind::NotFound);
    bench.finish().await;
}

#[tokio::test]
async fn events_tell_what_happens() {
    let bench = Bench::start().await;
    let pods = bench.driver.pods().unwrap();
    let mut events = pods.events(&bench.cx).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap(), Event::Init);
    assert_eq!(events.next().await.unwrap().unwrap(), Event::Synced);
    let run = bench.run(&pod("web", "sleep 60")).await.unwrap();
    loop {
        match events.next().await.unwrap().unwrap() {
            Event::PodApplied(pod) if pod.phase == PodPhase::Running => break,
            _ => {}
        }
    }
    pods.remove(&bench.cx, &run.id).await.unwrap();
    while events.next().await.unwrap().unwrap() != Event::PodDeleted(run.id.clone()) {}
    drop(events);
    bench.finish().await;
}

#[tokio::test]
async fn another_process_knows_all_that_is_there() {
    let bench = Bench::start().await;
    let spec = pod("web", "sleep 60").with_label("app", "web");
    let run = bench.run(&spec).await.unwrap();
    let other = bench.run(&spec.clone().with_namespace("other")).await.unwrap();
    assert_ne!(run.id, other.id);
    let again = connect(Config::from_url(&Url::parse(&bench.fake.url()).unwrap()).unwrap()).await.unwrap();
    let filter = PodFilter::default().with_label("app", "web").with_namespace("default");
    let listed = again.pods().unwrap().list(&bench.cx, &filter).await.unwrap();
    assert_eq!(listed.iter().map(|pod| &pod.id).collect::<Vec<_>>(), [&run.id]);
    let adopt = RunOptions::default().with_existing(runtime_core::ExistingPolicy::Adopt);
    let adopted = again.pods().unwrap().run(&bench.cx, &spec, &adopt).await.unwrap();
    assert!(adopted.adopted && adopted.id == run.id);
    let error = bench.run(&spec).await.unwrap_err();
    assert_eq!((error.kind(), error.existing_id()), (ErrorKind::AlreadyExists, Some(run.id.as_str())));
    for pod in [&run.id, &other.id] {
        again.pods().unwrap().remove(&bench.cx, pod).await.unwrap();
    }
    bench.finish().await;
}

#[tokio::test]
async fn of_many_of_one_name_one_is_left() {
    let bench = Bench::start().await;
    let spec = pod("web", "sleep 60");
    let runs = join_all((0..8).map(|_| bench.run(&spec))).await;
    let ids: BTreeSet<_> =
        runs.iter().filter_map(|run| run.as_ref().ok().map(|run| run.id.clone())).collect();
    for error in runs.iter().filter_map(|run| run.as_ref().err()) {
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    }
    let left = bench.fake.containers();
    assert!(ids.len() <= 1 && left.len() == ids.len(), "{ids:?} {left:?}");
    for id in &ids {
        bench.driver.pods().unwrap().remove(&bench.cx, id).await.unwrap();
    }
    bench.finish().await;
}

#[tokio::test]
async fn a_command_that_can_not_be_launched_fails_the_run_and_leaves_nothing() {
    let bench = Bench::start().await;
    let spec = PodSpec::new("web")
        .with_container(ContainerSpec::new("main", HOST_IMAGE).with_command(["/no/such/program"]));
    let error = bench.run(&spec).await.unwrap_err();
    assert_eq!((error.kind(), error.leftovers()), (ErrorKind::Failed, &[][..]), "{error}");
    bench.finish().await;
}

/// The operations of a run, each of which fails once in each way.
#[tokio::test]
async fn whatever_fails_once_nothing_is_left() {
    use Operation as O;
    let bench = Bench::start().await;
    let pods = bench.driver.pods().unwrap();
    let operations = [
        O::List,
        O::Create,
        O::ImageJoin,
        O::TaskJoin,
        O::TaskBind,
        O::ScopeAddContainer,
        O::InteractionJoin,
        O::LoggingJoin,
        O::Commit,
        O::Get,
        O::ScopeBind,
        O::StateChange,
        O::Info,
        O::Signal,
        O::ScopeEndpoints,
        O::ScopeUnbind,
        O::Remove,
    ];
    for operation in operations {
        for way in 0..4 {
            // What a server says is not there counts as gone.
            if way == 3 && matches!(operation, O::Info | O::Remove | O::Signal) {
                continue;
            }
            let injected = match way {
                0 => fault::cut(operation),
                1 => fault::refuse(operation, 500, "no"),
                2 => fault::refuse(operation, 409, "conflict"),
                _ => fault::refuse_without_words(operation, 404),
            };
            bench.engine.faults().inject(injected);
            match bench.run(&pod("web", "sleep 60")).await {
                Ok(run) => {
                    pods.stop(&bench.cx, &run.id, &StopOptions::now()).await.unwrap();
                    pods.remove(&bench.cx, &run.id).await.unwrap();
                }
                Err(error) => assert!(error.leftovers().is_empty(), "{operation:?} {way}: {error}"),
            }
            bench.driver.settle(&bench.cx).await.unwrap();
            bench.engine.faults().clear();
            assert_eq!(bench.fake.containers(), Vec::<String>::new(), "{operation:?} {way}");
        }
    }
    bench.finish().await;
}

#[tokio::test]
async fn commands_that_change_one_pod_at_once_all_run() {
    let bench = Bench::start().await;
    let run = bench.run(&pod("web", "sleep 60")).await.unwrap();
    let main = &run.containers[0].id;
    let exec = bench.driver.exec().unwrap();
    let (exec, cx) = (&exec, &bench.cx);
    let commands = (0..16).map(|number| async move {
        let spec = ExecSpec::new(["sh".to_owned(), "-c".to_owned(), format!("exit {number}")]);
        exec.sync(cx, main, &spec).await.unwrap().exit.code()
    });
    let codes = join_all(commands).await;
    assert_eq!(codes, (0..16).map(Some).collect::<Vec<_>>());
    bench.driver.pods().unwrap().remove(&bench.cx, &run.id).await.unwrap();
    bench.finish().await;
}

#[tokio::test]
async fn fifty_pods_at_once() {
    let bench = Bench::start().await;
    let names: Vec<_> = (0..50).map(|number| format!("web-{number}")).collect();
    let runs =
        join_all(names.iter().map(|name| async { bench.run(&pod(name, "sleep 60")).await.unwrap() })).await;
    let pods = bench.driver.pods().unwrap();
    let mut addresses = BTreeSet::new();
    for run in &runs {
        addresses.extend(pods.status(&bench.cx, &run.id).await.unwrap().addresses);
    }
    assert_eq!(addresses.len(), 50);
    for removed in join_all(runs.iter().map(|run| pods.remove(&bench.cx, &run.id))).await {
        removed.unwrap();
    }
    bench.finish().await;
}

#[tokio::test]
async fn a_run_that_is_dropped_at_any_moment_leaves_nothing() {
    let bench = Bench::start().await;
    let pods = bench.driver.pods().unwrap();
    for moment in 0..24 {
        let spec = pod("web", "sleep 60");
        let running = bench.run(&spec);
        // Further and further into the run.
        if let Ok(run) = tokio::time::timeout(Duration::from_millis(moment * 2), running).await {
            pods.remove(&bench.cx, &run.unwrap().id).await.unwrap();
        }
        bench.driver.settle(&bench.cx).await.unwrap();
        assert_eq!(bench.fake.containers(), Vec::<String>::new(), "{moment}");
    }
    bench.finish().await;
}
