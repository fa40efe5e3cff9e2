//! Commands with environment, working directory and user, where these may have to travel beside the command: through the
//! toolbox, through a shell, or not at all.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use runtime_core::{ContainerHandle, ErrorKind, ExitCause, spec::ExecSpec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::conformance::{
    Env, Failure, Verdict,
    case::{cases, ensure, ensure_eq},
    env::{guest_command, guest_exec, kind_of},
};

cases! { Exec;
    values_arrive_as_they_are: proves [ExecEnv], needs [ExecSync, PodRun];
    a_large_environment_arrives_whole: proves [], needs [ExecSync, ExecEnv, PodRun];
    a_large_environment_arrives_whole_with_a_terminal: proves [], needs [ExecSync, ExecEnv, ExecTty, PodRun];
    input_goes_on_behind_the_environment: proves [], needs [ExecStream, ExecStdin, ExecEnv, PodRun];
    without_input_the_end_comes_at_once: proves [], needs [ExecStream, ExecEnv, PodRun];
    a_missing_working_directory_is_told: proves [], needs [ExecSync, ExecCwd, PodRun];
    an_unknown_user_is_told: proves [], needs [ExecSync, ExecUser, PodRun];
    a_missing_command_with_an_environment_is_told: proves [], needs [ExecSync, ExecEnv, PodRun];
    ends_and_arguments_come_through: proves [], needs [ExecSync, ExecEnv, PodRun];
    a_user_brings_its_groups_and_home: proves [], needs [ExecSync, ExecUser, PodRun];
    nothing_shows_on_a_command_line: proves [], needs [ExecSync, ExecEnv, ExecCwd, PodRun];
    a_timeout_ends_a_command_with_an_environment: proves [], needs [ExecSync, ExecTimeout, ExecEnv, PodRun];
    a_signal_arrives: proves [ExecSignal], needs [ExecStream, ExecEnv, PodRun];
    a_dropped_session_kills_its_command: proves [], needs [ExecStream, ExecSync, ExecEnv, PodRun];
    by_shell_values_arrive_as_they_are: proves [], needs [ExecSync, ExecEnv, PodRun];
    by_shell_a_large_environment_arrives_whole: proves [], needs [ExecSync, ExecEnv, PodRun];
    by_shell_a_large_environment_arrives_whole_with_a_terminal: proves [], needs [ExecSync, ExecEnv, ExecTty, PodRun];
    by_shell_input_goes_on_behind_the_environment: proves [], needs [ExecStream, ExecStdin, ExecEnv, PodRun];
    by_shell_without_input_the_end_comes_at_once: proves [], needs [ExecStream, ExecEnv, PodRun];
    by_shell_what_is_wrong_is_told: proves [], needs [ExecSync, ExecCwd, ExecUser, ExecEnv, PodRun];
    by_shell_ends_and_arguments_come_through: proves [], needs [ExecSync, ExecEnv, PodRun];
    by_shell_a_named_user: proves [], needs [ExecSync, ExecUser, PodRun];
    by_shell_signals_and_drops: proves [], needs [ExecStream, ExecSync, ExecSignal, ExecEnv, PodRun];
    what_a_shell_cannot_do_is_refused: proves [], needs [ExecSync, ExecEnv, ExecUser, PodRun];
    without_any_helper_streams_are_the_runtimes_own: proves [], needs [ExecStream, ExecStdin, ExecSync, PodRun];
    without_any_helper_the_field_is_refused: proves [], needs [ExecSync, ExecEnv, ExecCwd, ExecUser, PodRun];
}

/// A container whose commands get what they need from a shell in it alone.
async fn with_shell(env: &Env) -> Result<ContainerHandle, Failure> {
    let client = env.connect_with(&[("toolbox", "")]).await?;
    let mut spec = env.pod_running(["pause"]);
    spec.containers[0].image = env.shell_image().await?.into();
    let pod = client.run_pod(&spec).await?;
    pod.container("main").ok_or_else(|| "no container main in the answer".into())
}

/// The environment of a command, as the system handed it over.
fn environ() -> ExecSpec {
    guest_command(["cat", "/proc/self/environ"])
}

