//! The options of daemons: what is looked at before one is started.

use std::os::unix::net::UnixListener;

use testkit::{
    cases,
    conformance::{Env, Verdict, kind_of},
    ensure, ensure_eq,
};
use wharf::{
    ErrorKind, StopOptions,
    nydus::{LogLevel, NydusPodOptions},
};

use super::own::{ensure_nothing_of, sockets, status, with};

cases! { Contract;
    bad_options_are_named: proves [], needs [PodWithoutContainers];
    an_api_socket_that_is_in_the_way_is_refused: proves [], needs [PodWithoutContainers];
    a_stale_socket_is_taken_away: proves [], needs [PodWithoutContainers];
    a_directory_of_the_callers_is_shared_and_stays: proves [], needs [PodWithoutContainers];
    two_daemons_never_have_the_same_socket: proves [], needs [PodWithoutContainers];
}

async fn bad_options_are_named(env: &Env) -> Verdict {
    type Change = fn(&mut NydusPodOptions, &std::path::Path);
    let rows: [(&str, Change); 10] = [
        ("source", |options, _| options.source = Some("relative".into())),
        ("source", |options, own| options.source = Some(own.join("missing"))),
        ("source", |options, own| options.source = Some(own.join("file"))),
        ("apiSocket", |options, _| options.api_socket = Some("relative".into())),
        ("apiSocket", |options, own| options.api_socket = Some(own.join("missing/a"))),
        ("apiSocket", |options, own| options.api_socket = Some(own.join("file/a"))),
        ("apiSocket", |options, own| options.api_socket = Some(own.join("x".repeat(108)))),
        ("networkNamespace", |options, own| options.network_namespace = Some(own.join("missing"))),
        ("supervisor", |options, own| options.supervisor = Some(own.join("x".repeat(108)))),
        ("extraArguments", |options, _| options.extra_arguments = vec!["a\0b".to_owned()]),
    ];
    let directory = env.directory().to_owned();
    std::fs::write(directory.join("file"), "")?;
    for (field, change) in rows {
        let spec = with(env, |options| change(options, &directory))?;
        let error = kind_of(env.client().run_pod(&spec).await, ErrorKind::InvalidArgument)?;
        ensure_eq!(error.field(), Some(format!("extensions.nydus.{field}").as_str()));
    }
    let mut unknown = env.pod();
    unknown.extensions = serde_json::from_str(r#"{"nydus": {"sauce": "/tmp"}}"#)?;
    kind_of(env.client().run_pod(&unknown).await, ErrorKind::InvalidArgument)?;
    env.ensure_nothing_left().await
}

async fn an_api_socket_that_is_in_the_way_is_refused(env: &Env) -> Verdict {
    let socket = sockets(env)?.join("a");
    let spec = with(env, |options| options.api_socket = Some(socket.clone()))?;
    refuses_what_is_there(env, &socket, &spec, "apiSocket").await
}

/// A file, a directory, and a socket that somebody listens on: each is refused, and stays.
pub(super) async fn refuses_what_is_there(
    env: &Env,
    socket: &std::path::Path,
    spec: &wharf::spec::PodSpec,
    field: &str,
) -> Verdict {
    let refused = async || {
        let error = kind_of(env.client().run_pod(spec).await, ErrorKind::InvalidArgument)?;
        ensure_eq!(error.field(), Some(format!("extensions.nydus.{field}").as_str()));
        Ok::<_, testkit::conformance::Failure>(())
    };
    std::fs::write(socket, "mine")?;
    refused().await?;
    ensure_eq!(std::fs::read_to_string(socket)?, "mine");
    std::fs::remove_file(socket)?;
    std::fs::create_dir(socket)?;
    refused().await?;
    ensure!(socket.is_dir(), "the directory has gone");
    std::fs::remove_dir(socket)?;
    let listener = UnixListener::bind(socket)?;
    refused().await?;
    std::os::unix::net::UnixStream::connect(socket)?;
    drop(listener);
    std::fs::remove_file(socket)?;
    ensure_nothing_of(env).await
}

async fn a_stale_socket_is_taken_away(env: &Env) -> Verdict {
    let socket = sockets(env)?.join("a");
    drop(UnixListener::bind(&socket)?);
    ensure!(socket.exists(), "the file went with its listener");
    let pod = env.client().run_pod(&with(env, |options| options.api_socket = Some(socket.clone()))?).await?;
    ensure_eq!(status(&pod).await?.api_socket, socket);
    pod.remove().await?;
    ensure_nothing_of(env).await
}

async fn a_directory_of_the_callers_is_shared_and_stays(env: &Env) -> Verdict {
    let source = env.directory().join("mine");
    std::fs::create_dir(&source)?;
    std::fs::write(source.join("file"), "mine")?;
    let pod = env
        .client()
        .run_pod(&with(env, |options| {
            options.source = Some(source.clone());
            options.log_level = Some(LogLevel::Debug);
        })?)
        .await?;
    let own = status(&pod).await?;
    ensure_eq!(own.source, source);
    if let Some(mountpoint) = &own.mountpoint {
        let shared = mountpoint.join("containers/file");
        ensure_eq!(tokio::fs::read_to_string(shared).await?, "mine");
    }
    pod.stop(&StopOptions::default()).await?;
    pod.remove().await?;
    ensure_eq!(std::fs::read_to_string(source.join("file"))?, "mine");
    env.ensure_nothing_left().await
}

async fn two_daemons_never_have_the_same_socket(env: &Env) -> Verdict {
    let socket = sockets(env)?.join("a");
    let spec = || with(env, |options| options.api_socket = Some(socket.clone()));
    let (first, second) = (spec()?, spec()?);
    let both = futures::future::join(env.client().run_pod(&first), env.client().run_pod(&second)).await;
    let both = [both.0, both.1];
    ensure_eq!(both.iter().filter(|run| run.is_ok()).count(), 1);
    for error in both.iter().filter_map(|run| run.as_ref().err()) {
        ensure_eq!(error.kind(), ErrorKind::InvalidArgument);
        ensure_eq!(error.field(), Some("extensions.nydus.apiSocket"));
    }
    let Some(winner) = both.iter().flatten().next() else { return Ok(()) };
    ensure_eq!(status(winner).await?.pid.is_some(), true);
    winner.remove().await?;
    ensure_nothing_of(env).await
}
