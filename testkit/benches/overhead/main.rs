//! What wharf adds to a call, as ratios in one run; `cargo xtask bench` prepares a containerd and runs this.
//!
//! Ours and the reference take turns, and each pair gives one ratio, so that a machine that gets slower or faster in
//! between does both the same. A missed goal is told, and is no failure: on a shared machine it may be noise.

mod arguments;
mod crowds;
mod four_containers;
mod lists;
mod measure;
mod memory;
mod memory_use;
mod nydus;
mod pods;
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
            eprintln!("overhead: {error}; there are --url URL and --quick");
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
    println!("{}", table::head());
    println!("{}", memory::measure(arguments.quick).await?);
    let images = Images::serve().await?;

    let lengths = lists::measure(&images, arguments.quick).await?;
    let fake = Target::fake(&images, 0).await?;
    let counted = fake.finish_after(async { fake_rows(&fake, arguments.quick).await }).await?;
    let mut streamed = String::new();
    if let Some(url) = &arguments.url {
        let real = Target::at(url, &images).await?;
        let measured = real.finish_after(async {
            reads::measure(&real, arguments.quick).await?;
            pods::measure(&real, arguments.quick).await?;
            four_containers::measure(&real, arguments.quick).await?;
            crowds::measure(&real, arguments.quick).await?;
            let memory = streams::measure(&real, arguments.quick).await?;
            // Last, since the images that are served for it take memory.
            four_containers::measure_cold(&real, &images, arguments.quick).await?;
            Ok(memory)
        });
        streamed = measured.await?;
    }
    let daemons = match nydus::Programs::find() {
        Some(programs) => nydus::measure(&programs, arguments.quick).await?,
        None => "Nothing of nydusd: it needs nydusd and nydus-image in the path.".to_owned(),
    };
    println!("{lengths}\n{counted}\n{streamed}\n{daemons}");
    Ok(())
}

/// What the fake is good for: reads on a socket where there is no containerd, and counting.
async fn fake_rows(fake: &Target, quick: bool) -> Result<String> {
    reads::measure(fake, quick).await?;
    pods::count_calls(fake).await
}
