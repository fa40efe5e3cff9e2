//! Pods without containers: names, labels, what is refused.

use futures::future::join_all;
use runtime_core::{
    Capability, ErrorKind, ExistingPolicy, PodFilter, PodHandle, PodPhase, RunOptions, StopOptions,
    spec::PodSpec,
};

use crate::conformance::{
    Env, Failure, Verdict,
    case::{cases, ensure, ensure_eq},
    env::kind_of,
};

cases! { Contract;
    bare_the_same_name_exists_already: proves [PodWithoutContainers], needs [PodRun, PodStatus, PodRemove];
    bare_of_concurrent_runs_of_one_name_one_wins: proves [PodWithoutContainers], needs [PodRun, PodList];
    bare_an_id_names_one_life: proves [], needs [PodWithoutContainers, PodRun, PodStatus, PodRemove];
    bare_another_namespace_or_uid_is_another_pod: proves [], needs [PodWithoutContainers, PodRun, PodList];
    bare_a_name_is_free_after_a_removal_by_another_client: proves [], needs [PodWithoutContainers, PodRun, PodRemove, PodDurable];
    bare_another_client_adopts_a_pod: proves [PodDurable], needs [PodWithoutContainers, PodRun, PodList, PodStop, PodRemove];
    bare_labels_and_annotations_are_kept: proves [], needs [PodWithoutContainers, PodRun, PodList, PodStatus];
    bare_the_name_is_long_and_odd: proves [], needs [PodWithoutContainers, PodRun, PodStatus];
    bare_bad_fields_are_named: proves [], needs [PodWithoutContainers, PodRun, PodList];
    bare_options_of_other_drivers_are_refused: proves [], needs [PodWithoutContainers, PodRun, PodList];
    bare_a_pod_of_the_same_spec_is_taken_over: proves [PodExisting], needs [PodWithoutContainers, PodRun];
    bare_a_pod_of_another_spec_is_not_taken_over: proves [PodExisting], needs [PodWithoutContainers, PodRun];
    bare_a_pod_is_replaced: proves [PodExisting], needs [PodWithoutContainers, PodRun, PodStatus, PodList];
}

async fn bare_the_same_name_exists_already(env: &Env) -> Verdict {
    let spec = env.pod();
    let pod = env.client().run_pod(&spec).await?;
    let error = kind_of(env.client().run_pod(&spec).await, ErrorKind::AlreadyExists)?;
    ensure_eq!(error.existing_id(), Some(pod.id().as_str()));
    ensure_eq!(pod.status().await?.summary.phase, PodPhase::Running);
    pod.remove().await?;
    let again = env.client().run_pod(&spec).await?;
    ensure!(again.id() != pod.id(), "the new pod has the old one's id {}", pod.id());
    Ok(())
}

async fn bare_of_concurrent_runs_of_one_name_one_wins(env: &Env) -> Verdict {
    let spec = env.pod();
    let results = join_all((0..6).map(|_| env.client().run_pod(&spec))).await;
    let winners: Vec<_> = results.iter().flatten().map(|pod| pod.id().clone()).collect();
    ensure_eq!(winners.len(), 1);
    for error in results.iter().filter_map(|result| result.as_ref().err()) {
        ensure_eq!(error.kind(), ErrorKind::AlreadyExists);
    }
    ensure_eq!(ids(env, &env.filter()).await?, winners);
    Ok(())
}

async fn bare_an_id_names_one_life(env: &Env) -> Verdict {
    let spec = env.pod();
    let first = env.client().run_pod(&spec).await?;
    first.remove().await?;
    let second = env.client().run_pod(&spec).await?;
    kind_of(first.status().await, ErrorKind::NotFound)?;
    kind_of(env.client().adopt_pod(first.id().clone()).await, ErrorKind::NotFound)?;
    // What is done to the old one is nothing to the new one.
    first.stop(&StopOptions::now()).await?;
    first.remove().await?;
    ensure_eq!(second.status().await?.summary.phase, PodPhase::Running);
    Ok(())
}

