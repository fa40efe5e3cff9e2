//! The connection to the runtime breaks: at each call of each operation, before the request and before the answer.
//!
//! A step of a case prepares what the operation needs over a clean connection, breaks one call of it, and then looks: it
//! ended with what was asked for or with a fitting error, in time; the next call over the same client works; nothing of it
//! is left, or what is left was named and a clean client could reap it. Steps go on until the operation makes fewer calls
//! than the step would break.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use runtime_core::{Capability, Client, Error, ErrorKind};

use super::operation::{self, Operation};
use crate::{
    conformance::{Case, Env, Failure, Group, Verdict, case::ensure, draw::Draw},
    proxy::{CallAction, CallRule, FaultProxy, Moment},
};

/// More calls than any operation makes.
const MAX_CALLS: u64 = 64;
/// The deadline of operations that nothing holds up.
const DEADLINE: Duration = Duration::from_secs(20);
/// The deadline of operations that meet a connection that hangs.
const HASTY_DEADLINE: Duration = Duration::from_millis(1000);
/// How much later than its deadline an operation may end on a busy machine.
const MARGIN: Duration = Duration::from_secs(5);
/// Long beside what a call takes, short beside a deadline.
const DELAY: Duration = Duration::from_millis(150);

/// The longest time after which a connection is cut in the middle of a call; a pod takes about as long.
const MIDWAY: Duration = Duration::from_millis(400);

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Cut,
    /// The connection ends while the runtime is busy with the call.
    Midway,
    Hang,
    Delay,
    Garble,
}

impl Fault {
    fn action(self, draw: &mut Draw) -> CallAction {
        match self {
            Self::Cut => CallAction::Cut,
            Self::Midway => CallAction::CutAfter(MIDWAY.mul_f64(draw.fraction())),
            Self::Hang => CallAction::Hang,
            Self::Delay => CallAction::Delay(DELAY),
            Self::Garble => CallAction::Garble,
        }
    }

    fn deadline(self) -> Duration {
        if self == Self::Hang { HASTY_DEADLINE } else { DEADLINE }
    }

    /// Whether an error tells what happened.
    fn fits(self, error: &Error) -> bool {
        match self {
            Self::Cut | Self::Midway => error.kind() == ErrorKind::Unavailable && error.is_transient(),
            Self::Hang => error.kind() == ErrorKind::DeadlineExceeded,
            Self::Delay => false,
            // It depends on which side notices: the client sees nonsense, the runtime hangs up.
            Self::Garble => matches!(error.kind(), ErrorKind::Protocol | ErrorKind::Unavailable),
        }
    }
}

/// Cases of each operation with each fault.
macro_rules! fault_cases {
    (
        each_way { $(
            $operation:ident: $cut:ident, $hang:ident, $delay:ident, $garble:ident, needs [$($needs:ident),*];
        )* }
        midway { $($busy:ident: $midway:ident, needs [$($busy_needs:ident),*];)* }
    ) => {
        pub(super) const CASES: &[Case] = &[
            $(
                fault_cases!(@case $operation, Cut, $cut, [$($needs),*]),
                fault_cases!(@case $operation, Hang, $hang, [$($needs),*]),
                fault_cases!(@case $operation, Delay, $delay, [$($needs),*]),
                fault_cases!(@case $operation, Garble, $garble, [$($needs),*]),
            )*
            $(fault_cases!(@case $busy, Midway, $midway, [$($busy_needs),*]),)*
        ];
    };
    (@case $operation:ident, $fault:ident, $name:ident, [$($needs:ident),*]) => {
        Case {
            group: Group::Faults,
            name: stringify!($name),
            proves: &[],
            needs: &[$(Capability::$needs),*],
            any_pod: false,
            alone: false,
            run: |env| each_call(env, Operation::$operation, Fault::$fault),
        }
    };
}

