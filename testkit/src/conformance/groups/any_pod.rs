//! What is about no containers, so that it is the same where pods have none.

use std::time::Duration;

use runtime_core::{Context, ErrorKind, PodFilter, PodPhase, StopOptions};

use crate::conformance::{
    Env, Verdict,
    case::{cases, ensure, ensure_eq},
    env::kind_of,
};

cases! { Contract, any_pod;
    ping_says_who_it_is: proves [], needs [];
    a_facet_is_there_if_and_only_if_it_can_do_something: proves [], needs [];
    a_missing_pod: proves [PodStatus, PodStop, PodRemove], needs [];
    every_error_says_what_failed_where: proves [], needs [PodStatus];
    an_unknown_phase_is_refused: proves [], needs [PodList];
    empty_ids_of_pods_are_refused: proves [], needs [PodStatus, PodStop, PodRemove, PodList];
    a_client_that_is_cancelled_asks_for_nothing: proves [], needs [PodList];
    a_client_whose_time_is_over_asks_for_nothing: proves [], needs [PodList];
}

async fn ping_says_who_it_is(env: &Env) -> Verdict {
    let health = env.client().ping().await?;
    ensure!(!health.system.is_empty() && !health.version.is_empty(), "{health:?}");
    ensure!(health.is_ok(), "not healthy: {health:?}");
    Ok(())
}

async fn a_facet_is_there_if_and_only_if_it_can_do_something(env: &Env) -> Verdict {
    let driver = env.driver();
    let facets = [
        ("pod.", driver.pods().is_some()),
        ("container.", driver.containers().is_some()),
        ("exec.", driver.exec().is_some()),
        ("image.", driver.images().is_some()),
    ];
    for (prefix, there) in facets {
        let mut of_facet = runtime_core::Capability::ALL.iter().filter(|c| c.name().starts_with(prefix));
        ensure_eq!((prefix, of_facet.any(|capability| env.has(*capability))), (prefix, there));
    }
    Ok(())
}

async fn a_missing_pod(env: &Env) -> Verdict {
    let pod = env.client().pod("wharf-conformance-unknown");
    kind_of(pod.status().await, ErrorKind::NotFound)?;
    pod.stop(&StopOptions::default()).await?;
    pod.remove().await?;
    Ok(())
}

async fn every_error_says_what_failed_where(env: &Env) -> Verdict {
    let error = kind_of(env.client().pod("wharf-conformance-unknown").status().await, ErrorKind::NotFound)?;
    ensure_eq!(error.operation().map(|operation| operation.name()), Some("pod.status"));
    ensure_eq!(error.driver(), Some(env.driver().info().name));
    ensure_eq!(error.object().map(|object| object.id.as_str()), Some("wharf-conformance-unknown"));
    ensure!(!error.is_transient(), "{error:?}");
    ensure!(!error.to_string().contains('\n'), "{error}");
    Ok(())
}

async fn an_unknown_phase_is_refused(_: &Env) -> Verdict {
    let error = kind_of("ready-ish".parse::<PodPhase>(), ErrorKind::InvalidArgument)?;
    ensure_eq!(error.field(), Some("phase"));
    kind_of("dead".parse::<runtime_core::ContainerPhase>(), ErrorKind::InvalidArgument)?;
    Ok(())
}

async fn empty_ids_of_pods_are_refused(env: &Env) -> Verdict {
    let pod = env.client().pod("");
    let results = [pod.status().await.map(drop), pod.stop(&StopOptions::default()).await, pod.remove().await];
    for result in results {
        ensure_eq!(kind_of(result, ErrorKind::InvalidArgument)?.field(), Some("id"));
    }
    let filter = PodFilter::default().with_id("".into());
    let error = kind_of(env.client().list_pods(&filter).await, ErrorKind::InvalidArgument)?;
    ensure_eq!(error.field(), Some("filter.id"));
    Ok(())
}

async fn a_client_that_is_cancelled_asks_for_nothing(env: &Env) -> Verdict {
    let cx = Context::background();
    cx.cancellation().cancel();
    let client = env.client().with_context(cx);
    kind_of(client.list_pods(&env.filter()).await, ErrorKind::Cancelled).map(drop)
}

async fn a_client_whose_time_is_over_asks_for_nothing(env: &Env) -> Verdict {
    let client = env.client().with_timeout(Duration::ZERO);
    kind_of(client.list_pods(&env.filter()).await, ErrorKind::DeadlineExceeded).map(drop)
}
