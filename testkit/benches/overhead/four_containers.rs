//! A pod of four containers, from its creation until all of them run.

use std::{fs::File, io::Read, time::Duration};

use testkit::{
    image::{Digest, Entry, Image, LayerBuilder, guest, standard},
    registry::Scripted,
};
use tokio::task::spawn_blocking;
use wharf::spec::PodSpec;

use crate::{
    Result,
    measure::{in_turns, timed},
    raw::{Order, RawPod},
    table::{Goal, Row},
    target::{Images, Target},
};

const CONTAINERS: usize = 4;

/// The most that it may take against the raw calls one after the other, whether the images are there or not.
const MAX_OF_SEQUENCE: f64 = 0.5;

/// The most that it may take against the raw calls at the same time: the least that the runtime itself needs.
const MAX_OF_LEAST: f64 = 1.05;

/// The layer that each of the images has for itself.
const LAYER_BYTES: u64 = 16 << 20;

/// What a connection to a registry that is far away gives.
const SLOW_BYTES_PER_SECOND: u32 = 20 << 20;

/// Prints rows for images that are there.
pub(crate) async fn measure(target: &Target, quick: bool) -> Result<()> {
    let pairs = if quick { 2 } else { 30 };
    let goals = [(Order::Sequence, MAX_OF_SEQUENCE), (Order::AtOnce, MAX_OF_LEAST)];
    for (order, goal) in goals {
        let (mut made, mut made_raw) = (0, 0);
        let times = in_turns(
            pairs,
            async || {
                made += 1;
                ours(target, &target.spec_of(&format!("four-{order}-{made}"), CONTAINERS)).await
            },
            async || {
                made_raw += 1;
                let spec = target.spec_of(&format!("raw-four-{order}-{made_raw}"), CONTAINERS);
                raw(target, &spec, target.raw.run_in(order, &spec, target.logs())).await
            },
        );
        let what = format!("pod of {CONTAINERS} containers, raw calls in {order}, {}", target.name);
        println!("{}", Row::new(what, Goal::Ratio(goal), &times.await?));
    }
    Ok(())
}

/// Prints rows for images that are not there: each container has another one, which is pulled. From a registry on the same
/// machine a pull is mostly work for its processors, and little of it can be done at the same time; so there is a row for a
/// registry that has to be waited for, too.
pub(crate) async fn measure_cold(target: &Target, images: &Images, quick: bool) -> Result<()> {
    let cold = Cold::serve(images).await?;
    measure_pulling("on loopback", &cold, target, images, if quick { 2 } else { 15 }).await?;
    let slow = cold.repositories.iter().map(|repository| images.slow(repository, SLOW_BYTES_PER_SECOND));
    let slow: Vec<_> = slow.collect();
    let how = format!("at {} MiB/s", SLOW_BYTES_PER_SECOND >> 20);
    let measured = measure_pulling(&how, &cold, target, images, if quick { 1 } else { 10 }).await;
    slow.iter().for_each(Scripted::release);
    measured
}

async fn measure_pulling(
    how: &str,
    cold: &Cold,
    target: &Target,
    images: &Images,
    pairs: usize,
) -> Result<()> {
    let (mut made, mut made_raw) = (0, 0);
    let run = how.replace([' ', '/'], "-").to_lowercase();
    let times = in_turns(
        pairs,
        async || {
            made += 1;
            let spec = target.spec_with(&format!("cold-{run}-{made}"), &cold.references);
            cold.turn(target, images, ours(target, &spec)).await
        },
        async || {
            made_raw += 1;
            let spec = target.spec_with(&format!("raw-cold-{run}-{made_raw}"), &cold.references);
            let running = target.raw.pull_and_run(&spec, target.logs());
            cold.turn(target, images, raw(target, &spec, running)).await
        },
    );
    let what = format!(
        "pod of {CONTAINERS} containers with {CONTAINERS} images of {} MiB to pull {how}, raw calls in sequence, {}",
        LAYER_BYTES >> 20,
        target.name
    );
    println!("{}", Row::new(what, Goal::Ratio(MAX_OF_SEQUENCE), &times.await?));
    Ok(())
}

async fn ours(target: &Target, spec: &PodSpec) -> Result<Duration> {
    let (pod, time) = timed(async { Ok(target.client.run_pod(spec).await?) }).await?;
    pod.remove().await?;
    Ok(time)
}

async fn raw(target: &Target, spec: &PodSpec, run: impl Future<Output = Result<RawPod>>) -> Result<Duration> {
    let (pod, time) = timed(run).await?;
    target.raw.remove(&pod, &spec.name, target.logs()).await?;
    Ok(time)
}

/// Images that no runtime has.
#[derive(Debug)]
struct Cold {
    repositories: Vec<String>,
    references: Vec<String>,
    layers: Vec<Digest>,
}

impl Cold {
    async fn serve(images: &Images) -> Result<Self> {
        let mut cold = Self { repositories: Vec::new(), references: Vec::new(), layers: Vec::new() };
        for number in 0..CONTAINERS {
            let image = spawn_blocking(unheard_of).await??;
            let repository = format!("cold-{number}");
            cold.references.push(images.add(&repository, &image));
            cold.repositories.push(repository);
            cold.layers.extend(image.layers.last().map(|layer| layer.digest.clone()));
        }
        Ok(cold)
    }

    /// One turn, after which the runtime has none of the images again. It had none before, or it had asked for fewer.
    async fn turn(
        &self,
        target: &Target,
        images: &Images,
        work: impl Future<Output = Result<Duration>>,
    ) -> Result<Duration> {
        let served = || self.layers.iter().map(|layer| images.served(layer)).sum::<usize>();
        let before = served();
        let time = work.await?;
        for reference in &self.references {
            target.client.images().remove(reference).await?;
        }
        match served() - before {
            CONTAINERS => Ok(time),
            other => Err(format!("{other} layers were asked for, not {CONTAINERS}").into()),
        }
    }
}

/// An image with the guest program and a layer of its own, which does not compress and which nobody had before.
fn unheard_of() -> Result<Image> {
    let mut data = Vec::new();
    File::open("/dev/urandom")?.take(LAYER_BYTES).read_to_end(&mut data)?;
    let layer = LayerBuilder::new().with("own", Entry::file(data)).build()?;
    Ok(standard::guest(&standard::base_layer(&guest::binary()?)?).layer(layer).build()?)
}
