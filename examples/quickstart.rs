//! A pod through wharf, from first to last: `quickstart URL IMAGE`.
//!
//! `cargo xtask quickstart [URL]` runs it with the features that the URL needs and an image that it can get.

use futures::TryStreamExt;
use wharf::{
    Client, LogOptions, Result, StopOptions,
    spec::{ContainerSpec, ExecSpec, PodSpec},
};

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--ping", url] => ping(url).await,
        [url, image] => run(url, image).await,
        _ => run("memory://", "wharf.local/host:latest").await,
    }
}

async fn ping(url: &str) -> Result<()> {
    let client = Client::from_url(url).await?;
    let health = client.ping().await?;
    println!("{} {} answers at {url}", health.system, health.version);
    for condition in &health.conditions {
        let state = if condition.ok { "yes" } else { "NO" };
        println!("  {}: {state} {}", condition.name, condition.message.as_deref().unwrap_or_default());
    }
    Ok(())
}

async fn run(url: &str, image: &str) -> Result<()> {
    let client = Client::from_url(url).await?;
    let health = client.ping().await?;
    println!("connected to {} {}", health.system, health.version);

    // The guest image has its commands in one program; any other is taken to have a shell.
    let guest = image.contains("/guest:");
    let (say, idle): (&[&str], &[&str]) = if guest {
        (&["/guest", "echo", "hello from a container"], &["/guest", "do", "echo", "started", ";;", "pause"])
    } else {
        (&["sh", "-c", "echo hello from a container"], &["sh", "-c", "echo started; exec sleep 60"])
    };

    let main =
        ContainerSpec::new("main", image).with_command(idle.iter().copied()).with_env("GREETING", "hello");
    let spec = PodSpec::new("quickstart").with_label("app", "quickstart").with_container(main);
    for rejected in client.preflight(&spec).rejected() {
        println!("this runtime can't honour {}", rejected.field);
    }

    let pod = client.run_pod(&spec).await?;
    println!("pod {} is {}", pod.id(), pod.status().await?.summary.phase);
    let shown = show(&pod, say).await;
    // The pod goes whatever happened in between.
    pod.stop(&StopOptions::now()).await?;
    pod.remove().await?;
    shown?;
    println!("the pod is gone");
    Ok(())
}

async fn show(pod: &wharf::PodHandle, say: &[&str]) -> Result<()> {
    let Some(main) = pod.container("main") else { return Ok(()) };
    let output = main.exec(&ExecSpec::new(say.iter().copied())).await?;
    print!("exec: {}", output.stdout_text());
    let lines: Vec<_> = main.logs(&LogOptions::default()).await?.try_collect().await?;
    for line in lines {
        println!("log: {}", line.text());
    }
    Ok(())
}
