//! Containers one attaches to.

use runtime_core::{AttachOptions, ContainerPhase, ErrorKind, spec::Mount};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::streaming::{stream, text, within};
use crate::conformance::{
    Env, Verdict,
    case::{cases, ensure, ensure_eq},
    env::{guest_exec, kind_of},
};

cases! { Exec;
    an_attached_session_sees_output_and_the_end: proves [ExecAttach], needs [PodRun, ContainerStdin, ContainerMounts];
    an_attached_session_sends_input: proves [ExecAttach], needs [PodRun, ContainerStdin];
    an_attached_session_only_lets_go: proves [], needs [ExecAttach, PodRun, ContainerStatus, ExecSync];
    attaching_refuses_what_can_not_be: proves [], needs [ExecAttach, PodRun, ContainerWait];
}

async fn an_attached_session_sees_output_and_the_end(env: &Env) -> Verdict {
    let command =
        ["do", "wait-file", "/data/go", ";;", "echo", "out", ";;", "err", "wrong", ";;", "exit", "6"];
    let mut spec = env.pod_running(command);
    spec.containers[0] = spec.containers[0].clone().with_mount(Mount::host(env.directory(), "/data"));
    let (_, container) = env.run(&spec).await?;
    let mut session = container.attach(&AttachOptions::default()).await?;
    ensure!(session.stdin.is_none(), "nobody asked for input");
    std::fs::write(env.directory().join("go"), "")?;
    let (stdout, stderr) = (stream(&mut session.stdout)?, stream(&mut session.stderr)?);
    let (stdout, stderr) = tokio::join!(text(stdout), text(stderr));
    ensure_eq!((stdout?.as_str(), stderr?.as_str()), ("out\n", "wrong\n"));
    ensure_eq!(within("the end", session.wait()).await??.code(), Some(6));
    Ok(())
}

async fn an_attached_session_sends_input(env: &Env) -> Verdict {
    let mut spec = env.pod_running(["cat"]);
    spec.containers[0].stdin = true;
    let (_, container) = env.run(&spec).await?;
    let mut session = container.attach(&AttachOptions::default().with_stdin()).await?;
    let mut stdin = stream(&mut session.stdin)?;
    let mut stdout = BufReader::new(stream(&mut session.stdout)?);
    for line in ["one\n", "two\n"] {
        stdin.write_all(line.as_bytes()).await?;
        let mut echo = String::new();
        within("the echo", stdout.read_line(&mut echo)).await??;
        ensure_eq!(echo, line);
    }
    Ok(())
}

async fn an_attached_session_only_lets_go(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    drop(container.attach(&AttachOptions::default()).await?);
    env.settle().await?;
    ensure_eq!(guest_exec(&container, ["echo", "here"]).await?.stdout_text(), "here\n");
    ensure_eq!(container.status().await?.summary.phase, ContainerPhase::Running);
    Ok(())
}

async fn attaching_refuses_what_can_not_be(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let with_input = container.attach(&AttachOptions::default().with_stdin()).await;
    kind_of(with_input, ErrorKind::InvalidState)?;
    let (_, ended) = env.run(&env.pod_running(["exit", "0"])).await?;
    ended.wait().await?;
    kind_of(ended.attach(&AttachOptions::default()).await, ErrorKind::InvalidState)?;
    let missing = env.client().container("0".repeat(64));
    kind_of(missing.attach(&AttachOptions::default()).await, ErrorKind::NotFound)?;
    Ok(())
}
