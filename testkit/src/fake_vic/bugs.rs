//! What the real server does wrong.

/// Mistakes of the real server, each of which can be left out. By default they are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bugs {
    /// What is told of a container panics if no task has the container's id: info, wait, and the list of all.
    pub info_needs_the_first_task: bool,
    /// To inspect a task that the VM runs by itself panics. Without this it is inspected as a command is.
    pub inspect_of_sessions: bool,
    /// To ask for logs without `since` panics. Without this it is 0.
    pub logs_need_since: bool,
    /// To ask for the state of a handle that has never been committed panics.
    pub state_of_a_new_handle: bool,
    /// Interaction and logging can't be bound on a handle that has never been committed: it panics.
    pub bind_on_a_new_handle: bool,
    /// To wait for a task that isn't there, or doesn't run, is 500. Without this it is 404 and 428.
    pub task_wait_is_500: bool,
    /// A scope that is not there is 500 when a container is to be added. Without this it is 404.
    pub missing_scope_is_500: bool,
    /// To look for scopes by a part of an id that several have panics.
    pub scope_by_part_of_id: bool,
    /// An image that is pulled again under another name is not found under that name.
    pub second_name_is_lost: bool,
}

impl Bugs {
    /// None of them.
    pub const NONE: Self = Self {
        info_needs_the_first_task: false,
        inspect_of_sessions: false,
        logs_need_since: false,
        state_of_a_new_handle: false,
        bind_on_a_new_handle: false,
        task_wait_is_500: false,
        missing_scope_is_500: false,
        scope_by_part_of_id: false,
        second_name_is_lost: false,
    };
}

impl Default for Bugs {
    /// Those that the source shows. That a second name is lost is only supposed.
    fn default() -> Self {
        Self {
            info_needs_the_first_task: true,
            inspect_of_sessions: true,
            logs_need_since: true,
            state_of_a_new_handle: true,
            bind_on_a_new_handle: true,
            task_wait_is_500: true,
            missing_scope_is_500: true,
            scope_by_part_of_id: true,
            second_name_is_lost: false,
        }
    }
}
