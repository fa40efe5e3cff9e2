//! The cluster in a process of its own, as real ones are: what it does shares neither threads nor memory with who reads.

use std::{io, path::Path, process::Stdio};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};
use wharf::{
    Client,
    spec::{ContainerSpec, PodSpec},
};

use super::{
    cluster::{Cluster, url_of},
    raw::Raw,
};
use crate::{Result, streams, target::Images};

/// The name of its kubeconfig in its directory.
const KUBECONFIG: &str = "kubeconfig";

/// Prints a row for a long output of a pod, and returns what memory did meanwhile.
pub(super) async fn stream(quick: bool) -> Result<String> {
    let place = TempDir::new()?;
    let (mut server, image) = start(place.path()).await?;
    let kubeconfig = place.path().join(KUBECONFIG);
    let client = Client::from_url(&url_of(&kubeconfig)?).await?;
    let raw = Raw::connect(&tokio::fs::read_to_string(&kubeconfig).await?).await?;
    let main = ContainerSpec::new("main", image).with_command(["/guest", "pause"]);
    let pod = client.run_pod(&PodSpec::new("stream").with_container(main)).await?;
    let main = pod.container("main").ok_or("the container is missing")?;
    let by_hand = async |command: &[String]| raw.stream("stream", command).await;
    let told = streams::compare("fake cluster", &main, by_hand, quick).await;
    pod.remove().await?;
    drop(server.stdin.take());
    server.wait().await?;
    told
}

/// Starts this program as the server; returns it with the image that its pods can have.
async fn start(place: &Path) -> Result<(Child, String)> {
    let mut server = Command::new(std::env::current_exe()?)
        .arg("--serve-cluster")
        .arg(place.join(KUBECONFIG))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = server.stdout.take().ok_or("the server has no output")?;
    let mut image = String::new();
    BufReader::new(stdout).read_line(&mut image).await?;
    match image.trim() {
        "" => Err("the server did not start".into()),
        image => Ok((server, image.to_owned())),
    }
}

/// Serves a cluster until the input ends: writes its kubeconfig, and prints an image.
pub(crate) async fn serve(kubeconfig: &Path) -> Result<()> {
    let images = Images::serve().await?;
    let cluster = Cluster::start(&images).await?;
    let served = async {
        cluster.fake.write_kubeconfig(kubeconfig)?;
        println!("{}", images.guest());
        tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink())).await??;
        Ok(())
    };
    cluster.finish_after(served).await
}
