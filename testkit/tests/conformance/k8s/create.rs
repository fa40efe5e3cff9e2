//! Each request of a create fails, before its effect and after it: then the pod runs with its secret, or nothing is left.

use serde_json::Value;
use testkit::{
    conformance::{Failure, Verdict},
    engine::Fault,
    ensure, ensure_eq,
    fake_k8s::{cut, refuse, store::Resource},
};
use wharf::{ErrorKind, PodHandle};

use super::{
    own::{Own, on_its_own, promptly},
    starting::Starting,
};

on_its_own! { Faults;
    a_create_that_may_not_be_checked,
    a_create_whose_secret_is_refused,
    a_create_whose_pod_is_refused,
    a_create_whose_secret_gets_no_owner,
    a_create_that_can_not_be_watched,
    a_create_that_is_cut_at_each_request,
    a_create_that_is_cut_and_can_not_be_undone_at_once,
    a_create_whose_requests_hang,
}

/// What comes of a create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Runs,
    Fails(ErrorKind),
}
use Outcome::{Fails, Runs};

async fn a_create_that_may_not_be_checked(own: &Own<'_>) -> Verdict {
    const REVIEW: &str = "POST selfsubjectaccessreviews";
    for (fault, outcome) in [
        (refuse(REVIEW, 429, Some(0)), Runs),
        (refuse(REVIEW, 500, None), Fails(ErrorKind::Unexpected)),
        (refuse(REVIEW, 503, None), Fails(ErrorKind::Unavailable)),
        (cut(REVIEW), Fails(ErrorKind::Unavailable)),
        // A cluster where nobody may ask.
        (refuse(REVIEW, 403, None), Runs),
    ] {
        broken(own, fault, outcome).await?;
    }
    Ok(())
}

async fn a_create_whose_secret_is_refused(own: &Own<'_>) -> Verdict {
    written(own, "POST secrets").await
}

async fn a_create_whose_pod_is_refused(own: &Own<'_>) -> Verdict {
    written(own, "POST pods").await
}

/// What is made is looked for when nobody says whether it was.
async fn written(own: &Own<'_>, request: &str) -> Verdict {
    for (fault, outcome) in [
        (refuse(request, 429, Some(1)), Runs),
        (refuse(request, 429, Some(0)).late(), Runs),
        // Somebody else has changed the namespace's quota meanwhile.
        (refuse(request, 409, None).times(2), Runs),
        (refuse(request, 403, None), Fails(ErrorKind::PermissionDenied)),
        (refuse(request, 422, None), Fails(ErrorKind::InvalidArgument)),
        (refuse(request, 500, None), Fails(ErrorKind::Unexpected)),
        (refuse(request, 500, None).late(), Runs),
        (refuse(request, 503, None), Fails(ErrorKind::Unavailable)),
        (refuse(request, 503, None).late(), Runs),
        (cut(request), Fails(ErrorKind::Unavailable)),
        (cut(request).late(), Runs),
    ] {
        broken(own, fault, outcome).await?;
    }
    Ok(())
}

async fn a_create_whose_secret_gets_no_owner(own: &Own<'_>) -> Verdict {
    const PATCH: &str = "PATCH secrets";
    for (fault, outcome) in [
        (refuse(PATCH, 429, Some(0)), Runs),
        (refuse(PATCH, 409, None).times(3), Runs),
        (refuse(PATCH, 500, None).times(2), Runs),
        (refuse(PATCH, 503, None), Runs),
        (refuse(PATCH, 503, None).late(), Runs),
        (cut(PATCH), Runs),
        (cut(PATCH).late(), Runs),
        (refuse(PATCH, 403, None), Fails(ErrorKind::PermissionDenied)),
        (refuse(PATCH, 404, None), Fails(ErrorKind::NotFound)),
    ] {
        broken(own, fault, outcome).await?;
    }
    Ok(())
}

async fn a_create_that_can_not_be_watched(own: &Own<'_>) -> Verdict {
    for request in ["LIST pods", "WATCH pods"] {
        for (fault, outcome) in [
            (refuse(request, 410, None), Runs),
            (refuse(request, 429, Some(1)), Runs),
            (refuse(request, 500, None).times(2), Runs),
            (refuse(request, 503, None).times(2), Runs),
            (cut(request).times(3), Runs),
            (refuse(request, 403, None).times(u32::MAX), Fails(ErrorKind::PermissionDenied)),
        ] {
            broken(own, fault, outcome).await?;
        }
    }
    Ok(())
}