async fn values(container: &ContainerHandle) -> Verdict {
    let every: String = (1..=0x2ff_u32).filter_map(char::from_u32).collect();
    let values = [
        "",
        " ",
        "a=b",
        "'",
        "\"",
        "$HOME `id` $(id)",
        "*",
        "\\",
        "\\0101\\n",
        "%s",
        "\n\n",
        "-n",
        "--",
        "é\n",
        &every,
    ];
    let spec = values
        .iter()
        .enumerate()
        .fold(environ(), |spec, (number, value)| spec.with_env(format!("V{number}"), *value));
    let told = container.exec(&spec.with_env("IMAGE_ENV", "replaced")).await?.stdout;
    let told: Vec<&[u8]> = told.split(|byte| *byte == 0).collect();
    for (number, value) in values.iter().enumerate() {
        let line = format!("V{number}={value}");
        ensure!(told.contains(&line.as_bytes()), "V{number} did not arrive as it is");
    }
    let replaced: Vec<_> = told.iter().filter(|line| line.starts_with(b"IMAGE_ENV=")).collect();
    ensure_eq!(replaced, [b"IMAGE_ENV=replaced"]);
    Ok(())
}

async fn large(container: &ContainerHandle, tty: bool) -> Verdict {
    // The system allows a variable 128 KiB, and all together far more than this.
    let value = "0123456789abcdef".repeat(4096 - 4);
    let names = ["LARGE0", "LARGE1", "LARGE2", "LARGE3"];
    let spec = names.iter().fold(environ(), |spec, name| spec.with_env(*name, value.as_str()));
    let spec = if tty { spec.with_tty() } else { spec };
    let told = container.exec(&spec).await?.stdout_text();
    let whole = told.split('\0').filter(|line| line.starts_with("LARGE") && line.ends_with(&value)).count();
    ensure_eq!(whole, names.len());
    ensure!(told.len() < 2 * names.len() * value.len(), "more than the environment was told: {}", told.len());
    Ok(())
}

/// Talks to a command that repeats what it is told.
async fn input(container: &ContainerHandle, spec: ExecSpec) -> Verdict {
    let mut session = container.start_exec(&spec.with_stdin()).await?;
    drop(session.stderr.take());
    let (Some(mut stdin), Some(mut stdout)) = (session.stdin.take(), session.stdout.take()) else {
        return Err("no streams".into());
    };
    // One after the other first, as people type.
    for line in ["one\n", "two\n"] {
        stdin.write_all(line.as_bytes()).await?;
        stdin.flush().await?;
        let mut answer = [0; 4];
        stdout.read_exact(&mut answer).await?;
        ensure_eq!(&answer, line.as_bytes());
    }
    let bytes: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    let sent = bytes.clone();
    let writing = async move {
        stdin.write_all(&sent).await?;
        stdin.shutdown().await
    };
    let mut told = Vec::new();
    let (written, read) = tokio::join!(writing, stdout.read_to_end(&mut told));
    written?;
    read?;
    ensure!(told == bytes, "{} bytes of {}", told.len(), bytes.len());
    ensure!(session.wait().await?.success(), "{:?}", session.wait().await);
    Ok(())
}

async fn no_input(container: &ContainerHandle, tty: bool) -> Verdict {
    let spec = guest_command(["do", "cat", ";;", "echo", "over"]).with_env("A", "b");
    for spec in [Some(spec.clone()), tty.then(|| spec.with_tty())].into_iter().flatten() {
        let session = container.start_exec(&spec).await?;
        ensure!(session.stdin.is_none(), "there is an input");
        let output = session.output(1000).await?;
        ensure_eq!(output.stdout_text().trim_end(), "over");
    }
    Ok(())
}

async fn wrong_cwd(container: &ContainerHandle) -> Verdict {
    for directory in ["/no/such", "/etc/passwd"] {
        let spec = guest_command(["echo", "ran"]).with_cwd(directory);
        let error = kind_of(container.exec(&spec).await, ErrorKind::InvalidArgument)?;
        ensure_eq!(error.field(), Some("cwd"));
    }
    Ok(())
}