fault_cases! { each_way {
    Ping: ping_cut, ping_hangs, ping_delayed, ping_garbled, needs [];
    PodRun: pod_run_cut, pod_run_hangs, pod_run_delayed, pod_run_garbled, needs [PodRun, PodList];
    PodStop: pod_stop_cut, pod_stop_hangs, pod_stop_delayed, pod_stop_garbled, needs [PodRun, PodStop, PodStatus];
    PodRemove: pod_remove_cut, pod_remove_hangs, pod_remove_delayed, pod_remove_garbled,
        needs [PodRun, PodRemove, PodStatus];
    PodStatus: pod_status_cut, pod_status_hangs, pod_status_delayed, pod_status_garbled, needs [PodRun, PodStatus];
    PodList: pod_list_cut, pod_list_hangs, pod_list_delayed, pod_list_garbled, needs [PodList];
    ContainerCreate: container_create_cut, container_create_hangs, container_create_delayed,
        container_create_garbled, needs [PodRun, ContainerCreate, ContainerList];
    ContainerStart: container_start_cut, container_start_hangs, container_start_delayed, container_start_garbled,
        needs [PodRun, ContainerCreate, ContainerStart, ContainerStatus];
    ContainerStop: container_stop_cut, container_stop_hangs, container_stop_delayed, container_stop_garbled,
        needs [PodRun, ContainerStop, ContainerStatus];
    ContainerRemove: container_remove_cut, container_remove_hangs, container_remove_delayed,
        container_remove_garbled, needs [PodRun, ContainerCreate, ContainerRemove, ContainerStatus];
    ContainerStatus: container_status_cut, container_status_hangs, container_status_delayed,
        container_status_garbled, needs [PodRun, ContainerStatus];
    ContainerList: container_list_cut, container_list_hangs, container_list_delayed, container_list_garbled,
        needs [PodRun, ContainerList];
    ContainerWait: container_wait_cut, container_wait_hangs, container_wait_delayed, container_wait_garbled,
        needs [PodRun, ContainerCreate, ContainerStart, ContainerWait];
    ExecSync: exec_sync_cut, exec_sync_hangs, exec_sync_delayed, exec_sync_garbled, needs [PodRun, ExecSync];
    ImagePull: image_pull_cut, image_pull_hangs, image_pull_delayed, image_pull_garbled,
        needs [ImagePull, ImageStatus, ImageRemove];
    ImageStatus: image_status_cut, image_status_hangs, image_status_delayed, image_status_garbled,
        needs [ImagePull, ImageStatus];
    ImageList: image_list_cut, image_list_hangs, image_list_delayed, image_list_garbled, needs [ImageList];
    ImageRemove: image_remove_cut, image_remove_hangs, image_remove_delayed, image_remove_garbled,
        needs [ImagePull, ImageRemove, ImageStatus];
}

// No starts: containerd 1.6 may lose a task whose start it gives up when its client goes, and can't remove it then.
midway {
    SandboxRun: sandbox_run_cut_midway, needs [PodRun, PodWithoutContainers, PodList];
    PodStop: pod_stop_cut_midway, needs [PodRun, PodStop, PodStatus];
    PodRemove: pod_remove_cut_midway, needs [PodRun, PodRemove, PodStatus];
    ContainerCreate: container_create_cut_midway, needs [PodRun, ContainerCreate, ContainerList];
    ContainerStop: container_stop_cut_midway, needs [PodRun, ContainerStop, ContainerStatus];
    ContainerRemove: container_remove_cut_midway, needs [PodRun, ContainerCreate, ContainerRemove, ContainerStatus];
    ExecSync: exec_sync_cut_midway, needs [PodRun, ExecSync];
    ImagePull: image_pull_cut_midway, needs [ImagePull, ImageStatus, ImageRemove];
} }

fn each_call(env: &Env, operation: Operation, fault: Fault) -> BoxFuture<'_, Verdict> {
    Box::pin(async move {
        let (client, proxy) = env.through_proxy().await?;
        let base = operation.base(env).await?;
        let mut draw = Draw::new(env.seed(), operation as u64);
        let mut calls = 0;
        for call in 1..=MAX_CALLS {
            let mut has_hit = false;
            for at in [Moment::Request, Moment::Response] {
                // Held up before the request or before the answer is the same to the caller; midway is in between.
                if matches!(fault, Fault::Delay | Fault::Midway) && at == Moment::Response {
                    continue;
                }
                let step = Step {
                    env,
                    operation,
                    fault,
                    rule: CallRule { call, at, action: fault.action(&mut draw) },
                };
                let hit = step.run(&client, &proxy, &base).await;
                has_hit |= hit
                    .map_err(|failure| failure.at(&format!("call {call}, {at:?}, {:?}", step.rule.action)))?;
            }
            if !has_hit {
                break;
            }
            calls = call;
        }
        ensure!((1..MAX_CALLS).contains(&calls), "{calls} calls were broken");
        Ok(())
    })
}

/// One operation with one call broken.
struct Step<'a> {
    env: &'a Env,
    operation: Operation,
    fault: Fault,
    rule: CallRule,
}

impl Step<'_> {
    /// Whether there was such a call.
    async fn run(
        &self,
        client: &Client,
        proxy: &FaultProxy,
        base: &operation::Base,
    ) -> Result<bool, Failure> {
        let subject = self.operation.prepare(self.env, base).await?;
        let rule = proxy.add_call(self.rule);
        let deadline = self.fault.deadline();
        let started = Instant::now();
        let hasty = client.with_timeout(deadline);
        let ended = tokio::time::timeout(deadline + MARGIN, self.operation.run(&hasty, &subject)).await;
        let (took, has_hit) = (started.elapsed(), proxy.has_hit(rule));
        proxy.remove(rule);
        let Ok(result) = ended else {
            return Err(Failure::Failed(format!("not ended after {took:?}")));
        };
        let mut leftovers = Vec::new();
        if let Err(error) = &result {
            // A hasty deadline may also pass because the machine is busy.
            let is_slow = self.fault == Fault::Hang && error.kind() == ErrorKind::DeadlineExceeded;
            ensure!(has_hit || is_slow, "failed although nothing was broken: {error:?}");
            ensure!(
                self.fault.fits(error),
                "ended after {took:?} with an error that does not fit: {error:?}"
            );
            leftovers.extend(error.leftovers().iter().cloned());
        }
        let healed = client.with_timeout(DEADLINE);
        healed.ping().await.map_err(|error| format!("the next call fails: {error:?}"))?;
        if let Err(error) = healed.settle().await {
            ensure!(!error.leftovers().is_empty(), "undo work does not end: {error:?}");
            leftovers.extend(error.leftovers().iter().cloned());
        }
        if result.is_err() {
            self.env.client().reap(&leftovers).await?;
        }
        self.operation.check(self.env, &subject, &result).await?;
        Ok(has_hit)
    }
}
