//! What an engine holds.

use testkit::{
    conformance::Held,
    engine::{Engine, Ledger},
};

/// What the engine holds beside images.
pub(crate) fn of_engine(engine: &Engine) -> Vec<Held> {
    let Ledger { pods, containers, processes, execs: _, directories, images: _ } = engine.ledger();
    let own = |what: &'static str| {
        move |id: String| Held { what: what.to_owned(), name: id.clone(), owner: Some(id) }
    };
    let directories = directories.into_iter().map(|path| Held {
        what: "directory".to_owned(),
        owner: path.file_name().map(|name| name.to_string_lossy().into_owned()),
        name: path.display().to_string(),
    });
    let processes = processes.into_iter().map(|process| Held {
        what: if process.is_exec { "exec" } else { "process" }.to_owned(),
        name: format!("{} {:?}", process.pid, process.argv),
        owner: Some(process.owner),
    });
    let pods = pods.into_iter().map(own("sandbox"));
    pods.chain(containers.into_iter().map(own("container"))).chain(processes).chain(directories).collect()
}