/// Runs a pod with a driver that knows nothing yet, while one of its requests goes wrong.
async fn broken(own: &Own<'_>, fault: Fault, outcome: Outcome) -> Verdict {
    let told = format!("{:?} {} {:?}", fault.phase, fault.operation, fault.action);
    let (client, spec) = (own.connect().await?, own.pod(["pause"]));
    let hit = own.fake.faults().inject(fault);
    let result = promptly(client.run_pod(&spec)).await?;
    ensure!(hit.hits() > 0, "{told}: there was no such request");
    match (result, outcome) {
        (Ok(pod), Runs) => owns_its_secret(own, &pod)?,
        (Err(error), Fails(kind)) => {
            ensure!(error.kind() == kind && error.leftovers().is_empty(), "{told}: {error:?}");
        }
        (result, _) => return Err(Failure::Failed(format!("{told}: {result:?}, expected {outcome:?}"))),
    }
    own.fake.faults().clear();
    cleared(own, &client).await
}

async fn a_create_that_is_cut_at_each_request(own: &Own<'_>) -> Verdict {
    for is_late in [false, true] {
        let mut requests = 0;
        loop {
            let (client, spec) = (own.connect().await?, own.pod(["pause"]));
            let fault = cut("*").after(requests);
            let hit = own.fake.faults().inject(if is_late { fault.late() } else { fault });
            let result = promptly(client.run_pod(&spec)).await?;
            let was_hit = hit.hits() > 0;
            own.fake.faults().clear();
            match result {
                Ok(pod) => owns_its_secret(own, &pod)?,
                Err(error) => {
                    ensure!(was_hit && error.kind() == ErrorKind::Unavailable, "{requests}: {error:?}");
                    ensure!(error.leftovers().is_empty(), "{requests}: {error:?}");
                }
            }
            cleared(own, &client).await?;
            if !was_hit {
                break;
            }
            requests += 1;
        }
        // Five or more reviews, the list, the watch, the secret, the pod, the owner.
        ensure!((10..40).contains(&requests), "{requests} requests were cut");
    }
    Ok(())
}

async fn a_create_that_is_cut_and_can_not_be_undone_at_once(own: &Own<'_>) -> Verdict {
    let (client, spec) = (own.connect().await?, own.pod(["pause"]));
    let faults = own.fake.faults();
    for request in ["GET pods", "DELETE pods", "DELETE secrets"] {
        for fault in [refuse(request, 503, None), cut(request), refuse(request, 409, None).late()] {
            faults.inject(fault);
        }
    }
    faults.inject(refuse("PATCH secrets", 403, None));
    let error = promptly(client.run_pod(&spec)).await?.err().ok_or("it runs")?;
    ensure_eq!(error.kind(), ErrorKind::PermissionDenied);
    ensure!(error.leftovers().is_empty(), "{error:?}");
    faults.clear();
    promptly(client.settle()).await??;
    own.ensure_empty().await
}

async fn a_create_whose_requests_hang(own: &Own<'_>) -> Verdict {
    for request in
        ["POST selfsubjectaccessreviews", "POST secrets", "POST pods", "PATCH secrets", "LIST pods"]
    {
        let client = own.connect().await?;
        let starting = Starting::up_to(request, own, &client, own.pod(["pause"])).await?;
        starting.cancel();
        let error = starting.ends().await?.err().ok_or("it runs")?;
        ensure!(error.kind() == ErrorKind::Cancelled, "{request}: {error:?}");
        // What it made is undone once the server has answered.
        own.fake.faults().clear();
        cleared(own, &client).await.map_err(|left| Failure::Failed(format!("{request}: {left:?}")))?;
    }
    Ok(())
}

/// Removes what runs; nothing may be left then.
async fn cleared(own: &Own<'_>, client: &runtime_core::Client) -> Verdict {
    promptly(client.settle()).await??;
    for pod in own.pods()? {
        promptly(client.pod(pod).remove()).await??;
    }
    own.ensure_empty().await
}

/// A pod that runs has one secret, which goes with it.
fn owns_its_secret(own: &Own<'_>, pod: &PodHandle) -> Verdict {
    let uid = pod.id().as_str().rsplit('/').next().unwrap_or_default();
    let secrets = own.objects(Resource::Secrets)?;
    let owners: Vec<&Value> =
        secrets.iter().map(|secret| &secret["metadata"]["ownerReferences"][0]["uid"]).collect();
    ensure_eq!(owners, [uid]);
    Ok(())
}
