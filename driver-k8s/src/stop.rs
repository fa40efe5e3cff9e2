//! Stopping pods, so that they can still be read.
//!
//! Kubernetes deletes what it stops. What it keeps is a pod whose time is up: `activeDeadlineSeconds` may be set on a running
//! pod, and the kubelet then ends its containers with the pod's own grace period, fails the pod with the reason
//! `DeadlineExceeded`, and keeps it with its logs. So that is what a stop does, with a mark by which such an end is told from a
//! deadline that somebody else set.
//!
//! The grace period is the pod's, from when it was made: 30 s, or what its
//! [options](crate::K8sPodOptions::termination_grace_period_seconds) say. A stop that grants more is refused; one that grants
//! less may take as long as the pod's.

use k8s_openapi::api::core::v1::Pod;
use runtime_core::{Context, Error, PodId, Result, StopOptions};
use serde_json::json;

use crate::{
    cache::Seen, driver::K8sDriver, id::PodKey, persist::persist, translate::kept::STOPPED, wait::has_ended,
};

/// What Kubernetes gives a pod that says nothing.
const DEFAULT_GRACE_SECONDS: i64 = 30;

impl K8sDriver {
    pub(crate) async fn stop_pod(&self, cx: &Context, id: &PodId, options: &StopOptions) -> Result<()> {
        let Ok(key) = PodKey::parse(id) else { return Ok(()) };
        let pods = self.pods_in(&key.namespace);
        let mut following = self.cache(&key.namespace).follow(&key.name);
        let patched = persist(cx, || async {
            let Some(pod) = self.pod_of(cx, &key).await?.filter(|pod| !has_ended(pod)) else {
                return Ok(None);
            };
            check_grace(&pod, options)?;
            let now = jiff::Timestamp::now().to_string();
            let patch = json!({
                "metadata": {"uid": key.uid, "annotations": {STOPPED: now}},
                "spec": {"activeDeadlineSeconds": 1},
            });
            match pods.patch(cx, &key.name, &patch).await {
                Ok(pod) => Ok(Some(pod)),
                Err(refusal) if refusal.is_not_found() => Ok(None),
                // It is another life's name by now, or somebody has changed it: the next look tells.
                Err(refusal) => Err(refusal.into()),
            }
        })
        .await?;
        let Some(mut pod) = patched.map(std::sync::Arc::new) else { return Ok(()) };
        following.since(&pod);
        while !has_ended(&pod) && has_node(&pod) {
            match following.next(cx, &key.uid).await? {
                Seen::There(now) => pod = now,
                Seen::Gone(_) => return Ok(()),
            }
        }
        Ok(())
    }
}

/// One that no node has taken yet runs nothing; it ends when one does.
fn has_node(pod: &Pod) -> bool {
    pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some())
}

fn check_grace(pod: &Pod, options: &StopOptions) -> Result<()> {
    let own = pod.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds);
    let own = own.unwrap_or(DEFAULT_GRACE_SECONDS);
    if options.grace_period.as_millis() <= u128::try_from(own).unwrap_or_default() * 1000 {
        return Ok(());
    }
    let message = format!("the pod was made with {own} s, which Kubernetes can't lengthen");
    Err(Error::invalid("gracePeriod", message))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use k8s_openapi::api::core::v1::PodSpec;

    use super::*;

    #[test]
    fn no_more_time_than_the_pod_was_made_with() {
        let pod = |seconds| Pod {
            spec: Some(PodSpec { termination_grace_period_seconds: seconds, ..PodSpec::default() }),
            ..Pod::default()
        };
        let after = |seconds| StopOptions::after(Duration::from_secs(seconds));
        for (own, asked, fits) in
            [(None, 30, true), (None, 31, false), (Some(5), 5, true), (Some(5), 6, false), (Some(5), 0, true)]
        {
            let checked = check_grace(&pod(own), &after(asked));
            assert_eq!(checked.is_ok(), fits, "{own:?} {asked}");
            assert!(checked.err().is_none_or(|error| error.field() == Some("gracePeriod")));
        }
    }
}
