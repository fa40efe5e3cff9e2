//! A pod as `kubectl` knows it, on any driver: `manifest FILE [URL]`.
//!
//! Reads a Kubernetes manifest (`-` is standard input), says what the driver of the URL can't honour, runs the pod to its end,
//! and prints the logs of its containers. Without a URL it runs on the cluster of the kubeconfig, `k8s://`; other URLs need the
//! feature of their driver as well.

use std::{error::Error, io::Read, process::ExitCode};

use futures::TryStreamExt;
use wharf::{
    Client, LogOptions, PodHandle,
    k8s::manifest,
    spec::{ContainerSpec, PodSpec},
};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().ok_or("which manifest?")?;
    let url = arguments.next().unwrap_or_else(|| "k8s://".to_owned());
    let mut text = String::new();
    match file.as_str() {
        "-" => std::io::stdin().read_to_string(&mut text)?,
        file => std::fs::File::open(file)?.read_to_string(&mut text)?,
    };
    let spec = manifest::from_yaml(&text)?;

    let client = Client::from_url(&url).await?;
    let preflight = client.preflight(&spec);
    for rejected in preflight.rejected() {
        eprintln!("{url} can't honour {}", rejected.field);
    }
    if !preflight.is_ok() {
        return Ok(ExitCode::FAILURE);
    }
    let pod = client.run_pod(&spec).await?;
    let ended = until_ended(&pod, &spec).await;
    // The pod goes whatever happened in between.
    pod.remove().await?;
    Ok(if ended? { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints what the containers write, and how they end. Whether all ended well.
async fn until_ended(pod: &PodHandle, spec: &PodSpec) -> Result<bool> {
    let mut well = true;
    for ContainerSpec { name, .. } in &spec.containers {
        let Some(container) = pod.container(name) else { continue };
        let mut lines = container.logs(&LogOptions::follow()).await?;
        while let Some(line) = lines.try_next().await? {
            println!("{name}: {}", line.text());
        }
        let exit = container.wait().await?;
        eprintln!("{name} ended: {exit}");
        well &= exit.success();
    }
    Ok(well)
}
