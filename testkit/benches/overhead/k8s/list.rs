//! A list of many pods from the cache, and what the cache takes of memory.

use serde_json::Value;
use tempfile::TempDir;
use testkit::fake_k8s::{FakeK8s, FakeK8sOptions, store::Resource};
use tokio::process::Command;
use wharf::{Client, PodFilter};

use super::{
    cluster::{NAMESPACE, url},
    managed::with_managed_fields,
    raw::Raw,
};
use crate::{
    Result,
    measure::{in_turns, per_call, timed},
    memory_use::{forget_peak, peak_bytes, resident_bytes},
    table::{Goal, Row},
};

/// How many pods there are.
const COUNT: usize = 10_000;

/// The most that a list from the cache may take, against a request for it.
const MAX_RATIO: f64 = 0.01;

/// The most that the cache may hold of a pod.
const MAX_HELD_BYTES: usize = 4 << 10;

/// The most that memory may be beyond the cache while it is filled: some pages, not the list.
const MAX_BEYOND_BYTES: usize = 16 << 20;

/// Prints a row for lists of many pods that are like this one, and returns what memory did.
pub(super) async fn measure(sample: Value, quick: bool) -> Result<String> {
    let pairs = if quick { 3 } else { 15 };
    let fake = FakeK8s::without_nodes(&FakeK8sOptions::default())?;
    let sample = with_managed_fields(sample);
    fill(&fake, &sample)?;
    let place = TempDir::new()?;
    let url = url(&fake, place.path())?;
    let told = first_sync_alone(&url, &sample).await?;

    let client = Client::from_url(&url).await?;
    let raw = Raw::connect(&fake.kubeconfig()).await?;
    let (all, calls) = (PodFilter::default(), 5);
    let times = in_turns(
        pairs,
        async || per_call(calls, async || client.list_pods(&all).await).await,
        async || Ok(timed(raw.list()).await?.1),
    );
    let what = format!("list of {COUNT} pods from the cache, against a request, fake API server");
    println!("{}", Row::new(what, Goal::Ratio(MAX_RATIO), &times.await?));
    let (ours, listed) = (client.list_pods(&all).await?.len(), raw.list().await?);
    if ours == COUNT && listed == COUNT {
        Ok(told)
    } else {
        Err(format!("{ours} and {listed} pods are listed, not {COUNT}").into())
    }
}

fn fill(fake: &FakeK8s, sample: &Value) -> Result<()> {
    for number in 0..COUNT {
        let mut pod = sample.clone();
        pod["metadata"]["name"] = format!("pod-{number}").into();
        let made = fake.store().create(Resource::Pods, NAMESPACE, pod);
        made.map_err(|refusal| refusal.message)?;
    }
    Ok(())
}

/// The first sync in a process of its own, in which nothing was before.
async fn first_sync_alone(url: &str, sample: &Value) -> Result<String> {
    let output = Command::new(std::env::current_exe()?).args(["--first-sync", url]).output().await?;
    if !output.status.success() {
        return Err(format!("the first sync: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let numbers: Vec<usize> =
        String::from_utf8(output.stdout)?.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [held, peak] = numbers[..] else { return Err("the first sync says something else".into()) };
    let beyond = peak.saturating_sub(held);
    let is_met = held <= COUNT * MAX_HELD_BYTES && beyond <= MAX_BEYOND_BYTES;
    let verdict = if is_met { "met" } else { "NOT MET" };
    let text = sample.to_string().len() * COUNT;
    Ok(format!(
        "First sync of {COUNT} pods, {} MiB of text: {} bytes held a pod, of {MAX_HELD_BYTES} that are allowed, and at the peak {} KiB more, of {}: {verdict}.",
        text >> 20,
        held / COUNT,
        beyond >> 10,
        MAX_BEYOND_BYTES >> 10
    ))
}

/// Prints by how many bytes memory has grown when the pods of a cluster are known, and by how many at most meanwhile.
pub(crate) async fn first_sync(url: &str) -> Result<()> {
    let client = Client::from_url(url).await?;
    let nothing = PodFilter::default().with_label("overhead/nothing", "");
    forget_peak()?;
    let before = resident_bytes()?;
    client.list_pods(&nothing).await?;
    let (held, peak) = (resident_bytes()?, peak_bytes()?);
    println!("{} {}", held.saturating_sub(before), peak.saturating_sub(before));
    Ok(())
}
