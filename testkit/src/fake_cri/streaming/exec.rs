//! A command in a container, between its streams and those of a client.

use std::convert::Infallible;

use k8s_cri::v1::ExecRequest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use crate::engine::{ExecLaunch, ExecProcess, Input, Output};
use crate::fake_cri::exec::CONTEXT;
use crate::fake_cri::fake::Fake;
use crate::streaming::client::{Client, Incoming, Outgoing};
use crate::streaming::outcome::Outcome;
use crate::streaming::resize;

const READ_BYTES: usize = 32 * 1024;

/// How much input lies between containerd and a command's pipe: in a FIFO, and with the shim. What doesn't fit there when the
/// command ends is waited for without end, since nobody takes it and nobody says so.
const ON_THE_WAY_BYTES: usize = 96 * 1024;

/// Runs the command to its end. A client that is lost ends its input, and its output is read no more: nobody kills it.
pub(crate) async fn run(fake: &Fake, request: ExecRequest, client: &mut Client) -> Outcome {
    let ExecRequest { container_id, cmd, tty, stdin, .. } = request;
    let launch = ExecLaunch {
        argv: cmd.clone(),
        stdin,
        tty,
        env: if tty { vec![("TERM".to_owned(), "xterm".to_owned())] } else { Vec::new() },
        ..Default::default()
    };
    match start(fake, &container_id, launch).await {
        Ok(process) => {
            let code = converse(process, tty, client).await;
            let argv = cmd.join(" ");
            Outcome::exit(code, || format!("error executing command [{argv}], exit code {code}"))
        }
        Err(why) => Outcome::Failed(format!("error executing command in container: {why}")),
    }
}

async fn start(fake: &Fake, wanted: &str, launch: ExecLaunch) -> Result<ExecProcess, String> {
    let missing = format!("{CONTEXT}: failed to find container {wanted:?} in store");
    let words = |status: tonic::Status| status.message().to_owned();
    let (container, _) = fake.container_in(wanted, &missing).map_err(words)?;
    let started = fake.engine.exec_stream(&container.id, launch).await;
    started.map_err(|error| words(fake.exec_refused(&container, error)))
}

/// Moves bytes until the command has ended and all its output is through; its exit code.
async fn converse(mut process: ExecProcess, tty: bool, client: &mut Client) -> i32 {
    let (to_stdin, stdout, stderr) = (process.stdin.take(), process.stdout.take(), process.stderr.take());
    // Either output's end is the end of the input; a terminal's input ends the output.
    let (stop_input, stop_output) = (CancellationToken::new(), CancellationToken::new());
    let (to_shim, from_containerd) = tokio::io::duplex(ON_THE_WAY_BYTES);
    let from_client = client.stdin.take();
    let shim = async {
        let Some(mut to) = to_stdin else { return std::future::pending().await };
        let mut from: Incoming = Box::new(from_containerd);
        feed(&mut from, &mut to).await;
        if tty {
            // It ends with the process.
            process.wait().await;
        }
        drop(to);
        // What it has not taken stays.
        std::future::pending::<Infallible>().await
    };
    let input = async {
        let mut to_shim = to_shim;
        if let Some(mut from) = from_client {
            let mut buffer = vec![0; READ_BYTES];
            while let Some(Ok(count @ 1..)) = stop_input.run_until_cancelled(from.read(&mut buffer)).await {
                if to_shim.write_all(buffer.get(..count).unwrap_or_default()).await.is_err() {
                    break;
                }
            }
            if tty {
                stop_output.cancel();
            }
        }
    };
    let output = async |from: Option<Output>, to: Option<Outgoing>| {
        let Some(mut from) = from else { return };
        let mut to = to;
        let whole = stop_output.run_until_cancelled(drain(&mut from, &mut to)).await;
        stop_input.cancel();
        if let Some(to) = to {
            to.finish().await;
        }
        if !matches!(whole, Some(true)) {
            // Nobody reads it any more, and it stays open: who writes more than the pipe holds, waits.
            process.wait().await;
        }
    };
    let sizes = async {
        if let Some(stream) = client.resize.take().filter(|_| tty) {
            // A terminal that has gone has no size.
            resize::follow(stream, |size| drop(process.resize(size))).await;
        }
        std::future::pending::<Infallible>().await
    };
    let ended = async {
        let (outcome, ..) = tokio::join!(
            process.wait(),
            input,
            output(stdout, client.stdout.take()),
            output(stderr, client.stderr.take())
        );
        outcome.code()
    };
    tokio::select! {
        code = ended => code,
        never = shim => match never {},
        never = sizes => match never {},
    }
}

async fn feed(from: &mut Incoming, to: &mut Input) {
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let bytes = buffer.get(..count).unwrap_or_default();
        if to.write_all(bytes).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}

/// Whether it came to the end of what is to be read, rather than of the client. What nobody asked for is thrown away.
async fn drain(from: &mut Output, to: &mut Option<Outgoing>) -> bool {
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if let Some(to) = to.as_mut()
            && to.send(buffer.get(..count).unwrap_or_default()).await.is_err()
        {
            return false;
        }
    }
    true
}
