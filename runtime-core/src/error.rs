//! The one error type of every call, under every feature set.

use std::{fmt, sync::Arc};

use crate::{leftover::Leftover, object::Object, operation::Operation};

/// The result of every call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as data: a kind to match on, who was asked to do what to which object, whether trying again can
/// help, and the system's own words.
///
/// `Display` is one line a person can act on; `{:#}` adds the chain of sources; `Debug` is a report. None of them
/// shows a secret, because nothing that is secret is ever put in. A clone shares the source, so that everybody who waited
/// for the same thing can be told.
#[derive(Clone)]
pub struct Error(Box<Repr>);

#[derive(Clone)]
struct Repr {
    kind: ErrorKind,
    message: String,
    transient: bool,
    operation: Option<Operation>,
    driver: Option<&'static str>,
    object: Option<Object>,
    field: Option<String>,
    reason: Option<String>,
    existing_id: Option<String>,
    context: Vec<(&'static str, String)>,
    leftovers: Vec<Leftover>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

/// The kinds of error. Few, and the same for every driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The object does not exist (any more). An id names one life: a newcomer of the same name is not it.
    NotFound,
    /// The object exists already; [`Error::existing_id`] names it where the system says so.
    AlreadyExists,
    /// The input is wrong; [`Error::field`] names where. Nothing was done.
    InvalidArgument,
    /// The object is in a state in which this can't be done, such as an exec in a container that has ended.
    InvalidState,
    /// This driver can't do this or honour this field. Nothing was done.
    Unsupported,
    /// The system knows who is asking and refuses.
    PermissionDenied,
    /// The system does not know who is asking: credentials are missing or wrong.
    Unauthenticated,
    /// A limit was reached: quota, disk, message size, output cap.
    ResourceExhausted,
    /// The deadline of the call passed.
    DeadlineExceeded,
    /// The caller cancelled the call.
    Cancelled,
    /// The system can't be reached, or says that it can't answer now.
    Unavailable,
    /// The system tried, and what was asked can't work: no such command, bad image, crash before start.
    Failed,
    /// The system answered something that its protocol does not allow.
    Protocol,
    /// Anything else the system reported.
    Unexpected,
}

impl Error {
    /// An error of `kind`. The message is lower-case, without a full stop, and holds no secret.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Repr {
            kind,
            message: message.into(),
            transient: false,
            operation: None,
            driver: None,
            object: None,
            field: None,
            reason: None,
            existing_id: None,
            context: Vec::new(),
            leftovers: Vec::new(),
            source: None,
        }))
    }

    /// The input's `field` (a path such as `containers[0].name`) is wrong.
    #[must_use]
    pub fn invalid(field: impl Into<String>, message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::InvalidArgument, message.to_string()).with_field(field)
    }

    /// The driver can't do `what` (a call, or a field of the spec).
    #[must_use]
    pub fn unsupported(what: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Unsupported, format!("{what} is not supported"))
    }

    /// The object does not exist.
    #[must_use]
    pub fn not_found(object: Object) -> Self {
        Self::new(ErrorKind::NotFound, "does not exist").with_object(object)
    }

    /// Something of the same name exists, with the id `existing`.
    #[must_use]
    pub fn already_exists(object: Object, existing: impl Into<String>) -> Self {
        let existing = existing.into();
        let mut error = Self::new(ErrorKind::AlreadyExists, format!("exists already with id {existing}"))
            .with_object(object);
        error.0.existing_id = Some(existing);
        error
    }

    /// Marks the fault as one that may go away by itself.
    #[must_use]
    pub fn transient(mut self) -> Self {
        self.0.transient = true;
        self
    }

    /// Sets whether the fault may go away by itself.
    #[must_use]
    pub fn with_transient(mut self, transient: bool) -> Self {
        self.0.transient = transient;
        self
    }

    /// Names the operation, unless one is named already: the innermost caller knows best.
    #[must_use]
    pub fn with_operation(mut self, operation: Operation) -> Self {
        self.0.operation.get_or_insert(operation);
        self
    }

    /// Names the driver, unless one is named already.
    #[must_use]
    pub fn with_driver(mut self, driver: &'static str) -> Self {
        self.0.driver.get_or_insert(driver);
        self
    }

    /// Names the object, unless one is named already.
    #[must_use]
    pub fn with_object(mut self, object: Object) -> Self {
        self.0.object.get_or_insert(object);
        self
    }

    /// Names operation, driver and object at once, each unless it is named already.
    #[must_use]
    pub fn in_call(self, operation: Operation, driver: &'static str, object: Option<Object>) -> Self {
        let error = self.with_operation(operation).with_driver(driver);
        match object {
            Some(object) => error.with_object(object),
            None => error,
        }
    }

    /// Puts `prefix` before the field's path, for a field inside a list or a nested spec.
    #[must_use]
    pub fn in_field(mut self, prefix: &str) -> Self {
        if let Some(field) = self.0.field.take() {
            let message =
                self.0.message.strip_prefix(&format!("{field}: ")).unwrap_or(&self.0.message).to_owned();
            let field = format!("{prefix}.{field}");
            self.0.message = format!("{field}: {message}");
            self.0.field = Some(field);
        }
        self
    }

    /// Names the field of the input that it is about (a path such as `containers[0].name`), in front of the message as well.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        let field = field.into();
        self.0.message = format!("{field}: {}", self.0.message);
        self.0.field = Some(field);
        self
    }

    /// Adds the system's own reason, such as `ErrImagePull`.
    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.0.reason = Some(reason.into());
        self
    }

    /// Adds a fact worth knowing. Never a secret.
    #[must_use]
    pub fn with_context(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.0.context.push((key, value.into()));
        self
    }

    /// Adds what was left behind because it could not be undone.
    #[must_use]
    pub fn with_leftovers(mut self, leftovers: impl IntoIterator<Item = Leftover>) -> Self {
        self.0.leftovers.extend(leftovers);
        self
    }

    /// Keeps the underlying error. Its text is not repeated in the message.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// What kind of error this is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the fault may go away by itself. It says nothing about whether the call is safe to repeat: see
    /// [`Operation::is_idempotent`].
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.0.transient
    }

    /// The operation that failed.
    #[must_use]
    pub fn operation(&self) -> Option<Operation> {
        self.0.operation
    }

    /// The driver that reported it.
    #[must_use]
    pub fn driver(&self) -> Option<&'static str> {
        self.0.driver
    }

    /// The object it is about.
    #[must_use]
    pub fn object(&self) -> Option<&Object> {
        self.0.object.as_ref()
    }

    /// What is wrong, without operation, driver and object.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The field of the input that is wrong, for [`ErrorKind::InvalidArgument`].
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// The system's own reason.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// The id of what exists already, for [`ErrorKind::AlreadyExists`].
    #[must_use]
    pub fn existing_id(&self) -> Option<&str> {
        self.0.existing_id.as_deref()
    }

    /// Facts added on the way up.
    #[must_use]
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.0.context
    }

    /// What was left behind. [`Driver::reap`](crate::Driver::reap) finishes it later.
    #[must_use]
    pub fn leftovers(&self) -> &[Leftover] {
        &self.0.leftovers
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let repr = &self.0;
        match (repr.operation, repr.driver) {
            (Some(operation), Some(driver)) => write!(f, "{operation} on {driver}: ")?,
            (Some(operation), None) => write!(f, "{operation}: ")?,
            (None, Some(driver)) => write!(f, "{driver}: ")?,
            (None, None) => {}
        }
        if let Some(object) = &repr.object {
            write!(f, "{object}: ")?;
        }
        f.write_str(&one_line(&repr.message))?;
        if let Some(reason) = &repr.reason {
            write!(f, " ({})", one_line(reason))?;
        }
        for (key, value) in &repr.context {
            write!(f, ", {key}={}", one_line(value))?;
        }
        if !repr.leftovers.is_empty() {
            f.write_str("; left behind: ")?;
            for (index, leftover) in repr.leftovers.iter().enumerate() {
                let comma = if index == 0 { "" } else { ", " };
                write!(f, "{comma}{leftover}")?;
            }
        }
        if f.alternate() {
            let mut source = std::error::Error::source(self);
            while let Some(error) = source {
                write!(f, ": {}", one_line(&error.to_string()))?;
                source = error.source();
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transient = if self.0.transient { " (transient)" } else { "" };
        write!(f, "{:?}{transient}: {self:#}", self.0.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

/// Systems put line breaks into their messages; one error stays one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_one_line_with_everything_a_person_needs() {
        let error = Error::new(ErrorKind::Failed, "can't start:\n  no such file")
            .with_operation(Operation::ContainerStart)
            .with_driver("cri")
            .with_object(Object::container("c1"))
            .with_reason("StartError")
            .with_context("code", "Unknown")
            .with_leftovers([Leftover::pod("p1")])
            .with_source(std::io::Error::other("root cause"));
        assert_eq!(
            error.to_string(),
            "container.start on cri: container c1: can't start: no such file (StartError), code=Unknown; \
             left behind: pod p1"
        );
        assert!(format!("{error:#}").ends_with(": root cause"));
        assert!(format!("{error:?}").starts_with("Failed: "));
    }

    #[test]
    fn the_innermost_context_wins() {
        let error = Error::new(ErrorKind::NotFound, "gone")
            .with_object(Object::container("inner"))
            .with_object(Object::pod("outer"));
        assert_eq!(error.object(), Some(&Object::container("inner")));
    }

    #[test]
    fn a_nested_field_gets_its_whole_path() {
        let error = Error::invalid("name", "must not be empty").in_field("containers[2]");
        assert_eq!(error.field(), Some("containers[2].name"));
        assert_eq!(error.message(), "containers[2].name: must not be empty");
    }
}
