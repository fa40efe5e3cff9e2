//! Exec, attach and port-forward over WebSocket.

use std::sync::Arc;

use futures::future::select_all;
use http_body_util::BodyExt;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use k8s_cri::v1::{AttachRequest, ExecRequest, PortForwardRequest};

use super::cluster::Cluster;
use super::pod::PodRun;
use crate::connection::Connection;
use crate::fake_k8s::{Body, PodSubresource, Refusal};
use crate::streaming::idle::Watched;
use crate::streaming::refusal::switch;
use crate::streaming::websocket::{self, Agreed, Io};

/// What a client wants of a container.
pub(super) struct Wanted {
    pub(super) command: Vec<String>,
    pub(super) stdin: bool,
    pub(super) stdout: bool,
    pub(super) stderr: bool,
    pub(super) tty: bool,
}

/// Begins an exec or an attach.
pub(super) fn command<B>(
    cluster: &Arc<Cluster>,
    subresource: PodSubresource,
    container_id: String,
    wanted: Wanted,
    request: &mut Request<B>,
) -> Result<Response<Body>, Refusal> {
    let Wanted { command: cmd, stdin, stdout, stderr, tty } = wanted;
    if !stdin && !stdout && !stderr {
        return Err(Refusal::bad_request("you must specify at least 1 of stdin, stdout, stderr"));
    }
    // A terminal has one output.
    let stderr = stderr && !tty;
    check_upgrade(request)?;
    let agreed = websocket::remote_command(request.headers(), cluster.websocket_v5);
    upgrade(cluster, request, agreed, move |cluster, io, agreed| async move {
        let mut client = websocket::client(io, agreed, [stdin, stdout, stderr]).await;
        let outcome = if subresource == PodSubresource::Attach {
            let request = AttachRequest { container_id, stdin, tty, stdout, stderr };
            cluster.runtime.attach(request, &mut client).await
        } else {
            let request = ExecRequest { container_id, cmd, tty, stdin, stdout, stderr };
            cluster.runtime.exec(request, &mut client).await
        };
        client.finish(&outcome.relayed()).await;
    })
}

/// Begins to forward ports.
pub(super) fn port_forward<B>(
    cluster: &Arc<Cluster>,
    run: Option<Arc<PodRun>>,
    ports: Vec<String>,
    request: &mut Request<B>,
) -> Result<Response<Body>, Refusal> {
    check_upgrade(request)?;
    let mut numbers = Vec::new();
    for port in ports.iter().flat_map(|ports| ports.split(',')) {
        let number = port.parse::<u16>().ok().filter(|number| *number > 0);
        let number = number.ok_or_else(|| Refusal::bad_request(format!("port {port:?} is not valid")))?;
        numbers.push(i32::from(number));
    }
    if numbers.is_empty() {
        return Err(Refusal::bad_request("you must specify at least 1 port"));
    }
    let sandbox = run.and_then(|run| run.sandbox()).unwrap_or_default();
    let agreed = websocket::port_forward(request.headers());
    upgrade(cluster, request, agreed, move |cluster, io, agreed| async move {
        let request = PortForwardRequest { pod_sandbox_id: sandbox, port: numbers };
        let (socket, forwards) = cluster.runtime.forward(request, io, agreed).await;
        // The end of one is the end of all: the connection is closed, properly if all went well.
        let (went_well, ..) = select_all(forwards).await;
        if went_well {
            socket.close().await;
        }
    })
}

fn check_upgrade<B>(request: &Request<B>) -> Result<(), Refusal> {
    let wanted = websocket::is_wanted(request.headers());
    wanted.then_some(()).ok_or_else(|| Refusal::bad_request("Upgrade request required"))
}

/// Answers with the upgrade, and runs the session on what becomes of the connection.
fn upgrade<B, F>(
    cluster: &Arc<Cluster>,
    request: &mut Request<B>,
    agreed: Option<Agreed>,
    session: impl FnOnce(Arc<Cluster>, Io, Agreed) -> F + Send + 'static,
) -> Result<Response<Body>, Refusal>
where
    F: Future<Output = ()> + Send,
{
    let answer = match websocket::answer(request.headers(), agreed) {
        Ok((headers, agreed)) => {
            let upgraded = hyper::upgrade::on(request);
            let task = Arc::clone(cluster);
            cluster.runtime.spawn(async move {
                let Ok(upgraded) = upgraded.await else { return };
                let io = connection(&task, upgraded);
                session(task, io, agreed).await;
            });
            switch(headers)
        }
        Err(refusal) => refusal.into_answer(),
    };
    Ok(answer.map(|body| body.map_err(|never| match never {}).boxed_unsync()))
}

/// The connection, with what can cut it.
fn connection(cluster: &Cluster, upgraded: Upgraded) -> Io {
    let cut = cluster.sever_token();
    let stream = Connection::new(TokioIo::new(upgraded), cut.clone());
    match cluster.idle_cut {
        None => Box::new(stream),
        Some(idle) => Box::new(Watched::new(stream, idle, cut)),
    }
}
