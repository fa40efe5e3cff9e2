//! What a process may do: its user, capabilities and system calls. Taken on by the thread that is to start it.

use rustix::process::{Gid, Uid};

use super::seccomp;
use super::user::ResolvedUser;
use super::{EngineError, LinuxCapabilities};

/// What is taken from a container's processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Privileges {
    /// What root in the container may do. `None`: all that the engine may. Other users have none of it.
    pub capabilities: Option<LinuxCapabilities>,
    /// Programs with set-id bits or file capabilities give nothing.
    pub no_new_privs: bool,
    /// System calls that change the host or look into the kernel are refused. Brings `no_new_privs` with it.
    pub filtered: bool,
}

impl Privileges {
    /// For the calling thread and what it starts from here on. There is no way back.
    pub(crate) fn take_on(&self, user: Option<&ResolvedUser>) -> Result<(), EngineError> {
        let failed = |what: &str| {
            let what = what.to_owned();
            move |error: rustix::io::Errno| EngineError::io(what, error)
        };
        if let Some(capabilities) = self.capabilities {
            capabilities.bound().map_err(failed("bound capabilities"))?;
        }
        if let Some(user) = user {
            become_user(user).map_err(failed("change user"))?;
        }
        // The kernel has taken everything from any other user.
        if let Some(capabilities) = self.capabilities
            && user.is_none_or(|user| user.uid == 0)
        {
            capabilities.keep().map_err(failed("drop capabilities"))?;
        }
        if self.no_new_privs {
            rustix::thread::set_no_new_privs(true).map_err(failed("set no_new_privs"))?;
        }
        if self.filtered {
            seccomp::filter()?;
        }
        Ok(())
    }
}

/// Root without groups is what every process here starts as.
fn become_user(user: &ResolvedUser) -> rustix::io::Result<()> {
    let groups: Vec<Gid> = user.groups.iter().copied().map(Gid::from_raw).collect();
    rustix::thread::set_thread_groups(&groups)?;
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)
}
