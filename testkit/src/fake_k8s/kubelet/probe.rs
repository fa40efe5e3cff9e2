//! Probes and hooks: what a kubelet asks a container, and tells it.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use k8s_cri::v1::ExecSyncRequest;
use k8s_openapi::api::core::v1::{
    Container, ExecAction, HTTPGetAction, LifecycleHandler, Probe, TCPSocketAction,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tokio::time::timeout;

use crate::fake_cri::Runtime;

/// Where to ask.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) container: &'a Container,
    pub(super) container_id: &'a str,
    pub(super) sandbox_id: &'a str,
}

/// Asks once.
///
/// # Errors
/// What went wrong, for an event.
pub(super) async fn ask(runtime: &Runtime, probe: &Probe, target: Target<'_>) -> Result<(), String> {
    let seconds = u64::try_from(probe.timeout_seconds.unwrap_or(1)).unwrap_or(1).max(1);
    let asked = async {
        if let Some(exec) = &probe.exec {
            return run(runtime, exec, target.container_id).await;
        }
        if let Some(get) = &probe.http_get {
            return http(runtime, get, target).await;
        }
        if let Some(socket) = &probe.tcp_socket {
            return connect(runtime, socket, target).await;
        }
        Err("the fake can't honour this kind of probe".to_owned())
    };
    let answered = timeout(Duration::from_secs(seconds), asked).await;
    answered.unwrap_or_else(|_| Err(format!("command timed out after {seconds}s")))
}

/// Runs a hook of a container's life.
///
/// # Errors
/// What went wrong, for an event.
pub(super) async fn hook(
    runtime: &Runtime,
    hook: &LifecycleHandler,
    target: Target<'_>,
) -> Result<(), String> {
    if let Some(exec) = &hook.exec {
        return run(runtime, exec, target.container_id).await;
    }
    if let Some(sleep) = &hook.sleep {
        tokio::time::sleep(Duration::from_secs(u64::try_from(sleep.seconds).unwrap_or(0))).await;
        return Ok(());
    }
    if let Some(get) = &hook.http_get {
        return http(runtime, get, target).await;
    }
    Err("the fake can't honour this kind of hook".to_owned())
}

async fn run(runtime: &Runtime, exec: &ExecAction, container: &str) -> Result<(), String> {
    let request = ExecSyncRequest {
        container_id: container.to_owned(),
        cmd: exec.command.clone().unwrap_or_default(),
        timeout: 0,
    };
    let output = runtime.exec_sync(request).await.map_err(|status| status.message().to_owned())?;
    if output.exit_code == 0 {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(String::from_utf8_lossy(&said).into_owned())
}

async fn connect(runtime: &Runtime, socket: &TCPSocketAction, target: Target<'_>) -> Result<(), String> {
    let port = port(&socket.port, target.container)?;
    let connected = runtime.engine().connect(target.sandbox_id, port).await;
    connected.map(drop).map_err(|error| error.to_string())
}

async fn http(runtime: &Runtime, get: &HTTPGetAction, target: Target<'_>) -> Result<(), String> {
    if get.scheme.as_deref() == Some("HTTPS") {
        return Err("the fake can't honour httpGet.scheme HTTPS".to_owned());
    }
    let port = port(&get.port, target.container)?;
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    let stream = runtime.engine().connect(target.sandbox_id, port).await.map_err(|error| failed(&error))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(&error))?;
    let mut request = Request::get(get.path.as_deref().unwrap_or("/"));
    for header in get.http_headers.iter().flatten() {
        request = request.header(&header.name, &header.value);
    }
    let request = request.header("host", get.host.as_deref().unwrap_or("localhost"));
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| failed(&error))?;
    let answer = tokio::select! {
        answer = sender.send_request(request) => answer.map_err(|error| failed(&error))?,
        ended = connection => {
            return Err(ended.err().map_or_else(|| "the connection ended".to_owned(), |error| failed(&error)));
        }
    };
    match answer.status() {
        status if status.is_success() || status.is_redirection() => Ok(()),
        status => Err(format!("HTTP probe failed with statuscode: {}", StatusCode::as_u16(&status))),
    }
}

fn port(port: &IntOrString, container: &Container) -> Result<u16, String> {
    let number = match port {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(name) => {
            let named = container.ports.iter().flatten().find(|port| port.name.as_ref() == Some(name));
            named.map(|port| port.container_port)
        }
    };
    let number = number.and_then(|number| u16::try_from(number).ok()).filter(|number| *number > 0);
    number.ok_or_else(|| format!("invalid port number: {port:?}"))
}

/// How often and how long it is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rhythm {
    pub(super) delay: Duration,
    pub(super) period: Duration,
    pub(super) failures: i32,
    pub(super) successes: i32,
}

impl Rhythm {
    pub(super) fn of(probe: &Probe) -> Self {
        let seconds = |seconds: Option<i32>, default| {
            Duration::from_secs(seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(default))
        };
        Self {
            delay: seconds(probe.initial_delay_seconds, 0),
            period: seconds(probe.period_seconds.filter(|seconds| *seconds > 0), 10),
            failures: probe.failure_threshold.unwrap_or(3).max(1),
            successes: probe.success_threshold.unwrap_or(1).max(1),
        }
    }
}

/// What a probe says by and by: only when it has said the same often enough.
#[derive(Debug)]
pub(super) struct Verdicts {
    rhythm: Rhythm,
    same: i32,
    last: Option<bool>,
}

impl Verdicts {
    pub(super) fn new(rhythm: Rhythm) -> Self {
        Self { rhythm, same: 0, last: None }
    }

    /// `Some` once it counts.
    pub(super) fn hear(&mut self, good: bool) -> Option<bool> {
        self.same = if self.last == Some(good) { self.same.saturating_add(1) } else { 1 };
        self.last = Some(good);
        let needed = if good { self.rhythm.successes } else { self.rhythm.failures };
        (self.same >= needed).then_some(good)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_is_none() {
        let probe = Probe { success_threshold: Some(2), ..Probe::default() };
        let mut verdicts = Verdicts::new(Rhythm::of(&probe));
        let heard: Vec<_> =
            [false, false, true, true, false, false, false].map(|good| verdicts.hear(good)).into();
        assert_eq!(heard, [None, None, None, Some(true), None, None, Some(false)]);
    }
}
