//! Commands in containers.

use std::time::{Duration, Instant};

use futures::future::join_all;
use runtime_core::{ErrorKind, ExitCause, spec::ExecSpec};

use crate::conformance::{
    Env, Verdict,
    case::{cases, ensure, ensure_eq},
    env::{guest_command, guest_exec, kind_of},
};

cases! { Exec;
    streams_are_kept_apart: proves [ExecSync], needs [PodRun];
    an_end_other_than_zero_is_data: proves [ExecSync], needs [PodRun];
    arguments_arrive_as_they_are: proves [], needs [ExecSync, PodRun];
    a_command_sees_the_containers_environment: proves [], needs [ExecSync, PodRun, ContainerEnv];
    binary_output_arrives_whole: proves [], needs [ExecSync, PodRun, ContainerRootfs];
    large_output_arrives_whole: proves [], needs [ExecSync, PodRun];
    output_beyond_the_cap_is_an_error: proves [], needs [ExecSync, PodRun];
    a_missing_command_is_told: proves [], needs [ExecSync, PodRun];
    a_container_that_does_not_run_refuses: proves [], needs [ExecSync, PodRun, ContainerCreate, ContainerWait];
    a_timeout_kills_the_command: proves [ExecTimeout], needs [ExecSync, PodRun, ContainerMounts];
    a_deadline_ends_the_call: proves [], needs [ExecSync, PodRun];
    a_background_child_does_not_hold_the_answer_for_ever: proves [], needs [ExecSync, ExecTimeout, PodRun];
    several_commands_at_once: proves [], needs [ExecSync, PodRun];
    the_container_outlives_its_commands: proves [], needs [ExecSync, PodRun, ContainerStatus];
    environment_of_the_command: proves [ExecEnv], needs [ExecSync, PodRun];
    working_directory_of_the_command: proves [ExecCwd], needs [ExecSync, PodRun, ContainerRootfs];
    a_terminal_for_the_command: proves [ExecTty], needs [ExecSync, PodRun];
    user_of_the_command: proves [ExecUser], needs [ExecSync, PodRun];
}

async fn streams_are_kept_apart(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let output = container.exec(&guest_command(["do", "echo", "out", ";;", "err", "wrong"])).await?;
    ensure_eq!(output.stdout_text(), "out\n");
    ensure_eq!(output.stderr_text(), "wrong\n");
    ensure!(output.exit.success(), "{:?}", output.exit);
    Ok(())
}

async fn an_end_other_than_zero_is_data(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    for code in [1, 5, 255] {
        let output = guest_exec(&container, ["exit", &code.to_string()]).await?;
        ensure_eq!(output.exit.cause, ExitCause::Exited(code));
    }
    Ok(())
}

async fn arguments_arrive_as_they_are(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let words = ["", " ", "a b", "'", "\"", "$HOME", "`id`", "*", "\\", "\n", "ünïcödé", "--", "-x", ";"];
    let command = ["/guest", "args"].into_iter().chain(words);
    let output = container.exec(&ExecSpec::new(command)).await?;
    let told: Result<Vec<String>, _> = output.stdout_text().lines().map(serde_json::from_str).collect();
    ensure_eq!(told?, words);
    Ok(())
}

async fn a_command_sees_the_containers_environment(env: &Env) -> Verdict {
    let mut spec = env.pod_running(["pause"]);
    spec.containers[0] = spec.containers[0].clone().with_env("GREETING", "a=b c").with_env("EMPTY", "");
    let (_, container) = env.run(&spec).await?;
    let text = guest_exec(&container, ["env"]).await?.stdout_text();
    for line in ["GREETING=a=b c", "EMPTY=", "IMAGE_ENV=from-image"] {
        ensure!(text.lines().any(|told| told == line), "{line} is missing in:\n{text}");
    }
    Ok(())
}

async fn binary_output_arrives_whole(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let output = guest_exec(&container, ["cat", "/guest"]).await?;
    ensure!(output.stdout.starts_with(b"\x7fELF"), "not a program: {:?}", output.stdout.get(..4));
    ensure!(output.stdout.len() > 100_000, "{} bytes", output.stdout.len());
    Ok(())
}

async fn large_output_arrives_whole(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    for stream in ["stdout", "stderr"] {
        let size = 8 << 20;
        let output = guest_exec(&container, ["bytes", &size.to_string(), stream]).await?;
        let (full, empty) =
            if stream == "stdout" { (output.stdout, output.stderr) } else { (output.stderr, output.stdout) };
        ensure_eq!((full.len(), empty.len()), (size, 0));
    }
    Ok(())
}

async fn output_beyond_the_cap_is_an_error(env: &Env) -> Verdict {
    let Some(cap) = env.client().capabilities().limits().exec_output else {
        return Err(crate::conformance::Failure::Skipped("the driver has no cap".to_owned()));
    };
    let (_, container) = env.idle().await?;
    let beyond = (cap.0 + 1).to_string();
    let error = kind_of(guest_exec(&container, ["bytes", &beyond]).await, ErrorKind::ResourceExhausted)?;
    ensure!(!error.is_transient(), "{error:?}");
    ensure_eq!(guest_exec(&container, ["echo", "still", "here"]).await?.stdout_text(), "still here\n");
    Ok(())
}