async fn bare_another_namespace_or_uid_is_another_pod(env: &Env) -> Verdict {
    let spec = env.pod();
    let mut other_uid = spec.clone();
    other_uid.uid = Some("another".to_owned());
    let pods = [spec.clone(), spec.clone().with_namespace("conformance-two"), other_uid];
    let pods: Vec<PodHandle> =
        futures::future::try_join_all(pods.iter().map(|spec| env.client().run_pod(spec))).await?;
    let mut made: Vec<_> = pods.iter().map(|pod| pod.id().clone()).collect();
    made.sort();
    ensure_eq!(ids(env, &env.filter().with_name(&spec.name)).await?, made);
    let there = env.filter().with_name(&spec.name).with_namespace("conformance-two");
    ensure_eq!(ids(env, &there).await?, [pods[1].id().clone()]);
    Ok(())
}

async fn bare_a_name_is_free_after_a_removal_by_another_client(env: &Env) -> Verdict {
    let spec = env.pod();
    let pod = env.client().run_pod(&spec).await?;
    env.reconnect().await?.pod(pod.id().clone()).remove().await?;
    env.client().run_pod(&spec).await?;
    Ok(())
}

async fn bare_another_client_adopts_a_pod(env: &Env) -> Verdict {
    let pod = env.bare().await?;
    let other = env.reconnect().await?;
    let found = other.list_pods(&env.filter()).await?;
    ensure_eq!(found.iter().map(|pod| &pod.id).collect::<Vec<_>>(), vec![pod.id()]);
    let adopted = other.adopt_pod(pod.id().clone()).await?;
    ensure_eq!(adopted.status().await?, pod.status().await?);
    adopted.stop(&StopOptions::after(std::time::Duration::from_secs(5))).await?;
    ensure_eq!(pod.status().await?.summary.phase, PodPhase::Stopped);
    adopted.remove().await?;
    kind_of(pod.status().await, ErrorKind::NotFound)?;
    Ok(())
}

async fn bare_labels_and_annotations_are_kept(env: &Env) -> Verdict {
    let mut spec = env.pod().with_label("example.com/role", "web").with_label("empty", "");
    spec.annotations.insert("example.com/note".to_owned(), "ünïcode \"quoted\"\nand two lines".to_owned());
    let pod = env.client().run_pod(&spec).await?;
    let status = pod.status().await?.summary;
    ensure_eq!(status.labels, spec.labels);
    ensure_eq!(status.annotations, spec.annotations);
    let listed = env.client().list_pods(&env.filter()).await?;
    ensure_eq!(listed.len(), 1);
    ensure_eq!(listed[0].labels, spec.labels);
    ensure_eq!(listed[0].annotations, spec.annotations);
    Ok(())
}

async fn bare_the_name_is_long_and_odd(env: &Env) -> Verdict {
    let mut spec = env.pod();
    // The most that a name may have, with everything that may be in it.
    spec.name = format!("{}.a-b.{}", &env.unique("x")[..40], "y".repeat(63));
    let status = env.client().run_pod(&spec).await?.status().await?;
    ensure_eq!(status.summary.name, spec.name);
    ensure_eq!(status.summary.namespace, spec.namespace_or_default());
    Ok(())
}

