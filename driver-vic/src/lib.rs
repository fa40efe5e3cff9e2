//! wharf's driver for the port layer of vSphere Integrated Containers.
//!
//! [`connect`] gives a [`VicDriver`]; programs usually reach it through a `Client` and a
//! `vic://HOST:PORT?persona=HOST:PORT&host_uuid=UUID` URL instead, for which [`Config`] has the rules. The API is that of the
//! wolfpack branch, the only one whose container VMs hold several containers.
//!
//! - *A pod* is one container VM; its containers are the VM's tasks. It is made by one handle that carries everything to one
//!   commit. All that the server has no place for is in annotations of the VM, so lists, status and taking over need nothing but
//!   the server. Container VMs without them are not wharf's: they are not listed, and never touched.
//! - *Names*: the server lets any number of VMs have one. Of several that are made at once the oldest is left, and the others
//!   go before they are started, as `AlreadyExists`.
//! - *Conflicts*: handles are snapshots, and the second of two commits is refused. What is refused so is done again from a fresh
//!   handle, ten times in 30 s at most.
//! - *Size*: a VM has what its containers ask for together, rounded up to whole processors and 128 MiB, at least 512 MiB a
//!   container. So limits of processors and memory bound the pod as a whole.
//! - *Images* are pulled by the docker persona, and known by what it keeps in the port layer's key-value store.
//! - *Starting* gives an address at once, whatever becomes of the start. It is taken back only when the VM is seen to be off.
//! - *Stopping*: the signal goes to the first container. After the grace period the server kills that, and after as much time
//!   again it turns the power off: other containers have up to twice the grace period.
//! - *Other containers than the first*: the server tells nothing of them. They run while the VM does, and ended for an unknown
//!   reason when it has. Their output is not kept, so their logs are refused; attaching and commands work.
//! - *Commands*: there is no signal to them, and nothing ends them. A session that is dropped closes the command's input, and
//!   that is all. So no timeout is declared either.
//! - *Guests* of the wolfpack branch run commands and ignore environment, working directory, user and terminal of tasks. These
//!   are refused, unless the URL says `guest=oci`. What an image says of user and directory can't be refused: a warning is
//!   logged, as it is for containers with the same image, whose roots such guests may take for one another.
//! - *Exit codes* are those of the docker persona: a container that a signal ended has 137, whichever signal it was.
//! - *Stats* are of whole VMs, a sample every 20 s. 1 GHz counts as one processor.
//! - *What can't be undone*: a handle can't be closed. One that is given up takes one of the 1000 places that the server has
//!   until it is pushed out.
//!
//! # What it does otherwise than the driver it comes from
//! The VIC provider of virtual-kubelet was the beginning of this driver. What was wrong there, and what shows that it is not
//! here: tests of this crate by module.
//!
//! | there | shown by |
//! | --- | --- |
//! | 1. arguments without a command are ignored, and so are entrypoints | `translate::config`: `the_command_follows_kubernetes_table` |
//! | 2. an image without a command is a crash | `translate::config`: `an_image_without_a_program_is_an_error` |
//! | 3. environment, working directory, stop signal and user are dropped | `translate::config`: `what_the_spec_does_not_say_is_the_images` |
//! | 4. `TERM` is set twice | `translate::config`: `the_environment_has_each_name_once_and_the_specs_value` |
//! | 5. processors and memory are computed and never sent | `create`: `size_names_and_ports_are_sent_and_tasks_are_told_apart`; `translate::resources`: all |
//! | 6. three failed pulls are a deadlock | `image`: `fifty_failures_are_all_told` |
//! | 7. `Always` never pulls, and neither does `Never` fail | `image`: `policies_are_honoured` |
//! | 8. a failed pull is dropped | `persona`: `a_failure_in_a_success_is_a_failure`; `image`: `a_pull_after_which_nothing_is_there_is_no_success` |
//! | 9. pulls without TLS, encoding, credentials, and for 60 s at most | `persona`: all |
//! | 10. one cache for all, without a lock, in which names are compared as texts | `image_cache`: `names_are_compared_in_full_form` |
//! | 11. images are fetched twice; what fails later leaves a VM | `image`: `an_image_of_several_containers_is_pulled_once`; `create`: `a_create_that_is_refused_leaves_nothing`; `tests`: `whatever_fails_once_nothing_is_left` |
//! | 12. the second VM of a name is made and forgotten | `create`: `a_pod_that_is_there_is_refused_adopted_or_replaced`, `of_two_of_one_name_the_younger_goes_before_it_is_started`; `tests`: `of_many_of_one_name_one_is_left` |
//! | 13. the error of a start's commit is swallowed, and conflicts are final | `start`: `a_commits_error_is_told_in_the_guests_words`, `a_conflict_is_redone_from_a_fresh_handle` |
//! | 14. a failed start unbinds nothing, or the address of another start | `start`: `the_address_of_one_that_somebody_else_started_is_left_alone`, `conflicts_without_end_are_given_up_and_the_address_is_given_back` |
//! | 15. a removal is not tried again, and fails for what is gone | `stop`: `a_removal_that_is_refused_in_passing_is_tried_again` |
//! | 16. a deletion needs the cache; the grace period is ignored | `stop`: `the_address_is_given_back_after_the_power_is_off`, `a_removal_ends_what_runs_gives_back_what_is_bound_and_is_fine_with_what_is_gone` |
//! | 17. the network is joined once a container, and without ports | `create`: `size_names_and_ports_are_sent_and_tasks_are_told_apart` |
//! | 18. tasks of different pods have the same ids | `id`: `tasks_of_other_creates_and_containers_have_other_ids` |
//! | 19. two containers of one image collide in the guest | the guest's: a warning is logged, and each has a disk of its own (`create`: `size_names_and_ports_are_sent_and_tasks_are_told_apart`) |
//! | 20. all pods have the empty name and one host name | `create`: `size_names_and_ports_are_sent_and_tasks_are_told_apart` |
//! | 21. what is known is in memory, by name without namespace | `create`: `a_pod_that_is_there_is_refused_adopted_or_replaced`; `translate::annotations`: all; `tests`: `another_process_knows_all_that_is_there` |
//! | 22. status is made up | `translate::status`: `every_state_has_its_phase`, `the_end_of_other_containers_is_not_made_up` |
//! | 23. a host that does not answer is a crash | `driver`: `a_host_that_does_not_answer_is_an_error` |
//! | 24. units of memory come to nothing | `driver`: `capacity_is_in_whole_numbers` |
//! | 25. errors of the configuration are ignored | `config`: `what_is_wrong_names_its_field`; `persona`: `files_that_can_not_be_used_are_named` |
//! | 26. what is not supported is ignored | `create`: `what_has_no_place_is_refused_before_any_request` |
//! | 27. guests apply the command of a task alone | the guest's: `capabilities`: `what_guests_ignore_is_refused_unless_they_do_not` |

mod api;
mod capabilities;
mod client;
mod config;
mod container;
mod create;
mod driver;
mod ending;
mod error;
mod events;
mod exec;
mod id;
mod image;
mod image_cache;
mod lines;
mod logs;
mod path;
mod patience;
mod persona;
mod pod;
mod remove;
mod session;
mod start;
mod stats;
mod stop;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod translate;
mod turns;
mod wait;

pub use config::{Config, Guest, PersonaTls};
pub use driver::{Capacity, VicDriver, connect, connect_url};
