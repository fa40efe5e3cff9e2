//! A server whose clock is off, and that corrects it: what is measured here is measured by this side's clock, and what the server
//! says of itself is only compared with what it said before.

use futures::TryStreamExt;
use testkit::{conformance::Verdict, ensure, ensure_eq};
use wharf::{LogLine, LogOptions, PodPhase, StopOptions, spec::ExecSpec};

use super::own::{Own, on_its_own, promptly};

on_its_own! { Faults;
    a_clock_that_is_five_minutes_off,
    a_clock_that_is_put_right_while_a_pod_runs,
}

async fn a_clock_that_is_five_minutes_off(own: &Own<'_>) -> Verdict {
    for offset in [300, -300] {
        own.fake.clock().set_offset_seconds(offset);
        life(own, offset, offset).await?;
    }
    Ok(())
}

async fn a_clock_that_is_put_right_while_a_pod_runs(own: &Own<'_>) -> Verdict {
    for offset in [300, -300] {
        own.fake.clock().set_offset_seconds(offset);
        life(own, offset, 0).await?;
    }
    Ok(())
}

/// The life of a pod, begun with the clock so far off, and ended with it otherwise.
async fn life(own: &Own<'_>, before: i64, after: i64) -> Verdict {
    let pod = promptly(own.client.run_pod(&own.pod(["do", "lines", "30", "2", ";;", "pause"]))).await??;
    let created = pod.status().await?.summary.created_at.ok_or("it is not said when it was made")?;
    let off = created.duration_since(jiff::Timestamp::now()).as_secs();
    ensure!((off - before).abs() < 120, "it was made {off} s from now, by a clock that is {before} s off");
    let container = pod.container("main").ok_or("there is no container")?;
    let mut following = container.logs(&LogOptions::follow()).await?;
    let mut seen: Vec<LogLine> = Vec::new();
    while seen.len() < 30 {
        // Every tenth line the connection is lost.
        if seen.len() % 10 == 5 {
            own.fake.stop().await;
            own.fake.clock().set_offset_seconds(after);
            own.fake.start_again()?;
        }
        seen.push(promptly(following.try_next()).await??.ok_or("the log ended")?);
    }
    let written: Vec<_> = container.logs(&LogOptions::default()).await?.try_collect().await?;
    ensure_eq!(seen, written);
    let seen_at = seen[20].timestamp;
    let since = LogOptions::default().with_since(seen_at);
    let later: Vec<LogLine> = container.logs(&since).await?.try_collect().await?;
    // Several lines may have been written at once.
    seen.retain(|line| line.timestamp >= seen_at);
    ensure_eq!(later, seen);
    ensure!(
        container.exec(&ExecSpec::new(["/guest", "exit", "0"])).await?.exit.success(),
        "a command failed"
    );
    promptly(pod.stop(&StopOptions::default())).await??;
    ensure_eq!(pod.status().await?.summary.phase, PodPhase::Stopped);
    promptly(pod.remove()).await??;
    own.ensure_empty().await
}
