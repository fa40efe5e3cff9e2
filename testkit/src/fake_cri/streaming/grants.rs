//! What URLs stand for: each works once, for a minute.

use std::collections::VecDeque;
use std::time::Duration;

use k8s_cri::v1::{AttachRequest, ExecRequest, PortForwardRequest};
use tokio::time::Instant;
use tonic::Status;

use crate::engine::random_id;

const LIFETIME: Duration = Duration::from_secs(60);
const MAX_GRANTS: usize = 1000;
const TOKEN_CHARS: usize = 8;

/// What a URL grants.
#[derive(Debug)]
pub(super) enum Grant {
    Exec(ExecRequest),
    Attach(AttachRequest),
    PortForward(PortForwardRequest),
}

impl Grant {
    /// Its word in the URL.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Exec(_) => "exec",
            Self::Attach(_) => "attach",
            Self::PortForward(_) => "portforward",
        }
    }
}

/// The grants that nobody has used, oldest first.
#[derive(Debug, Default)]
pub(super) struct Grants(VecDeque<(String, Instant, Grant)>);

impl Grants {
    /// Keeps a grant, and makes its token.
    pub(super) fn insert(&mut self, grant: Grant) -> Result<String, Status> {
        let now = Instant::now();
        self.0.retain(|(_, until, _)| *until >= now);
        if self.0.len() == MAX_GRANTS {
            return Err(Status::resource_exhausted("maximum number of in-flight requests exceeded"));
        }
        let mut token = random_id().map_err(|error| Status::unknown(error.to_string()))?;
        token.truncate(TOKEN_CHARS);
        self.0.push_back((token.clone(), now + LIFETIME, grant));
        Ok(token)
    }

    /// Takes a grant by its token, for good.
    pub(super) fn consume(&mut self, token: &str) -> Option<Grant> {
        let at = self.0.iter().position(|(other, ..)| other == token)?;
        let (_, until, grant) = self.0.remove(at)?;
        (until >= Instant::now()).then_some(grant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> Grant {
        Grant::Exec(ExecRequest::default())
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_works_once_for_a_minute() {
        let mut grants = Grants::default();
        let token = grants.insert(grant()).unwrap();
        assert_eq!(token.len(), TOKEN_CHARS);
        assert!(grants.consume("other").is_none());
        assert!(grants.consume(&token).is_some());
        assert!(grants.consume(&token).is_none());
        let late = grants.insert(grant()).unwrap();
        tokio::time::advance(LIFETIME + Duration::from_millis(1)).await;
        assert!(grants.consume(&late).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_an_end_to_what_waits() {
        let mut grants = Grants::default();
        for _ in 0..MAX_GRANTS {
            grants.insert(grant()).unwrap();
        }
        assert_eq!(grants.insert(grant()).unwrap_err().code(), tonic::Code::ResourceExhausted);
        tokio::time::advance(LIFETIME + Duration::from_millis(1)).await;
        grants.insert(grant()).unwrap();
    }
}