async fn a_missing_command_is_told(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let command = ExecSpec::new(["/no/such/command"]);
    match container.exec(&command).await {
        Ok(output) => ensure!(matches!(output.exit.code(), Some(126 | 127)), "{:?}", output.exit),
        Err(error) => ensure_eq!(error.kind(), ErrorKind::Failed),
    }
    Ok(())
}

async fn a_container_that_does_not_run_refuses(env: &Env) -> Verdict {
    let (pod, _) = env.idle().await?;
    let created = pod.create_container(&env.container("created", ["pause"])).await?;
    kind_of(guest_exec(&created, ["echo"]).await, ErrorKind::InvalidState)?;
    let ended = pod.create_container(&env.container("ended", ["exit", "0"])).await?;
    ended.start().await?;
    ended.wait().await?;
    kind_of(guest_exec(&ended, ["echo"]).await, ErrorKind::InvalidState)?;
    Ok(())
}

async fn a_timeout_kills_the_command(env: &Env) -> Verdict {
    let mut spec = env.pod_running(["pause"]);
    spec.containers[0] =
        spec.containers[0].clone().with_mount(runtime_core::spec::Mount::host(env.directory(), "/data"));
    let (_, container) = env.run(&spec).await?;
    let started = Instant::now();
    let slow = guest_command(["do", "sleep", "4", ";;", "write", "/data/late", "x"]);
    let result = container.exec(&slow.with_timeout(Duration::from_secs(1))).await;
    kind_of(result, ErrorKind::DeadlineExceeded)?;
    ensure!(started.elapsed() < Duration::from_secs(3), "answered after {:?}", started.elapsed());
    // Past the time at which the command would have written, had it lived.
    guest_exec(&container, ["sleep", "4"]).await?;
    ensure!(!env.directory().join("late").exists(), "the command went on after its timeout");
    Ok(())
}

async fn a_deadline_ends_the_call(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let hasty = env.client().with_timeout(Duration::from_secs(1)).container(container.id().clone());
    let started = Instant::now();
    kind_of(guest_exec(&hasty, ["sleep", "30"]).await, ErrorKind::DeadlineExceeded)?;
    ensure!(started.elapsed() < Duration::from_secs(5), "answered after {:?}", started.elapsed());
    Ok(())
}

async fn a_background_child_does_not_hold_the_answer_for_ever(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let started = Instant::now();
    let result = container.exec(&guest_command(["hold", "20"]).with_timeout(Duration::from_secs(3))).await;
    ensure!(started.elapsed() < Duration::from_secs(10), "answered after {:?}", started.elapsed());
    match result {
        Ok(output) => ensure!(output.exit.success(), "{:?}", output.exit),
        Err(error) => ensure_eq!(error.kind(), ErrorKind::DeadlineExceeded),
    }
    Ok(())
}

async fn several_commands_at_once(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let words: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    let outputs = join_all(words.iter().map(|word| guest_exec(&container, ["echo", word]))).await;
    for (word, output) in words.iter().zip(outputs) {
        ensure_eq!(output?.stdout_text().trim(), word);
    }
    Ok(())
}

async fn the_container_outlives_its_commands(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    guest_exec(&container, ["exit", "9"]).await?;
    let status = container.status().await?;
    ensure_eq!(status.summary.phase, runtime_core::ContainerPhase::Running);
    ensure_eq!(status.exit, None);
    Ok(())
}

async fn environment_of_the_command(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let spec = guest_command(["env"]).with_env("ONLY_HERE", "x=y").with_env("IMAGE_ENV", "replaced");
    let text = container.exec(&spec).await?.stdout_text();
    ensure!(text.lines().any(|line| line == "ONLY_HERE=x=y"), "{text}");
    ensure_eq!(
        text.lines().filter(|line| line.starts_with("IMAGE_ENV=")).collect::<Vec<_>>(),
        ["IMAGE_ENV=replaced"]
    );
    Ok(())
}

async fn working_directory_of_the_command(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    ensure_eq!(guest_exec(&container, ["cwd"]).await?.stdout_text().trim(), "/work");
    let text = container.exec(&guest_command(["cwd"]).with_cwd("/tmp")).await?.stdout_text();
    ensure_eq!(text.trim(), "/tmp");
    Ok(())
}

async fn a_terminal_for_the_command(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let mut spec = guest_command(["do", "readlink", "/proc/self/fd/1", ";;", "err", "merged"]);
    let plain = container.exec(&spec).await?.stdout_text();
    ensure!(!plain.contains("/dev/pts"), "{plain}");
    spec.tty = true;
    let output = container.exec(&spec).await?;
    ensure!(output.stdout_text().contains("/dev/pts/"), "{}", output.stdout_text());
    // A terminal has one stream for both.
    ensure!(output.stdout_text().contains("merged") && output.stderr.is_empty(), "{output:?}");
    Ok(())
}

async fn user_of_the_command(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    for user in ["1000:1000", "app"] {
        let text = container.exec(&guest_command(["id"]).with_user(user)).await?.stdout_text();
        ensure!(text.contains("uid=1000 gid=1000"), "{user}: {text}");
    }
    Ok(())
}
