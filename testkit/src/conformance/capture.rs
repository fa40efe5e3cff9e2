//! Everything that is traced during a run, for the cases that look for secrets in it.

use std::{
    fmt::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

/// The most that is kept; the oldest part is dropped beyond it.
const MAX_BYTES: usize = 64 << 20;

/// A tracing subscriber that keeps all fields of all events and spans as text.
#[derive(Debug, Clone, Default)]
pub(super) struct Capture(Arc<Mutex<String>>);

impl Capture {
    /// A capture that sees everything this process traces from now on.
    pub(super) fn install() -> Self {
        let capture = Self::default();
        // Somebody else's subscriber would leave the cases blind, which they check for.
        let _ = tracing::subscriber::set_global_default(capture.clone());
        tracing::info!("capture installed");
        capture
    }

    /// What was traced so far.
    pub(super) fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, target: &str, write: impl FnOnce(&mut dyn Visit)) {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if text.len() > MAX_BYTES {
            text.clear();
        }
        text.push_str(target);
        write(&mut Writer(&mut text));
        text.push('\n');
    }
}

struct Writer<'a>(&'a mut String);

impl Visit for Writer<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

impl Subscriber for Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // The frames of the transport hold the very bytes on the wire; nobody logs those by accident.
        !["h2", "hyper", "tower", "tonic"].iter().any(|krate| metadata.target().starts_with(krate))
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        self.add(span.metadata().name(), |visit| span.record(visit));
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        self.add("record", |visit| values.record(visit));
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        self.add(event.metadata().target(), |visit| event.record(visit));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
