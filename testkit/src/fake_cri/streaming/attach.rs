//! The first process of a container, between its streams and those of a client.

use std::convert::Infallible;

use k8s_cri::v1::AttachRequest;
use tokio::io::AsyncReadExt;
use tokio_util::sync::CancellationToken;

use crate::engine::{Attachment, EngineError, Output, SharedInput};
use crate::fake_cri::container::Kept;
use crate::fake_cri::fake::Fake;
use crate::fake_cri::{refusal, status};
use crate::streaming::client::{Client, Incoming, Outgoing};
use crate::streaming::outcome::Outcome;
use crate::streaming::resize;

const READ_BYTES: usize = 32 * 1024;

/// Stays attached until the client has gone or the output has ended. That is a success, whatever the process ended with.
pub(crate) async fn run(fake: &Fake, request: AttachRequest, client: &mut Client) -> Outcome {
    match begin(fake, &request.container_id).await {
        Ok((id, kept, attachment)) => {
            let once = kept.config.stdin_once && !request.tty;
            let sizes = client.resize.take();
            let sizes = async {
                if let Some(sizes) = sizes {
                    // A container without a terminal has no size.
                    resize::follow(sizes, |size| drop(fake.engine.resize_container(&id, size))).await;
                }
                std::future::pending::<Infallible>().await
            };
            tokio::select! {
                () = converse(attachment, once, request.tty, client) => Outcome::Success,
                never = sizes => match never {},
            }
        }
        Err(why) => Outcome::Failed(format!("error attaching to container: {why}")),
    }
}

async fn begin(fake: &Fake, wanted: &str) -> Result<(String, Kept, Attachment), String> {
    let missing = format!("failed to find container {wanted:?} in store");
    let (container, kept) =
        fake.container_in(wanted, &missing).map_err(|status| status.message().to_owned())?;
    match fake.engine.attach(&container.id).await {
        Ok(attachment) => Ok((container.id, kept, attachment)),
        Err(EngineError::InvalidState { .. }) => {
            let state = fake.engine.container(&container.id).unwrap_or(container);
            Err(format!("container is in {} state", status::state_name(&state)))
        }
        Err(error) => Err(refusal::from_engine(error).message().to_owned()),
    }
}

async fn converse(attachment: Attachment, once: bool, tty: bool, client: &mut Client) {
    let Attachment { stdin, stdout, stderr } = attachment;
    let (stop_input, stop_output) = (CancellationToken::new(), CancellationToken::new());
    let input = async {
        let (Some(from), Some(to)) = (client.stdin.take(), stdin) else { return };
        stop_input.run_until_cancelled(feed(from, &to)).await;
        if once {
            to.close().await;
        } else {
            stop_output.cancel();
        }
    };
    let output = async |from: Option<Output>, to: Option<Outgoing>| {
        let (Some(from), Some(mut to)) = (from, to) else { return };
        stop_output.run_until_cancelled(drain(from, &mut to)).await;
        stop_input.cancel();
        to.finish().await;
    };
    let stderr = stderr.filter(|_| !tty);
    tokio::join!(input, output(Some(stdout), client.stdout.take()), output(stderr, client.stderr.take()));
}

async fn feed(mut from: Incoming, to: &SharedInput) {
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if to.write_all(buffer.get(..count).unwrap_or_default()).await.is_err() {
            return;
        }
    }
}

/// Ends with the output or the client, whichever is first.
async fn drain(mut from: Output, to: &mut Outgoing) {
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if to.send(buffer.get(..count).unwrap_or_default()).await.is_err() {
            return;
        }
    }
}
