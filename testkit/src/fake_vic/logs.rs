//! `GET /containers/{id}/logs`: what a container's first task has written. What the others write is kept nowhere.

use std::io;

use bytes::Bytes;
use futures::{StreamExt, stream};
use jiff::Timestamp;
use runtime_core::LogOptions;
use runtime_core::log_file;

use super::call::Call;
use super::containers::Device;
use super::port_layer::PortLayer;
use super::reply::{Refusal, Reply};
use crate::log_time::before_line;

impl PortLayer {
    pub(super) fn logs_of(&self, call: &Call) -> Result<Reply, Refusal> {
        let follow = call.flag("follow").unwrap_or_default();
        let (since, tail) = (call.int64("since")?, call.int64("taillines")?);
        let machine = self.machines.find(call.first()).ok_or(Refusal::Empty(404))?;
        if since.is_none() && self.options.bugs.logs_need_since {
            return Err(Refusal::Panic);
        }
        if machine.live().config.logging == Device::None {
            return Ok(Reply::stream(stream::empty()));
        }
        let timestamps = call.flag("timestamp").unwrap_or_default();
        let mut options = LogOptions::default();
        // Of one that is off nothing more will come.
        options.follow = follow && machine.live().powered_on;
        options.since = since.filter(|seconds| *seconds > 0).and_then(|at| Timestamp::from_second(at).ok());
        // Below zero it is all of them.
        options.tail = tail.and_then(|lines| usize::try_from(lines).ok());
        let path = self.log_path(&machine.id);
        let ended = async move {
            machine.until(|live| (live.removed || !live.powered_on).then_some(())).await;
        };
        let lines = log_file::read(path, &options, ended);
        let pieces = lines.filter_map(move |line| async move {
            let line = match line {
                Ok(line) => line,
                Err(error) => return Some(Err(io::Error::other(error))),
            };
            let mut bytes = Vec::with_capacity(line.content.len() + 40);
            if timestamps {
                bytes.extend_from_slice(before_line(line.timestamp).as_bytes());
            }
            bytes.extend_from_slice(&line.content);
            if line.complete {
                bytes.push(b'\n');
            }
            Some(Ok(Bytes::from(bytes)))
        });
        Ok(Reply::stream(pieces))
    }
}
