//! What must never show: values of environment variables, passwords.

use runtime_core::{
    PullOptions,
    spec::{ContainerSpec, PodSpec, RegistryCredentials},
};

use crate::{
    conformance::{
        Env, Verdict,
        case::{cases, ensure},
        env::{guest_command, guest_exec},
    },
    registry::{Auth, Credentials},
};

cases! { Secrets;
    values_show_in_no_spec: proves [], needs [];
    values_show_in_no_error: proves [], needs [PodRun, ContainerEnv];
    values_show_in_no_trace_and_no_command_line: proves [], needs [PodRun, ContainerEnv, ExecSync];
    passwords_show_nowhere: proves [], needs [ImagePull, ImagePullCredentials];
    values_show_in_no_status: proves [], needs [PodRun, PodStatus, ContainerStatus, ContainerEnv];
    values_of_a_command_show_nowhere: proves [], needs [PodRun, ExecSync, ExecEnv];
    values_of_a_session_show_nowhere: proves [], needs [PodRun, ExecStream, ExecEnv, ExecCwd];
}

/// A text that nothing else contains.
fn planted(env: &Env) -> String {
    format!("planted{}", env.unique("secret").replace('-', "x"))
}

fn with_secret(env: &Env, command: &[&str], secret: &str) -> PodSpec {
    let mut spec = env.pod_running(command.iter().copied());
    spec.containers[0] = spec.containers[0].clone().with_env("TOKEN", secret);
    spec
}

async fn values_show_in_no_spec(env: &Env) -> Verdict {
    let secret = planted(env);
    let credentials = RegistryCredentials::basic("registry.test", "user", secret.as_str());
    let container = ContainerSpec::new("main", "image").with_env("TOKEN", secret.as_str());
    let exec = guest_command(["env"]).with_env("TOKEN", secret.as_str());
    let pull = PullOptions::default().with_credentials(credentials.clone());
    let pod = PodSpec::new("pod").with_container(container).with_pull_secret(credentials);
    let shown = format!("{pod:?} {pod:#?} {exec:?} {pull:?} {:?}", env.driver());
    ensure!(!shown.contains(&secret), "{shown}");
    Ok(())
}

async fn values_show_in_no_error(env: &Env) -> Verdict {
    let secret = planted(env);
    let mut missing_image = with_secret(env, &["pause"], &secret);
    missing_image.containers[0].image = env.registry().reference("no-such-image", "1").into();
    let mut missing_command = with_secret(env, &["pause"], &secret);
    missing_command.containers[0].command = vec!["/no/such/command".to_owned()];
    let mut bad_value = with_secret(env, &["pause"], &format!("{secret}\0"));
    bad_value.containers[0].env[0].name = "TOKEN".to_owned();
    for spec in [missing_image, missing_command, bad_value] {
        let Err(error) = env.client().run_pod(&spec).await else { return Err("it ran".into()) };
        let shown = format!("{error} {error:#} {error:?} {error:#?}");
        ensure!(!shown.contains(&secret), "{shown}");
    }
    Ok(())
}

async fn values_show_in_no_trace_and_no_command_line(env: &Env) -> Verdict {
    let secret = planted(env);
    let (pod, container) = env.run(&with_secret(env, &["pause"], &secret)).await?;
    let told = guest_exec(&container, ["env"]).await?.stdout_text();
    ensure!(told.contains(&secret), "the container itself does not have it");
    for process in std::fs::read_dir("/proc")?.flatten() {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        ensure!(!line.contains(&secret), "in the command line of process {:?}: {line}", process.file_name());
    }
    pod.remove().await?;
    not_traced(env, &secret)
}

fn not_traced(env: &Env, secret: &str) -> Verdict {
    let traced = env.traced();
    ensure!(traced.contains("capture installed"), "what is traced can't be seen");
    let line = traced.lines().find(|line| line.contains(secret));
    ensure!(line.is_none(), "traced: {line:?}");
    Ok(())
}

async fn passwords_show_nowhere(env: &Env) -> Verdict {
    let (right, wrong) = (planted(env), planted(env));
    let (reference, _) = env.own_image()?;
    let path = reference.split_once('/').map_or("", |(_, path)| path);
    let repository = path.rsplit_once(':').map_or(path, |(name, _)| name);
    env.registry().protect(repository, Auth::Basic(Credentials::new("user", right.as_str())));
    let pull = |password: &str| {
        let credentials = RegistryCredentials::basic(env.registry().address(), "user", password);
        PullOptions::default().with_credentials(credentials)
    };
    let Err(error) = env.client().images().pull(&reference, &pull(&wrong)).await else {
        return Err("pulled with a wrong password".into());
    };
    env.client().images().pull(&reference, &pull(&right)).await?;
    for secret in [right, wrong] {
        let shown = format!("{error:#} {error:?}");
        ensure!(!shown.contains(&secret), "{shown}");
        not_traced(env, &secret)?;
    }
    Ok(())
}

async fn values_show_in_no_status(env: &Env) -> Verdict {
    let secret = planted(env);
    let (pod, container) = env.run(&with_secret(env, &["pause"], &secret)).await?;
    let shown = format!("{:?} {:?}", pod.status().await?, container.status().await?);
    ensure!(!shown.contains(&secret), "{shown}");
    Ok(())
}

async fn values_of_a_command_show_nowhere(env: &Env) -> Verdict {
    let secret = planted(env);
    let (_, container) = env.idle().await?;
    let output = container.exec(&guest_command(["env"]).with_env("TOKEN", secret.as_str())).await?;
    ensure!(output.stdout_text().contains(&secret), "the command does not have it");
    ensure!(!format!("{output:?}").contains(&secret), "in the output's debug text");
    not_traced(env, &secret)
}

async fn values_of_a_session_show_nowhere(env: &Env) -> Verdict {
    let secret = planted(env);
    let (_, container) = env.idle().await?;
    let spec = guest_command(["env"]).with_env("TOKEN", secret.as_str());
    let session = container.start_exec(&spec).await?;
    let shown = format!("{session:?}");
    ensure!(session.output(100_000).await?.stdout_text().contains(&secret), "the command does not have it");
    for broken in [spec.clone().with_cwd("/no/such"), spec.clone().with_env("A", "b\0")] {
        let Err(error) = container.start_exec(&broken).await else { return Err("it ran".into()) };
        let shown = format!("{error} {error:#} {error:?} {error:#?}");
        ensure!(!shown.contains(&secret), "{shown}");
    }
    ensure!(!shown.contains(&secret), "{shown}");
    not_traced(env, &secret)
}
