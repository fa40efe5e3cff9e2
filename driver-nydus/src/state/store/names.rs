//! Who has what only one pod can have: a link for each claim, which names the pod.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::symlink,
};

use runtime_core::{PodId, Result};

use super::{Store, files::unless_gone};
use crate::{
    io_error::failed,
    state::{Claim, Record},
};

impl Store {
    /// Gives a claim back, if it is this pod's. Another one's is left alone.
    pub(crate) fn release(&self, claim: &Claim, id: &PodId) -> Result<()> {
        self.try_release(claim, id).map_err(|error| failed("give a name back", error))
    }

    /// Gives a claim back for a pod that is gone, and says whether it was. One that is only being made keeps it.
    pub(crate) fn release_if_gone(&self, claim: &Claim, id: &PodId) -> Result<bool> {
        let is_there = self.exists(id).map_err(|error| failed("look for a pod", error))?;
        if !is_there {
            self.release(claim, id)?;
        }
        Ok(!is_there)
    }

    /// Whose a claim is.
    pub(crate) fn holder_of(&self, claim: &Claim) -> Result<Option<PodId>> {
        self.holder(claim).map_err(|error| failed("look at a name", error))
    }

    /// Whether a claim is this pod's.
    pub(crate) fn has(&self, claim: &Claim, id: &PodId) -> Result<bool> {
        Ok(self.holder_of(claim)?.as_ref() == Some(id))
    }

    /// Takes a claim; `Some` is the pod that has it.
    pub(super) fn claim(&self, claim: &Claim, id: &PodId) -> io::Result<Option<PodId>> {
        let link = self.names().join(claim.file());
        loop {
            match symlink(id.as_str(), &link) {
                Ok(()) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            let Some(holder) = self.holder(claim)? else { continue };
            if self.exists(&holder)? {
                return Ok(Some(holder));
            }
            self.try_release(claim, &holder)?;
        }
    }

    pub(super) fn release_all(&self, record: &Record) -> io::Result<()> {
        let claims = Claim::all(record, &self.pod(&record.id));
        claims.iter().try_for_each(|claim| self.try_release(claim, &record.id))
    }

    /// Between the look and the removal nobody else may remove the link, since then it could be another's.
    fn try_release(&self, claim: &Claim, id: &PodId) -> io::Result<()> {
        let lock = File::create(self.root.join("names.lock"))?;
        lock.lock()?;
        if self.holder(claim)?.as_ref() != Some(id) {
            return Ok(());
        }
        unless_gone(fs::remove_file(self.names().join(claim.file())))
    }

    fn holder(&self, claim: &Claim) -> io::Result<Option<PodId>> {
        match fs::read_link(self.names().join(claim.file())) {
            Ok(holder) => Ok(Some(PodId::new(holder.to_string_lossy()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
