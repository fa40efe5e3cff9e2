//! Kubernetes manifests: any driver runs what it can do of one.

use testkit::{
    cases,
    conformance::{Env, Failure, Verdict, kind_of},
    ensure, ensure_eq,
};
use wharf::{ErrorKind, k8s::manifest, spec::PodSpec};

cases! { Contract;
    a_manifest_is_run: proves [], needs [PodRun, ContainerWait, ContainerLogs, ContainerEnv, ContainerWorkingDir];
    what_only_kubernetes_knows_is_run_there_alone: proves [], needs [PodRun, ContainerWait, ContainerLogs];
}

/// A manifest's pod, among those of the case. `$IMAGE` is an image with the guest program.
fn read(env: &Env, text: &str) -> Result<PodSpec, Failure> {
    let own = env.pod();
    let text = text.replace("$IMAGE", &env.image("guest")).replace("$NAME", &own.name);
    let mut spec = manifest::from_yaml(&text)?;
    spec.namespace = own.namespace;
    spec.labels.extend(own.labels);
    Ok(spec)
}

/// The fields that the driver can't honour.
fn rejected(env: &Env, spec: &PodSpec) -> Vec<String> {
    env.client().preflight(spec).rejected().map(|verdict| verdict.field.clone()).collect()
}

async fn a_manifest_is_run(env: &Env) -> Verdict {
    let spec = read(
        env,
        r#"
apiVersion: v1
kind: Pod
metadata:
  name: $NAME
  labels: {app: conformance}
  annotations: {note: "from a manifest"}
spec:
  restartPolicy: Never
  containers:
    - name: main
      image: $IMAGE
      args: [do, env, ";;", cwd]
      workingDir: /tmp
      env:
        - {name: GREETING, value: hello you there}
"#,
    )?;
    let rejected = rejected(env, &spec);
    ensure!(rejected.is_empty(), "the driver declares all of it, and refuses {rejected:?}");
    let output = env.output_of(&spec).await?;
    ensure!(output.lines().any(|line| line == "GREETING=hello you there"), "{output}");
    ensure!(output.ends_with("/tmp"), "{output}");
    let pods = env.pods().await?;
    ensure!(pods.iter().any(|pod| pod.labels.get("app").is_some_and(|app| app == "conformance")), "{pods:?}");
    Ok(())
}

async fn what_only_kubernetes_knows_is_run_there_alone(env: &Env) -> Verdict {
    let spec = read(
        env,
        r#"
apiVersion: v1
kind: Pod
metadata: {name: $NAME}
spec:
  restartPolicy: Never
  nodeSelector: {kubernetes.io/os: linux}
  containers:
    - {name: main, image: $IMAGE, args: [echo, here]}
"#,
    )?;
    let rejected = rejected(env, &spec);
    if env.client().capabilities().knows_extension("k8s") {
        ensure!(rejected.is_empty(), "{rejected:?}");
        ensure_eq!(env.output_of(&spec).await?, "here");
        return Ok(());
    }
    ensure_eq!(rejected, ["extensions.k8s"]);
    let error = kind_of(env.client().run_pod(&spec).await, ErrorKind::Unsupported)?;
    ensure!(error.to_string().contains("k8s"), "{error}");
    ensure!(env.pods().await?.is_empty(), "a pod was made");
    Ok(())
}
