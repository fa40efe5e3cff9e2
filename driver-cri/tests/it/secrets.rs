//! Secrets stay where they belong.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use futures::TryStreamExt;
use runtime_core::{
    Driver, Error, PullOptions,
    spec::{ExecSpec, PodSpec, RegistryCredentials},
};
use testkit::engine::Fault;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::bench::{Bench, shell};

const SECRET: &str = "hunter2-hunter2";

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Captured {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn neither_traces_nor_errors_show_them() {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(captured.clone())
        .with_env_filter(EnvFilter::new("trace,testkit=off"))
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let bench = Bench::new().await;
    let credentials = RegistryCredentials::basic("127.0.0.1:1", "me", SECRET);
    let spec = PodSpec::new("web")
        .with_pull_secret(credentials.clone())
        .with_container(shell("main", "sleep 1000").with_env("TOKEN", SECRET));
    let mut errors: Vec<Error> = Vec::new();
    for method in ["CreateContainer", "StartContainer"] {
        // As a runtime that quotes what it was given.
        let fault = Fault::fail(method, "Unknown", format!("bad variable TOKEN={SECRET}"));
        // Again and again: a start that is refused is tried for a while.
        bench.fake.engine().faults().inject(fault.times(u32::MAX));
        errors.push(bench.run(&spec).await.unwrap_err());
        bench.fake.engine().faults().clear();
    }
    let run = bench.run(&spec).await.unwrap();
    errors.push(bench.run(&spec).await.unwrap_err());
    let id = run.container("main").unwrap();
    bench.exec().sync(&bench.cx, id, &ExecSpec::new(["true"])).await.unwrap();
    bench.fake.engine().faults().inject(Fault::fail(
        "PullImage",
        "Unknown",
        format!("bad password {SECRET}"),
    ));
    let image = "127.0.0.1:1/x:1".parse().unwrap();
    let options = PullOptions::default().with_credentials(credentials);
    let pull = bench.driver.images().unwrap().pull(&bench.cx, &image, &options).await.unwrap();
    errors.push(pull.try_collect::<Vec<_>>().await.unwrap_err());
    let mut texts: Vec<String> = errors.iter().map(|error| format!("{error} {error:#} {error:?}")).collect();
    texts.push(format!("{:?} {spec:?} {run:?} {options:?}", bench.driver));
    texts.push(format!("{:?}", bench.pods().status(&bench.cx, &run.id).await.unwrap()));
    texts.push(format!("{:?}", bench.containers().status(&bench.cx, id).await.unwrap()));
    bench.finish().await;
    let traces = String::from_utf8_lossy(&captured.0.lock().unwrap()).into_owned();
    assert!(traces.contains("h2"), "nothing was captured");
    texts.push(traces);
    for text in texts {
        assert!(!text.contains(SECRET), "{text}");
    }
}
