//! Changes to containers that run: their resources, their log.

use std::time::Duration;

use k8s_cri::v1 as cri;
use runtime_core::{ContainerId, Context, Error, ErrorKind, Result, spec::Resources};

use crate::{
    container::{is_running, missing},
    driver::CriDriver,
    error::Refusal,
    translate::update_of,
};

/// How long the runtime may take to set resources back.
const UNDO_TIMEOUT: Duration = Duration::from_secs(10);

impl CriDriver {
    /// Changes the resources that are set. A runtime that refuses may have changed some by then, so it is told the old ones.
    pub(crate) async fn update_resources(
        &self,
        cx: &Context,
        id: &ContainerId,
        resources: &Resources,
    ) -> Result<()> {
        let found = self.find_container_status(cx, id.as_str(), false).await?;
        let (container, _) = found.ok_or_else(|| missing(id))?;
        let before = container.resources.and_then(|resources| resources.linux).unwrap_or_default();
        let change = update_of(resources, &before)?;
        if change == cri::LinuxContainerResources::default() {
            return Ok(());
        }
        let Err(refusal) = self.send_update(cx, id, change).await else { return Ok(()) };
        if refusal.code.is_none() || refusal.is_not_found() {
            // The outcome is unknown, or there is nothing to undo.
            return Err(refusal.into());
        }
        match self.send_update(&cx.fresh(UNDO_TIMEOUT), id, before).await {
            Ok(()) => Err(refusal.into()),
            Err(undo) => Err(Error::from(refusal).with_context(
                "undo",
                format!("some may have changed all the same: {}", undo.error.message()),
            )),
        }
    }

    async fn send_update(
        &self,
        cx: &Context,
        id: &ContainerId,
        linux: cri::LinuxContainerResources,
    ) -> Result<(), Refusal> {
        let request = cri::UpdateContainerResourcesRequest {
            container_id: id.as_str().to_owned(),
            linux: Some(linux),
            ..Default::default()
        };
        self.client().update_container_resources(cx, request).await.map(drop)
    }

    /// Has the runtime open a container's log anew.
    pub(crate) async fn reopen(&self, cx: &Context, id: &ContainerId) -> Result<()> {
        if !self.may_be_container(cx, id.as_str()).await? {
            return Err(missing(id));
        }
        let request = cri::ReopenContainerLogRequest { container_id: id.as_str().to_owned() };
        match self.client().reopen_container_log(cx, request).await {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.is_vague() => {
                match self.find_container_status(cx, id.as_str(), false).await? {
                    None => Err(missing(id)),
                    Some((container, _)) if !is_running(&container) => {
                        Err(Error::new(ErrorKind::InvalidState, "the container is not running"))
                    }
                    Some(_) => Err(refusal.into()),
                }
            }
            Err(refusal) => Err(refusal.into()),
        }
    }
}
