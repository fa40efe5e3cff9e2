//! Pulls in which nothing arrives any more. Nothing else may be pulled meanwhile: some systems can't tell whose progress it is.

use std::time::{Duration, Instant};

use runtime_core::{ErrorKind, PullOptions};

use super::pulling::{repository_of, script};
use crate::{
    conformance::{
        Env, Verdict,
        case::{cases, ensure},
        env::kind_of,
    },
    image::{Entry, ImageBuilder, LayerBuilder, Platform},
    registry::{Action, Request},
};

cases! { Images, alone;
    a_stalled_pull_is_given_up: proves [ImagePullNoProgressLimit], needs [ImagePull];
    a_slow_pull_is_not_given_up: proves [ImagePullNoProgressLimit], needs [ImagePull, ImageStatus];
}

async fn a_stalled_pull_is_given_up(env: &Env) -> Verdict {
    const LIMIT: Duration = Duration::from_millis(1500);
    for part in ["manifests", "blobs"] {
        let (reference, _) = env.own_image()?;
        let rule = script(env, &reference, part, Action::Hang);
        let options = PullOptions::default().with_no_progress_limit(LIMIT);
        let started = Instant::now();
        let pulled = env.client().images().pull(&reference, &options).await;
        let error = kind_of(pulled, ErrorKind::DeadlineExceeded)?;
        let took = started.elapsed();
        ensure!(took >= LIMIT && took < LIMIT + Duration::from_secs(4), "{part}: given up after {took:?}");
        ensure!(error.is_transient() && error.to_string().contains("1.5s"), "{error:?}");
        let left = |request: &Request| request.hung_up && request.path.contains(repository_of(&reference));
        let ended = env.registry().wait_for_request(left);
        tokio::time::timeout(Duration::from_secs(10), ended).await.map_err(|_| "the runtime goes on")?;
        rule.release();
        env.client().images().pull(&reference, &options).await?;
    }
    Ok(())
}

async fn a_slow_pull_is_not_given_up(env: &Env) -> Verdict {
    const LIMIT: Duration = Duration::from_secs(2);
    // A layer that nobody has, and that doesn't get shorter by compressing. Its length shows more than once: containerd
    // writes what arrives by the MiB.
    const LENGTH: usize = 6 << 20;
    let noise = noise(env.seed(), LENGTH);
    let layer = tokio::task::spawn_blocking(|| LayerBuilder::new().with("noise", Entry::file(noise)).build());
    let name = env.unique("image");
    env.registry().push(&name, "1", &ImageBuilder::new(Platform::host()).layer(layer.await??).build()?);
    let reference = env.registry().reference(&name, "1");
    // Twice the limit for it.
    let bytes_per_second = u32::try_from(LENGTH / 4)?;
    let _rule = script(env, &reference, "blobs", Action::Slow { bytes_per_second });
    let options = PullOptions::default().with_no_progress_limit(LIMIT);
    let started = Instant::now();
    env.client().images().pull(&reference, &options).await?;
    ensure!(started.elapsed() > LIMIT, "it was not slow: {:?}", started.elapsed());
    env.client().images().status(&reference).await?;
    Ok(())
}

/// Bytes by the xorshift generator.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    });
    words.flat_map(u64::to_le_bytes).take(length).collect()
}
