//! What a task runs, and how: the spec's container over the image's own configuration.

use runtime_core::{
    Error, ErrorKind, Result,
    helpers::{
        command::CommandParts,
        env::{self, EnvDefaults},
        signal::Signal,
    },
    spec::{ContainerSpec, ExecSpec},
};

use crate::{
    api::{Handle, models::TaskJoin},
    image_cache::ImageConfig,
    translate::annotations::KeptContainer,
};

/// The task of a container, but for the handle that it is joined to and its id.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct TaskPlan {
    pub(crate) layer: String,
    pub(crate) command: Vec<String>,
    pub(crate) env: Vec<String>,
    pub(crate) working_dir: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) stop_signal: Option<String>,
    pub(crate) stdin: bool,
    pub(crate) tty: bool,
}

impl TaskPlan {
    /// What a container of this image runs.
    ///
    /// # Errors
    /// `InvalidArgument` when neither spec nor image say what to run; `Failed` for an image whose configuration can't be used.
    pub(crate) fn of(spec: &ContainerSpec, image: &ImageConfig) -> Result<Self> {
        let own = &image.config;
        let parts = CommandParts {
            image_entrypoint: &own.entrypoint,
            image_cmd: &own.cmd,
            command: &spec.command,
            args: &spec.args,
        };
        let command = parts.resolve().map_err(|error| Error::invalid("command", error))?;
        let variables = spec.env.iter().map(|variable| (&variable.name, variable.value.expose()));
        let env = env::merge(&own.env, variables, EnvDefaults { tty: spec.tty });
        let env = env.map_err(|error| Error::invalid("env", error))?.to_entries();
        let stop_signal = spec.stop_signal.as_deref().or(said(&own.stop_signal));
        Ok(Self {
            layer: image.layer.clone(),
            command,
            env,
            working_dir: spec.working_dir.as_deref().or(said(&own.working_dir)).map(str::to_owned),
            user: user(spec, said(&own.user)),
            stop_signal: stop_signal.map(signal).transpose()?,
            stdin: spec.stdin || spec.stdin_once,
            tty: spec.tty,
        })
    }

    /// What a command in a container runs. What it doesn't say is the guest's choice.
    pub(crate) fn of_exec(spec: &ExecSpec, container: &KeptContainer) -> Self {
        let env = spec.env.iter().map(|one| format!("{}={}", one.name, one.value.expose()));
        Self {
            layer: container.layer.clone(),
            command: spec.command.clone(),
            env: env.collect(),
            working_dir: spec.cwd.clone(),
            user: spec.user.clone(),
            stop_signal: None,
            stdin: spec.stdin,
            tty: spec.tty,
        }
    }

    /// The request that joins it.
    ///
    /// # Errors
    /// `InvalidArgument` when there is no program.
    pub(crate) fn join(&self, handle: Handle, id: Option<String>) -> Result<TaskJoin> {
        let Some((path, args)) = self.command.split_first().filter(|(path, _)| !path.is_empty()) else {
            return Err(Error::invalid("command", "names no program"));
        };
        Ok(TaskJoin {
            handle,
            id,
            namespace: self.layer.clone(),
            path: path.clone(),
            args: args.to_vec(),
            working_dir: self.working_dir.clone(),
            env: self.env.clone(),
            user: self.user.clone(),
            attach: true,
            open_stdin: self.stdin,
            tty: self.tty,
            stop_signal: self.stop_signal.clone(),
        })
    }
}

/// `user` or `user:group`. A group alone goes with the image's user, or root.
fn user(spec: &ContainerSpec, of_image: Option<&str>) -> Option<String> {
    let security = &spec.security;
    match (security.run_as_user, security.run_as_group) {
        (Some(user), Some(group)) => Some(format!("{user}:{group}")),
        (Some(user), None) => Some(user.to_string()),
        (None, Some(group)) => {
            let user = of_image.and_then(|user| user.split(':').next()).unwrap_or("0");
            Some(format!("{user}:{group}"))
        }
        (None, None) => of_image.map(str::to_owned),
    }
}

