//! A cluster of a case's own, whose server can be broken without disturbing other cases.

use std::{future::Future, path::PathBuf, sync::Arc, time::Duration};

use runtime_core::Client;
use serde_json::Value;
use testkit::{
    conformance::{Env, Failure, Verdict},
    engine::{Action, Engine, EngineOptions, Fault, FaultHandle},
    ensure,
    fake_k8s::{
        FakeK8s, FakeK8sOptions,
        store::{ListOptions, Resource, Selection},
    },
};
use wharf::{
    PodId,
    k8s::Config,
    spec::{PodSpec, RegistryCredentials},
};

use crate::{eventually::eventually, unusable};

/// The namespace of all pods.
pub(super) const NAMESPACE: &str = "default";

/// How long anything may take here that has to end, on a machine that has other things to do; and all that a client does.
const PROMPT: Duration = Duration::from_secs(90);
const CLIENT_TIMEOUT: Duration = Duration::from_secs(110);

/// Cases, each on a cluster of its own that must be empty in the end: each function by name.
macro_rules! on_its_own {
    ($group:ident; $($name:ident),+ $(,)?) => {
        pub(super) const CASES: &[testkit::conformance::Case] = &[$(
            testkit::conformance::Case {
                group: testkit::conformance::Group::$group,
                name: stringify!($name),
                proves: &[],
                needs: &[],
                any_pod: false,
                alone: false,
                run: |env| Box::pin(async move {
                    let own = $crate::k8s::own::Own::start(env).await?;
                    let verdict = $name(&own).await;
                    own.finish(verdict).await
                }),
            },
        )+];
    };
}
pub(super) use on_its_own;

/// A cluster, and a client of it.
pub(super) struct Own<'e> {
    pub(super) env: &'e Env,
    pub(super) fake: FakeK8s,
    pub(super) client: Client,
    pub(super) kubeconfig: PathBuf,
    engine: Engine,
}

impl<'e> Own<'e> {
    pub(super) async fn start(env: &'e Env) -> Result<Self, Failure> {
        let state_dir = Some(env.directory().join("engine"));
        let engine = Engine::start(EngineOptions { state_dir, ..EngineOptions::default() }).await?;
        let fake = FakeK8s::start(engine.clone(), &FakeK8sOptions::default())?;
        let kubeconfig = env.directory().join("kubeconfig");
        fake.write_kubeconfig(&kubeconfig)?;
        let client = connect(config(&kubeconfig)).await?;
        Ok(Self { env, fake, client, kubeconfig, engine })
    }

    /// What a new process would start with.
    pub(super) fn config(&self) -> Config {
        config(&self.kubeconfig)
    }

    /// Another client, which knows nothing yet.
    pub(super) async fn connect(&self) -> Result<Client, Failure> {
        connect(self.config()).await
    }

    /// A pod that runs a command of the guest program, and has a secret.
    pub(super) fn pod<S: Into<String>>(&self, command: impl IntoIterator<Item = S>) -> PodSpec {
        let login = RegistryCredentials::basic("registry.example", "somebody", "hunter2");
        self.env.pod_running(command).with_pull_secret(login)
    }

    /// From now on calls of this operation hang until the handle releases them: a kubelet's (`PullImage`), or requests
    /// (`POST pods`).
    pub(super) fn hold(&self, operation: &str) -> FaultHandle {
        self.fake.faults().inject(Fault::new(operation, Action::Hang).times(u32::MAX))
    }

    /// The objects of the namespace.
    pub(super) fn objects(&self, resource: Resource) -> Result<Vec<Arc<Value>>, Failure> {
        let all = Selection::namespace(NAMESPACE);
        let list = self.fake.store().list(resource, &all, &ListOptions::default());
        list.map(|list| list.items).map_err(|refusal| Failure::Failed(refusal.message))
    }

    /// The pods that are there.
    pub(super) fn pods(&self) -> Result<Vec<PodId>, Failure> {
        let id = |pod: &Arc<Value>| {
            let text = |key: &str| pod["metadata"][key].as_str().unwrap_or_default();
            PodId::from(format!("{NAMESPACE}/{}/{}", text("name"), text("uid")))
        };
        Ok(self.objects(Resource::Pods)?.iter().map(id).collect())
    }

    /// Fails unless nothing is left once undo work is done: no pod, no secret.
    pub(super) async fn ensure_empty(&self) -> Verdict {
        promptly(self.client.settle()).await??;
        for resource in [Resource::Pods, Resource::Secrets] {
            let left: Vec<_> =
                self.objects(resource)?.iter().map(|object| object["metadata"]["name"].to_string()).collect();
            ensure!(left.is_empty(), "{} left behind: {}", resource.plural(), left.join(", "));
        }
        Ok(())
    }

    /// Ends the cluster, whatever came of the case. One that passed must have left nothing.
    pub(super) async fn finish(self, verdict: Verdict) -> Verdict {
        self.fake.faults().clear();
        let verdict = match verdict {
            Ok(()) => self.at_rest().await,
            failed => failed,
        };
        self.fake.shutdown().await;
        let ended = self.engine.shutdown().await;
        verdict?;
        Ok(ended?)
    }

    async fn at_rest(&self) -> Verdict {
        self.ensure_empty().await?;
        // Kubelets clean up behind the pods.
        eventually(|| {
            let ledger = self.engine.ledger();
            ensure!(ledger.is_empty_except_images(), "the nodes are not empty: {ledger:?}");
            Ok(())
        })
        .await
    }
}

fn config(kubeconfig: &std::path::Path) -> Config {
    Config::default().with_kubeconfig(kubeconfig)
}

/// Connects.
pub(super) async fn connect(config: Config) -> Result<Client, Failure> {
    let driver = wharf::k8s::connect(config).await.map_err(unusable)?;
    Ok(Client::new(driver).with_timeout(CLIENT_TIMEOUT))
}

/// Fails if it takes long.
pub(super) async fn promptly<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let done = tokio::time::timeout(PROMPT, work).await;
    done.map_err(|_| Failure::Failed(format!("not done after {PROMPT:?}")))
}

/// Waits until something has met a fault.
pub(super) async fn is_met(fault: &FaultHandle) -> Verdict {
    eventually(|| {
        ensure!(fault.hits() > 0, "nothing has met the fault");
        Ok(())
    })
    .await
}
