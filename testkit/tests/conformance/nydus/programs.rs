//! Programs that are no nydusd.

use std::{os::unix::fs::PermissionsExt, time::Duration};

use testkit::{
    cases,
    conformance::{Env, Failure, Verdict, kind_of},
    ensure, ensure_eq,
};
use wharf::ErrorKind;

use super::own::{apart, ensure_nothing_of};

cases! { Faults;
    a_program_that_is_missing_is_named: proves [], needs [PodWithoutContainers];
    a_program_that_goes_away_is_named: proves [], needs [PodWithoutContainers];
    a_program_that_ends_at_once_fails_the_run_with_its_words: proves [], needs [PodWithoutContainers];
    a_program_that_never_listens_is_ended: proves [], needs [PodWithoutContainers];
    arguments_that_the_daemon_refuses_are_told: proves [], needs [PodWithoutContainers];
    a_daemon_without_descriptors_leaves_nothing: proves [], needs [PodWithoutContainers];
}

async fn a_program_that_is_missing_is_named(env: &Env) -> Verdict {
    let file = env.directory().join("file");
    std::fs::write(&file, "no program")?;
    let missing = env.directory().join("missing");
    for program in [missing.as_path(), &file, env.directory(), std::path::Path::new("no-such-nydusd")] {
        let connected = env.connect_with(&[("nydusd", &program.display().to_string())]).await;
        let Err(Failure::Failed(reason)) = connected else {
            return Err(Failure::Failed(format!("{} was taken for a program", program.display())));
        };
        ensure!(reason.contains("InvalidArgument") && reason.contains("nydusd"), "{reason}");
    }
    Ok(())
}

async fn a_program_that_goes_away_is_named(env: &Env) -> Verdict {
    let program = script(env, "exit 0")?;
    let client = env.connect_with(&[("nydusd", &program)]).await?;
    std::fs::remove_file(&program)?;
    let error = kind_of(client.run_pod(&apart(env, |_| {})?).await, ErrorKind::InvalidArgument)?;
    ensure_eq!(error.field(), Some("nydusd"));
    ensure_nothing_of(env).await
}

async fn a_program_that_ends_at_once_fails_the_run_with_its_words(env: &Env) -> Verdict {
    let program = script(env, "echo the last words >&2; exit 3")?;
    let client = env.connect_with(&[("nydusd", &program)]).await?;
    let error = kind_of(client.run_pod(&apart(env, |_| {})?).await, ErrorKind::Failed)?;
    let told = error.to_string();
    ensure!(told.contains("the last words") && told.contains('3'), "{told}");
    ensure!(error.leftovers().is_empty(), "{error:?}");
    ensure_nothing_of(env).await
}

async fn a_program_that_never_listens_is_ended(env: &Env) -> Verdict {
    let program = script(env, "exec sleep 1000")?;
    let client = env.connect_with(&[("nydusd", &program), ("start_timeout", "1")]).await?;
    let started = std::time::Instant::now();
    kind_of(client.run_pod(&apart(env, |_| {})?).await, ErrorKind::DeadlineExceeded)?;
    ensure!(started.elapsed() < Duration::from_secs(15), "it took {:?}", started.elapsed());
    ensure_nothing_of(env).await
}

async fn arguments_that_the_daemon_refuses_are_told(env: &Env) -> Verdict {
    let spec = apart(env, |options| options.extra_arguments = vec!["--no-such-option".to_owned()])?;
    let error = kind_of(env.client().run_pod(&spec).await, ErrorKind::Failed)?;
    ensure!(error.to_string().contains("--no-such-option"), "{error}");
    ensure_nothing_of(env).await
}

/// A shell script of the case's own.
/// The fewer files a daemon may open, the earlier it fails; wherever that is, it is told and cleared away.
async fn a_daemon_without_descriptors_leaves_nothing(env: &Env) -> Verdict {
    let daemon = super::find("WHARF_NYDUSD", "nydusd").unwrap_or_else(|| super::STUB.into());
    let mut failed = 0;
    for files in [3, 5, 8, 12, 20] {
        let program = script(env, &format!("ulimit -n {files}; exec {} \"$@\"", daemon.display()))?;
        let client = env.connect_with(&[("nydusd", &program), ("start_timeout", "2")]).await?;
        let started = std::time::Instant::now();
        match client.run_pod(&apart(env, |_| {})?).await {
            Ok(pod) => pod.remove().await?,
            Err(error) => {
                failed += 1;
                let fits = [
                    ErrorKind::Failed,
                    ErrorKind::DeadlineExceeded,
                    ErrorKind::Unavailable,
                    ErrorKind::Protocol,
                ];
                ensure!(fits.contains(&error.kind()) && error.leftovers().is_empty(), "{files}: {error:?}");
            }
        }
        ensure!(started.elapsed() < Duration::from_secs(15), "{files}: it took {:?}", started.elapsed());
        ensure_nothing_of(env).await?;
    }
    ensure!(failed > 0, "a daemon needs no descriptors");
    Ok(())
}

fn script(env: &Env, body: &str) -> Result<String, Failure> {
    let path = env.directory().join("nydusd");
    std::fs::write(&path, format!("#!/bin/sh\n{body}\n"))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(path.display().to_string())
}
