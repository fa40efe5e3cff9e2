//! What wharf adds to a call, as ratios in one run; `cargo xtask bench` prepares a containerd and runs this.
//!
//! Ours and the reference take turns, and each pair gives one ratio, so that a machine that gets slower or faster in
//! between does both the same. A missed goal is told, and is no failure: on a shared machine it may be noise.

mod arguments;
mod crowds;
mod finish;
mod four_containers;
mod k8s;
mod lists;
mod measure;
mod memory;
mod memory_use;
mod nydus;
mod pods;
mod processor;
mod raw;
mod raw_nydus;
mod reads;
mod streams;
mod table;
mod target;

use std::process::ExitCode;

use arguments::Arguments;
use target::{Images, Target};

type Result<T, E = Box<dyn std::error::Error + Send + Sync>> = std::result::Result<T, E>;

/// The most a call may take on a unix socket, against the raw one.
const MAX_RATIO: f64 = 1.02;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("overhead: {error}; there are --url URL, --only PART and --quick");
            return ExitCode::from(64);
        }
    };
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("overhead: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<()> {
    if let Some(url) = &arguments.first_sync {
        return k8s::first_sync(url).await;
    }
    if let Some(kubeconfig) = &arguments.serve_cluster {
        return k8s::serve(kubeconfig).await;
    }
    let quick = arguments.quick;
    println!("{}", table::head());
    if arguments.wants("memory") {
        println!("{}", memory::measure(quick).await?);
    }
    let images = Images::serve().await?;
    // What is no row comes after the table.
    let mut told = Vec::new();
    if arguments.wants("lists") {
        told.push(lists::measure(&images, quick).await?);
    }
    if arguments.wants("fake") {
        let fake = Target::fake(&images, 0).await?;
        told.push(fake.finish_after(fake_rows(&fake, quick)).await?);
    }
    if let Some(url) = arguments.url.as_deref().filter(|_| arguments.wants("containerd")) {
        let real = Target::at(url, &images).await?;
        told.push(real.finish_after(real_rows(&real, &images, quick)).await?);
    }
    if arguments.wants("nydus") {
        told.push(match nydus::Programs::find() {
            Some(programs) => nydus::measure(&programs, quick).await?,
            None => "Nothing of nydusd: it needs nydusd and nydus-image in the path.".to_owned(),
        });
    }
    if arguments.wants("k8s") {
        told.push(k8s::measure(&images, quick).await?);
    }
    println!("{}", told.join("\n"));
    Ok(())
}

async fn real_rows(real: &Target, images: &Images, quick: bool) -> Result<String> {
    reads::measure(real, quick).await?;
    pods::measure(real, quick).await?;
    four_containers::measure(real, quick).await?;
    crowds::measure(real, quick).await?;
    let memory = streams::measure(real, quick).await?;
    // Last, since the images that are served for it take memory.
    four_containers::measure_cold(real, images, quick).await?;
    Ok(memory)
}

/// What the fake is good for: reads on a socket where there is no containerd, and counting.
async fn fake_rows(fake: &Target, quick: bool) -> Result<String> {
    reads::measure(fake, quick).await?;
    pods::count_calls(fake).await
}
