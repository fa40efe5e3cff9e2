//! What all calls share: the engine, the recorder, and the way that a call goes through faults and size limits.

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use k8s_cri::v1::Container;
use prost::Message;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::calls::Calls;
use super::names::Reserved;
use super::streaming::Streaming;
use super::{FakeCriOptions, refusal, status};
use crate::engine::{Engine, Phase};

pub(super) struct Fake {
    pub(super) engine: Engine,
    pub(super) calls: Calls,
    /// For files that containers are given, such as `resolv.conf`.
    pub(super) dir: PathBuf,
    pub(super) synthetic: Mutex<Vec<Container>>,
    /// Calls that came after containerd 1.6.
    pub(super) newer_calls: bool,
    /// The names of sandboxes that are being made.
    pub(super) reserved: Reserved,
    pub(super) streaming: Arc<Streaming>,
    max_message_bytes: usize,
}

impl Fake {
    pub(super) fn new(
        engine: Engine,
        dir: PathBuf,
        options: &FakeCriOptions,
        end: CancellationToken,
    ) -> Self {
        let FakeCriOptions { socket: _, max_message_bytes, synthetic_containers, newer_calls, streaming } =
            *options;
        let synthetic = Mutex::new((0..synthetic_containers).map(status::synthetic).collect());
        let (calls, reserved) = (Calls::default(), Reserved::default());
        let streaming = Arc::new(Streaming::new(streaming, end));
        Self { engine, calls, dir, synthetic, newer_calls, reserved, streaming, max_message_bytes }
    }

    /// Answers a call of `method`: counts it, lets faults at it, and keeps to the size of messages.
    pub(super) async fn answer<Q: Message, A: Message, F>(
        &self,
        method: &'static str,
        request: Request<Q>,
        answer: impl FnOnce(Q) -> F,
    ) -> Result<Response<A>, Status>
    where
        F: Future<Output = Result<A, Status>>,
    {
        self.calls.record(method);
        let request = request.into_inner();
        self.check_size("received", request.encoded_len())?;
        let faults = self.engine.faults();
        faults.meet(method, Phase::Before).await.map_err(refusal::from_engine)?;
        let answer = answer(request).await?;
        faults.meet(method, Phase::After).await.map_err(refusal::from_engine)?;
        self.check_size("trying to send", answer.encoded_len())?;
        Ok(Response::new(answer))
    }

    fn check_size(&self, doing: &str, bytes: usize) -> Result<(), Status> {
        let max = self.max_message_bytes;
        if bytes <= max {
            return Ok(());
        }
        let text = format!("grpc: {doing} message larger than max ({bytes} vs. {max})");
        Err(Status::resource_exhausted(text))
    }
}