async fn wrong_user(container: &ContainerHandle) -> Verdict {
    for user in ["nobody-of-this-name", "app:no-such-group"] {
        let spec = guest_command(["echo", "ran"]).with_user(user);
        let error = kind_of(container.exec(&spec).await, ErrorKind::InvalidArgument)?;
        ensure_eq!(error.field(), Some("user"));
    }
    Ok(())
}

async fn wrong_command(container: &ContainerHandle) -> Verdict {
    for command in ["/no/such", "no-such", "/etc", "/etc/passwd"] {
        match container.exec(&ExecSpec::new([command]).with_env("A", "b")).await {
            Ok(output) => ensure!(matches!(output.exit.code(), Some(126 | 127)), "{:?}", output.exit),
            Err(error) => ensure_eq!(error.kind(), ErrorKind::Failed),
        }
    }
    Ok(())
}

async fn ends_and_arguments(container: &ContainerHandle) -> Verdict {
    for code in [0, 1, 125, 255] {
        let spec = guest_command(["exit", &code.to_string()]).with_env("A", "b");
        ensure_eq!(container.exec(&spec).await?.exit.cause, ExitCause::Exited(code));
    }
    let words = ["", " ", "a b", "'", "\"", "$HOME", "`id`", "*", "\\", "\n", "ünïcödé", "--", "-x", ";"];
    // Found along the variable that comes with it.
    let command = ["guest", "args"].into_iter().chain(words);
    let output = container.exec(&ExecSpec::new(command).with_env("PATH", "/no/such:/bin")).await?;
    let told: Result<Vec<String>, _> = output.stdout_text().lines().map(serde_json::from_str).collect();
    ensure_eq!(told?, words);
    let spec = guest_command(["do", "echo", "out", ";;", "err", "wrong"]).with_env("A", "b");
    let output = container.exec(&spec).await?;
    ensure_eq!((output.stdout_text().as_str(), output.stderr_text().as_str()), ("out\n", "wrong\n"));
    Ok(())
}

async fn signals(container: &ContainerHandle) -> Verdict {
    let spec = guest_command(["on-term", "bye", "7"]).with_env("A", "b");
    let mut session = container.start_exec(&spec).await?;
    drop(session.stderr.take());
    let mut stdout = session.stdout.take().ok_or("no output")?;
    let mut ready = [0; 6];
    stdout.read_exact(&mut ready).await?;
    session.signal("SIGTERM".parse()?).await?;
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).await?;
    drop(stdout);
    ensure_eq!(rest, "bye\n");
    ensure_eq!(session.wait().await?.cause, ExitCause::Exited(7));
    // It has ended: there is nobody to tell, which is fine.
    session.signal("SIGTERM".parse()?).await?;
    Ok(())
}

