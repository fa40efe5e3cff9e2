//! Credentials that end, and rights that are taken away.

use testkit::{
    conformance::{Verdict, kind_of},
    ensure, ensure_eq,
    fake_k8s::{WatchFault, store::Resource},
};
use wharf::ErrorKind;

use crate::eventually::eventually;

use super::{
    own::{Own, on_its_own, promptly},
    starting::Starting,
};

on_its_own! { Faults;
    a_token_that_is_renewed,
    a_token_that_is_renewed_while_a_pod_starts,
    a_token_that_has_ended,
    a_token_that_ends_while_a_pod_starts,
    rights_that_are_missing_are_named_before_anything_is_made,
    the_right_to_watch_is_taken_away_while_a_pod_starts,
    the_right_to_delete_is_taken_away_while_a_pod_starts,
}

async fn a_token_that_is_renewed(own: &Own<'_>) -> Verdict {
    let pod = promptly(own.client.run_pod(&own.pod(["pause"]))).await??;
    for round in 0..3 {
        renew(own, &format!("token-{round}"))?;
        promptly(pod.status()).await??;
    }
    renew(own, "the-last-token")?;
    promptly(pod.remove()).await??;
    own.ensure_empty().await
}

async fn a_token_that_is_renewed_while_a_pod_starts(own: &Own<'_>) -> Verdict {
    let starting = Starting::begin(own, own.pod(["pause"])).await?;
    renew(own, "another-token")?;
    let watches = own.fake.requests().count("WATCH pods");
    own.fake.break_watches(Resource::Pods, WatchFault::Close);
    eventually(|| {
        ensure!(own.fake.requests().count("WATCH pods") > watches, "nobody watches again");
        Ok(())
    })
    .await?;
    own.fake.faults().clear();
    let pod = starting.ends().await??;
    promptly(pod.remove()).await??;
    own.ensure_empty().await
}

async fn a_token_that_has_ended(own: &Own<'_>) -> Verdict {
    // More than each request twice, the first time with a token that was good, and with one that is read again.
    const MANY: usize = 24;
    let good = own.fake.token();
    let client = own.connect().await?;
    own.fake.set_token("somebody-elses");
    let before = own.fake.requests().total();
    let error = kind_of(promptly(client.run_pod(&own.pod(["pause"]))).await?, ErrorKind::Unauthenticated)?;
    ensure!(!error.is_transient() && error.leftovers().is_empty(), "{error:?}");
    kind_of(promptly(client.list_pods(&own.env.filter())).await?, ErrorKind::Unauthenticated)?;
    kind_of(promptly(client.pod("default/a/b").status()).await?, ErrorKind::Unauthenticated)?;
    let requests = own.fake.requests().total() - before;
    ensure!(requests <= MANY, "{requests} requests were made in vain");
    let shown = format!("{error:?} {error:#}");
    ensure!(!shown.contains(&good) && !shown.contains("somebody-elses"), "the token is in {shown}");
    own.fake.set_token(good);
    client.ping().await?;
    Ok(())
}

async fn a_token_that_ends_while_a_pod_starts(own: &Own<'_>) -> Verdict {
    let good = own.fake.token();
    let starting = Starting::begin(own, own.pod(["pause"])).await?;
    own.fake.set_token("somebody-elses");
    own.fake.break_watches(Resource::Pods, WatchFault::Close);
    let error = kind_of(starting.ends().await?, ErrorKind::Unauthenticated)?;
    // Nobody could remove it.
    ensure!(!error.leftovers().is_empty(), "{error:?}");
    own.fake.set_token(good);
    own.fake.faults().clear();
    promptly(own.client.reap(error.leftovers())).await??;
    own.ensure_empty().await
}

async fn rights_that_are_missing_are_named_before_anything_is_made(own: &Own<'_>) -> Verdict {
    for (verb, resource) in [("create", "secrets"), ("delete", "pods"), ("watch", "pods")] {
        own.fake.deny(verb, resource);
    }
    let error =
        kind_of(promptly(own.client.run_pod(&own.pod(["pause"]))).await?, ErrorKind::PermissionDenied)?;
    for missing in ["create secrets", "delete pods", "watch pods"] {
        ensure!(error.message().contains(missing), "{missing} is not named: {error}");
    }
    for made in ["POST pods", "POST secrets", "LIST pods", "WATCH pods"] {
        ensure_eq!((made, own.fake.requests().count(made)), (made, 0));
    }
    for (verb, resource) in [("create", "secrets"), ("delete", "pods"), ("watch", "pods")] {
        own.fake.allow(verb, resource);
    }
    // What was granted meanwhile is asked for again.
    let pod = promptly(own.client.run_pod(&own.pod(["pause"]))).await??;
    promptly(pod.remove()).await??;
    own.ensure_empty().await
}

async fn the_right_to_watch_is_taken_away_while_a_pod_starts(own: &Own<'_>) -> Verdict {
    let starting = Starting::begin(own, own.pod(["pause"])).await?;
    own.fake.deny("watch", "pods");
    own.fake.break_watches(Resource::Pods, WatchFault::Close);
    let error = kind_of(starting.ends().await?, ErrorKind::PermissionDenied)?;
    ensure!(error.leftovers().is_empty(), "{error:?}");
    own.ensure_empty().await
}

async fn the_right_to_delete_is_taken_away_while_a_pod_starts(own: &Own<'_>) -> Verdict {
    let starting = Starting::begin(own, own.pod(["pause"])).await?;
    own.fake.deny("delete", "pods");
    starting.cancel();
    let error = kind_of(starting.ends().await?, ErrorKind::Cancelled)?;
    // It is said at the end of the call, or when its undo has ended.
    let left = match promptly(own.client.settle()).await? {
        Ok(()) => error.leftovers().to_vec(),
        Err(unsettled) => [error.leftovers(), unsettled.leftovers()].concat(),
    };
    ensure!(!left.is_empty(), "what is left is not named: {error:?}");
    own.fake.allow("delete", "pods");
    own.fake.faults().clear();
    promptly(own.client.reap(&left)).await??;
    own.ensure_empty().await
}

/// Another token is the good one, and the kubeconfig has it.
fn renew(own: &Own<'_>, token: &str) -> Verdict {
    own.fake.set_token(token);
    Ok(own.fake.write_kubeconfig(&own.kubeconfig)?)
}