/// As the guest knows signals: by name without `SIG`, or by number.
fn signal(text: &str) -> Result<String> {
    let signal: Signal = text.parse().map_err(|error: runtime_core::helpers::signal::UnknownSignal| {
        Error::new(ErrorKind::InvalidArgument, error.to_string()).with_field("stopSignal")
    })?;
    let name = signal.to_string();
    Ok(name.strip_prefix("SIG").unwrap_or(&name).to_owned())
}

fn said(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use runtime_core::spec::EnvVar;

    use super::*;
    use crate::image_cache::RunConfig;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn image(entrypoint: &str, cmd: &str) -> ImageConfig {
        let config = RunConfig { entrypoint: words(entrypoint), cmd: words(cmd), ..RunConfig::default() };
        ImageConfig { layer: "l".to_owned(), config, ..ImageConfig::default() }
    }

    fn command(spec: &str, args: &str, entrypoint: &str, cmd: &str) -> Vec<String> {
        let spec = ContainerSpec::new("c", "i").with_command(words(spec)).with_args(words(args));
        TaskPlan::of(&spec, &image(entrypoint, cmd)).unwrap().command
    }

    #[test]
    fn the_command_follows_kubernetes_table() {
        assert_eq!(command("", "", "entry e", "cmd"), ["entry", "e", "cmd"]);
        assert_eq!(command("", "", "entry", ""), ["entry"]);
        assert_eq!(command("", "args", "entry", "cmd"), ["entry", "args"]);
        assert_eq!(command("own", "", "entry", "cmd"), ["own"]);
        assert_eq!(command("own", "args", "entry", "cmd"), ["own", "args"]);
    }

    #[test]
    fn an_image_without_a_program_is_an_error() {
        let error = TaskPlan::of(&ContainerSpec::new("c", "i"), &image("", "")).err().unwrap();
        assert_eq!((error.kind(), error.field()), (ErrorKind::InvalidArgument, Some("command")));
    }

    #[test]
    fn the_environment_has_each_name_once_and_the_specs_value() {
        let mut image = image("", "sh");
        image.config.env = words("TERM=dumb A=image B=image");
        let mut spec = ContainerSpec::new("c", "i").with_env("A", "spec");
        spec.tty = true;
        let env = TaskPlan::of(&spec, &image).unwrap().env;
        let path = format!("PATH={}", env::DEFAULT_PATH);
        assert_eq!(env, ["TERM=dumb", "A=spec", "B=image", &path]);
    }

    #[test]
    fn what_the_spec_does_not_say_is_the_images() {
        let mut image = image("", "sh");
        (image.config.working_dir, image.config.stop_signal) = ("/srv".to_owned(), "SIGINT".to_owned());
        image.config.user = "www:www".to_owned();
        let mut spec = ContainerSpec::new("c", "i");
        let plan = TaskPlan::of(&spec, &image).unwrap();
        assert_eq!(plan.working_dir.as_deref(), Some("/srv"));
        assert_eq!((plan.user.as_deref(), plan.stop_signal.as_deref()), (Some("www:www"), Some("INT")));
        spec.security.run_as_group = Some(7);
        assert_eq!(TaskPlan::of(&spec, &image).unwrap().user.as_deref(), Some("www:7"));
        spec.security.run_as_user = Some(5);
        spec.working_dir = Some("/own".to_owned());
        spec.stop_signal = Some("usr1".to_owned());
        let plan = TaskPlan::of(&spec, &image).unwrap();
        assert_eq!((plan.user.as_deref(), plan.working_dir.as_deref()), (Some("5:7"), Some("/own")));
        assert_eq!(plan.stop_signal.as_deref(), Some("USR1"));
    }

    #[test]
    fn a_command_without_a_program_is_refused_before_it_is_sent() {
        let mut exec = ExecSpec::new(["", "x"]);
        exec.env = vec![EnvVar::new("A", "b")];
        let container = serde_json::from_str(r#"{"name":"c","image":"i","imageId":"","layer":"l"}"#).unwrap();
        let plan = TaskPlan::of_exec(&exec, &container);
        assert_eq!((plan.env.as_slice(), plan.layer.as_str()), (&["A=b".to_owned()][..], "l"));
        let error = plan.join(Handle("h".to_owned()), None).err().unwrap();
        assert_eq!(error.field(), Some("command"));
    }
}
