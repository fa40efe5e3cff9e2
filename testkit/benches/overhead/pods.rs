//! The life of a pod: sandbox, container and start; a command; stop; removal.

use std::time::Duration;

use wharf::{StopOptions, spec::ExecSpec};

use crate::{
    MAX_RATIO, Result,
    measure::{in_turns, timed},
    table::{Goal, Row},
    target::Target,
};

const COMMAND: [&str; 3] = ["/guest", "echo", "hello"];

/// The container ends at the signal; this is never waited for.
const GRACE_SECONDS: u8 = 10;

/// The steps in their order, and all of them together.
const STEPS: [&str; 5] = ["run", "exec", "stop", "remove", "whole life"];

type Steps = [Duration; STEPS.len()];

/// Prints a row for each step.
pub(crate) async fn measure(target: &Target, quick: bool) -> Result<()> {
    let pairs = if quick { 3 } else { 100 };
    let (mut made, mut made_raw) = (0, 0);
    let lives = in_turns(
        pairs,
        async || {
            made += 1;
            ours(target, &format!("ours-{made}")).await
        },
        async || {
            made_raw += 1;
            raw(target, &format!("raw-{made_raw}")).await
        },
    );
    let lives = lives.await?;
    for (index, step) in STEPS.into_iter().enumerate() {
        let pairs: Vec<_> = lives.iter().map(|[ours, raw]| [ours[index], raw[index]]).collect();
        println!("{}", Row::new(format!("pod: {step}, {}", target.name), Goal::Ratio(MAX_RATIO), &pairs));
    }
    Ok(())
}

/// The gRPC calls of one life each, in the order that the server sees them.
pub(crate) async fn count_calls(target: &Target) -> Result<String> {
    let calls = target.calls().ok_or("only the fake counts")?;
    calls.clear();
    ours(target, "counted").await?;
    let ours = calls.names();
    calls.clear();
    raw(target, "counted-raw").await?;
    let raw = calls.names();
    Ok(format!(
        "gRPC calls of one pod's life: ours {} ({}), reference {} ({}).",
        ours.len(),
        ours.join(", "),
        raw.len(),
        raw.join(", ")
    ))
}

async fn ours(target: &Target, name: &str) -> Result<Steps> {
    let spec = target.spec(name);
    let exec = ExecSpec::new(COMMAND);
    let grace = StopOptions::after(Duration::from_secs(GRACE_SECONDS.into()));
    let (pod, run) = timed(async { Ok(target.client.run_pod(&spec).await?) }).await?;
    let main = pod.container("main").ok_or("the container is missing")?;
    let (output, exec) = timed(async { Ok(main.exec(&exec).await?) }).await?;
    if !output.exit.success() {
        return Err(format!("the command {}", output.exit).into());
    }
    let ((), stop) = timed(async { Ok(pod.stop(&grace).await?) }).await?;
    let ((), remove) = timed(async { Ok(pod.remove().await?) }).await?;
    Ok([run, exec, stop, remove, run + exec + stop + remove])
}

async fn raw(target: &Target, name: &str) -> Result<Steps> {
    let (raw, logs) = (&target.raw, target.logs());
    let spec = target.spec(name);
    let (pod, run) = timed(raw.run(&spec, logs)).await?;
    let ((), exec) = timed(raw.exec(&pod, &COMMAND)).await?;
    let ((), stop) = timed(raw.stop(&pod, GRACE_SECONDS.into())).await?;
    let ((), remove) = timed(raw.remove(&pod, name, logs)).await?;
    Ok([run, exec, stop, remove, run + exec + stop + remove])
}