async fn drops(env: &Env, container: &ContainerHandle) -> Verdict {
    let spec = guest_command(["do", "proc-status", "Pid", ";;", "ignore-term"]).with_env("A", "b");
    let mut session = container.start_exec(&spec).await?;
    drop(session.stderr.take());
    let mut stdout = session.stdout.take().ok_or("no output")?;
    let mut told = String::new();
    while !told.contains("ready") {
        let mut piece = [0; 100];
        let count = stdout.read(&mut piece).await?;
        ensure!(count > 0, "it ended: {told}");
        told.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
    let pid = told.split_whitespace().next().unwrap_or_default().to_owned();
    let path = format!("/proc/{pid}");
    ensure!(guest_exec(container, ["stat", &path]).await?.exit.success(), "{path} is not there: {told}");
    drop((session, stdout));
    let mut pause = std::time::Duration::from_millis(1);
    while guest_exec(container, ["stat", &path]).await?.exit.success() {
        env.settle().await?;
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(std::time::Duration::from_millis(100));
    }
    Ok(())
}

async fn values_arrive_as_they_are(env: &Env) -> Verdict {
    values(&env.idle().await?.1).await
}

async fn a_large_environment_arrives_whole(env: &Env) -> Verdict {
    large(&env.idle().await?.1, false).await
}

async fn a_large_environment_arrives_whole_with_a_terminal(env: &Env) -> Verdict {
    large(&env.idle().await?.1, true).await
}

async fn input_goes_on_behind_the_environment(env: &Env) -> Verdict {
    input(&env.idle().await?.1, guest_command(["cat"]).with_env("A", "b")).await
}

async fn without_input_the_end_comes_at_once(env: &Env) -> Verdict {
    no_input(&env.idle().await?.1, env.has(runtime_core::Capability::ExecTty)).await
}

async fn a_missing_working_directory_is_told(env: &Env) -> Verdict {
    wrong_cwd(&env.idle().await?.1).await
}

async fn an_unknown_user_is_told(env: &Env) -> Verdict {
    wrong_user(&env.idle().await?.1).await
}

async fn a_missing_command_with_an_environment_is_told(env: &Env) -> Verdict {
    wrong_command(&env.idle().await?.1).await
}

async fn ends_and_arguments_come_through(env: &Env) -> Verdict {
    ends_and_arguments(&env.idle().await?.1).await
}

async fn a_user_brings_its_groups_and_home(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    for (user, id, home) in [
        ("app", "uid=1000 gid=1000 groups=1000,2000", "/work"),
        ("1000", "uid=1000 gid=1000 groups=1000,2000", "/work"),
        ("77:88", "uid=77 gid=88 groups=88", "/"),
    ] {
        let text =
            container.exec(&guest_command(["do", "id", ";;", "env"]).with_user(user)).await?.stdout_text();
        ensure_eq!(text.lines().next(), Some(id));
        let homes: Vec<_> = text.lines().filter(|line| line.starts_with("HOME=")).collect();
        ensure_eq!(homes, [format!("HOME={home}")]);
    }
    Ok(())
}

/// Looks at every command line of the host, over and over, while commands start.
async fn nothing_shows_on_a_command_line(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let secret = format!("planted{}", env.unique("secret").replace('-', "x"));
    let over = Arc::new(AtomicBool::new(false));
    let looking = tokio::task::spawn_blocking({
        let (over, secret) = (Arc::clone(&over), secret.clone());
        move || {
            let mut looks = 0;
            while !over.load(Ordering::Relaxed) {
                for process in std::fs::read_dir("/proc")?.flatten() {
                    let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
                    if String::from_utf8_lossy(&line).contains(&secret) {
                        return Ok(Err(process.file_name()));
                    }
                }
                looks += 1;
            }
            Ok::<_, std::io::Error>(Ok(looks))
        }
    });
    let mut told = Vec::new();
    for _ in 0..5 {
        let spec = guest_command(["env"]).with_env("TOKEN", secret.as_str()).with_cwd("/tmp");
        told.push(container.exec(&spec).await);
    }
    over.store(true, Ordering::Relaxed);
    let looks = looking.await??;
    for output in told {
        ensure!(output?.stdout_text().contains(&secret), "the command does not have it");
    }
    ensure!(matches!(looks, Ok(1..)), "in a command line: {looks:?}");
    Ok(())
}

async fn a_timeout_ends_a_command_with_an_environment(env: &Env) -> Verdict {
    let (_, container) = env.idle().await?;
    let started = std::time::Instant::now();
    let spec =
        guest_command(["sleep", "60"]).with_env("A", "b").with_timeout(std::time::Duration::from_secs(1));
    kind_of(container.exec(&spec).await, ErrorKind::DeadlineExceeded)?;
    ensure!(started.elapsed().as_secs() < 10, "answered after {:?}", started.elapsed());
    Ok(())
}

async fn a_signal_arrives(env: &Env) -> Verdict {
    signals(&env.idle().await?.1).await
}

async fn a_dropped_session_kills_its_command(env: &Env) -> Verdict {
    drops(env, &env.idle().await?.1).await
}

async fn by_shell_values_arrive_as_they_are(env: &Env) -> Verdict {
    values(&with_shell(env).await?).await
}

async fn by_shell_a_large_environment_arrives_whole(env: &Env) -> Verdict {
    large(&with_shell(env).await?, false).await
}

async fn by_shell_a_large_environment_arrives_whole_with_a_terminal(env: &Env) -> Verdict {
    large(&with_shell(env).await?, true).await
}

async fn by_shell_input_goes_on_behind_the_environment(env: &Env) -> Verdict {
    input(&with_shell(env).await?, guest_command(["cat"]).with_env("A", "b")).await
}

async fn by_shell_without_input_the_end_comes_at_once(env: &Env) -> Verdict {
    no_input(&with_shell(env).await?, env.has(runtime_core::Capability::ExecTty)).await
}

async fn by_shell_what_is_wrong_is_told(env: &Env) -> Verdict {
    let container = with_shell(env).await?;
    wrong_cwd(&container).await?;
    wrong_user(&container).await?;
    wrong_command(&container).await
}

async fn by_shell_ends_and_arguments_come_through(env: &Env) -> Verdict {
    ends_and_arguments(&with_shell(env).await?).await
}

async fn by_shell_a_named_user(env: &Env) -> Verdict {
    let container = with_shell(env).await?;
    // What busybox has for it takes everything from the user's entry.
    let spec = guest_command(["do", "id", ";;", "env"]).with_user("app").with_env("A", "b c");
    let text = container.exec(&spec).await?.stdout_text();
    ensure!(text.starts_with("uid=1000 gid=1000"), "{text}");
    for line in ["HOME=/work", "A=b c"] {
        ensure!(text.lines().any(|told| told == line), "{line} is missing in:\n{text}");
    }
    Ok(())
}

async fn by_shell_signals_and_drops(env: &Env) -> Verdict {
    let container = with_shell(env).await?;
    signals(&container).await?;
    drops(env, &container).await
}

async fn what_a_shell_cannot_do_is_refused(env: &Env) -> Verdict {
    let container = with_shell(env).await?;
    let spec = guest_command(["env"]).with_env("not.a.name", "hunter2");
    let error = kind_of(container.exec(&spec).await, ErrorKind::Unsupported)?;
    ensure_eq!(error.field(), Some("env"));
    ensure!(error.message().contains("not.a.name") && !format!("{error:?}").contains("hunter2"), "{error}");
    // busybox can't change to a number with a group of its own.
    let spec = guest_command(["id"]).with_user("77:88");
    let error = kind_of(container.exec(&spec).await, ErrorKind::Unsupported)?;
    ensure_eq!(error.field(), Some("user"));
    ensure!(error.message().contains("toolbox"), "{error}");
    Ok(())
}

/// A container with nothing in it that could help.
async fn without_helper(env: &Env) -> Result<ContainerHandle, Failure> {
    let client = env.connect_with(&[("toolbox", "")]).await?;
    let mut spec = env.pod_running(["pause"]);
    spec.containers[0].image = env.own_image()?.0.into();
    let pod = client.run_pod(&spec).await?;
    pod.container("main").ok_or_else(|| "no container main in the answer".into())
}

async fn without_any_helper_streams_are_the_runtimes_own(env: &Env) -> Verdict {
    let container = without_helper(env).await?;
    input(&container, guest_command(["cat"])).await?;
    let command = guest_command(["do", "echo", "out", ";;", "err", "wrong", ";;", "exit", "3"]);
    let output = container.start_exec(&command).await?.output(1000).await?;
    ensure_eq!((output.stdout_text().as_str(), output.stderr_text().as_str()), ("out\n", "wrong\n"));
    ensure_eq!(output.exit.cause, ExitCause::Exited(3));
    Ok(())
}

async fn without_any_helper_the_field_is_refused(env: &Env) -> Verdict {
    let container = without_helper(env).await?;
    let plain = || guest_command(["echo", "plain"]);
    for (spec, field) in [
        (plain().with_env("A", "hunter2"), "env"),
        (plain().with_cwd("/"), "cwd"),
        (plain().with_user("app"), "user"),
    ] {
        let error = kind_of(container.exec(&spec).await, ErrorKind::Unsupported)?;
        ensure_eq!(error.field(), Some(field));
        ensure!(error.message().contains("toolbox"), "{error}");
    }
    ensure_eq!(container.exec(&plain()).await?.stdout_text(), "plain\n");
    Ok(())
}