async fn bare_bad_fields_are_named(env: &Env) -> Verdict {
    type Change = fn(&mut PodSpec);
    let rows: &[(&str, Change)] = &[
        ("name", |pod| pod.name.clear()),
        ("name", |pod| pod.name = "x".repeat(254)),
        ("name", |pod| pod.name = "a b".to_owned()),
        ("name", |pod| pod.name = "../up".to_owned()),
        ("name", |pod| pod.name = "a/b".to_owned()),
        ("namespace", |pod| pod.namespace = Some(String::new())),
        ("namespace", |pod| pod.namespace = Some("..".to_owned())),
        ("uid", |pod| pod.uid = Some(String::new())),
        ("uid", |pod| pod.uid = Some("a/b".to_owned())),
        ("uid", |pod| pod.uid = Some("x".repeat(129))),
        ("labels", |pod| _ = pod.labels.insert("a b".to_owned(), "c".to_owned())),
        ("labels", |pod| _ = pod.labels.insert("wharf.dev/create".to_owned(), "mine".to_owned())),
        ("annotations", |pod| _ = pod.annotations.insert("a b".to_owned(), "c".to_owned())),
    ];
    let pods = env.driver().pods().ok_or("no pods")?;
    let cx = runtime_core::Context::background();
    for (field, change) in rows {
        let mut spec = env.pod();
        change(&mut spec);
        // The driver by itself refuses as well: it may be used without layers.
        let results = [
            env.client().run_pod(&spec).await.map(drop),
            pods.run(&cx, &spec, &RunOptions::default()).await.map(drop),
        ];
        for result in results {
            let error = kind_of(result, ErrorKind::InvalidArgument)?;
            let named = error.field().unwrap_or_default();
            ensure!(named == *field || named.starts_with(&format!("{field}[")), "{named}, not {field}");
        }
    }
    env.ensure_nothing_left().await
}

async fn bare_options_of_other_drivers_are_refused(env: &Env) -> Verdict {
    let mut spec = env.pod();
    spec.extensions = serde_json::from_str(r#"{"no-such-driver": {"option": 1}}"#)?;
    let error = kind_of(env.client().run_pod(&spec).await, ErrorKind::Unsupported)?;
    ensure!(error.message().contains("extensions.no-such-driver"), "{error}");
    env.ensure_nothing_left().await
}

async fn bare_a_pod_of_the_same_spec_is_taken_over(env: &Env) -> Verdict {
    let spec = env.pod();
    let adopt = RunOptions::default().with_existing(ExistingPolicy::Adopt);
    let first = env.client().run_pod_with(&spec, &adopt).await?;
    let second = env.reconnect().await?.run_pod_with(&spec, &adopt).await?;
    ensure_eq!(first.id(), second.id());
    let pods = env.driver().pods().ok_or("no pods")?;
    let run = pods.run(&runtime_core::Context::background(), &spec, &adopt).await?;
    ensure!(run.adopted, "it is not said that it was there");
    Ok(())
}

async fn bare_a_pod_of_another_spec_is_not_taken_over(env: &Env) -> Verdict {
    let spec = env.pod();
    let first = env.client().run_pod(&spec).await?;
    let adopt = RunOptions::default().with_existing(ExistingPolicy::Adopt);
    let other = spec.clone().with_label("other", "yes");
    let error = kind_of(env.client().run_pod_with(&other, &adopt).await, ErrorKind::AlreadyExists)?;
    ensure_eq!(error.existing_id(), Some(first.id().as_str()));
    if env.has(Capability::PodStop) {
        first.stop(&StopOptions::now()).await?;
        kind_of(env.client().run_pod_with(&spec, &adopt).await, ErrorKind::AlreadyExists)?;
    }
    Ok(())
}

async fn bare_a_pod_is_replaced(env: &Env) -> Verdict {
    let spec = env.pod();
    let replace = RunOptions::default().with_existing(ExistingPolicy::Replace);
    let first = env.client().run_pod_with(&spec, &replace).await?;
    let second = env.client().run_pod_with(&spec.clone().with_label("other", "yes"), &replace).await?;
    kind_of(first.status().await, ErrorKind::NotFound)?;
    ensure_eq!(ids(env, &env.filter()).await?, [second.id().clone()]);
    Ok(())
}

/// The ids of the pods that fit, in order.
async fn ids(env: &Env, filter: &PodFilter) -> Result<Vec<runtime_core::PodId>, Failure> {
    let mut ids: Vec<_> =
        env.client().list_pods(filter).await?.into_iter().map(|pod| pod.id.clone()).collect();
    ids.sort();
    Ok(ids)
}
