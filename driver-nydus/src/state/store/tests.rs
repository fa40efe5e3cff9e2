//! Work directories, alone and with many at once.

use jiff::Timestamp;
use runtime_core::{ExitCause, ExitStatus, spec::PodSpec};

use super::*;
use crate::{
    Mode, NydusPodOptions,
    process::{check::Places, identity::Identity},
};

fn store() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(&directory.path().join("a/b")).unwrap();
    (directory, store)
}

fn record(store: &Store, name: &str, options: &NydusPodOptions) -> Record {
    let id = new_id().unwrap();
    Record {
        places: Places::new(options, Mode::Virtiofs, &store.pod(&id)),
        id,
        spec: PodSpec::new(name),
        created_at: Timestamp::now(),
        creator: Identity::own().unwrap(),
    }
}

fn create(store: &Store, record: &Record) -> Result<(), PodId> {
    store.create(record).unwrap().map_err(|(_, holder)| holder)
}

#[test]
fn a_pod_from_its_beginning_to_its_end() {
    let (_directory, store) = store();
    let first = record(&store, "a", &NydusPodOptions::default());
    create(&store, &first).unwrap();
    let started = Started { process: Identity::own().unwrap(), ready_at: None };
    store.set_started(&first.id, &started).unwrap();
    store.set_stopping(&first.id, &Stopping { asked_at: Timestamp::now() }).unwrap();
    let ended = Ended { status: ExitStatus::new(ExitCause::Signaled(9)), last_words: "x".into() };
    store.set_ended(&first.id, &ended).unwrap();
    let found = store.find(&first.id).unwrap().unwrap();
    assert_eq!(
        (&found.record, found.started.as_ref(), found.ended.as_ref()),
        (&first, Some(&started), Some(&ended))
    );
    assert_eq!(store.all().unwrap(), [found]);

    store.set_ended_unless_known(&first.id, &Ended::unknown(String::new())).unwrap();
    assert_eq!(store.ended(&first.id).unwrap(), Some(ended.clone()));

    let second = record(&store, "a", &NydusPodOptions::default());
    assert_eq!(create(&store, &second).unwrap_err(), first.id);
    assert_eq!(store.all().unwrap().len(), 1, "nothing is left of it");
    store.remove(&first).unwrap();
    store.remove(&first).unwrap();
    assert_eq!(store.find(&first.id).unwrap(), None);
    fs::create_dir_all(store.hidden(GONE, &first.id).join("share")).unwrap();
    store.discard(&first.id).unwrap();
    store.discard(&first.id).unwrap();
    store.set_ended(&first.id, &ended).unwrap();
    create(&store, &second).unwrap();
    store.remove(&first).unwrap();
    assert!(store.has(&Claim::name(&second.spec), &second.id).unwrap(), "the name is another's now");
    assert_eq!(fs::read_dir(store.pods()).unwrap().count(), 1);
}

#[test]
fn a_place_outside_is_one_pods() {
    let (directory, store) = store();
    let options =
        NydusPodOptions { api_socket: Some(directory.path().join("s")), ..NydusPodOptions::default() };
    let first = record(&store, "a", &options);
    create(&store, &first).unwrap();
    let second = record(&store, "b", &options);
    assert_eq!(create(&store, &second).unwrap_err(), first.id);
    store.release(&Claim::place(&directory.path().join("s")), &first.id).unwrap();
    create(&store, &second).unwrap();
}

#[test]
fn a_place_of_a_pod_that_is_being_made_is_not_given_away() {
    let (directory, store) = store();
    let options =
        NydusPodOptions { api_socket: Some(directory.path().join("s")), ..NydusPodOptions::default() };
    let pod = record(&store, "a", &options);
    create(&store, &pod).unwrap();
    let (made, new) = (store.pod(&pod.id), store.hidden(NEW, &pod.id));
    fs::rename(&made, &new).unwrap();
    assert_eq!(store.find(&pod.id).unwrap(), None);
    let place = Claim::place(&directory.path().join("s"));
    assert!(!store.release_if_gone(&place, &pod.id).unwrap());
    assert!(store.has(&place, &pod.id).unwrap());
    fs::rename(&new, &made).unwrap();
    assert!(!store.release_if_gone(&place, &pod.id).unwrap());
    fs::remove_dir_all(&made).unwrap();
    assert!(store.release_if_gone(&place, &pod.id).unwrap());
    assert_eq!(store.holder_of(&place).unwrap(), None);
}

#[test]
fn what_is_half_there_is_no_pod() {
    let (_directory, store) = store();
    for name in
        ["0123456789abcdef", "fedcba9876543210", "x", ".new-0123456789abcde0", ".gone-0123456789abcdef"]
    {
        fs::create_dir(store.pods().join(name)).unwrap();
    }
    fs::write(store.pods().join("fedcba9876543210/record.json"), "{\"id\": \"fedc").unwrap();
    fs::write(store.pods().join("aaaaaaaaaaaaaaaa"), "a file").unwrap();
    assert_eq!(store.all().unwrap(), []);
    for id in ["0123456789abcdef", "aaaaaaaaaaaaaaaa", "..", "../pods", "", "0123456789abcdef/"] {
        assert_eq!(store.find(&PodId::new(id)).unwrap(), None, "{id:?}");
    }
    Store::open(&store.root).unwrap();
    assert!(!store.pods().join(".gone-0123456789abcdef").exists());
    assert!(store.pods().join(".new-0123456789abcde0").exists(), "it may get its record yet");
}

#[test]
fn a_name_whose_pod_is_gone_is_nobodys() {
    let (_directory, store) = store();
    let first = record(&store, "a", &NydusPodOptions::default());
    create(&store, &first).unwrap();
    fs::remove_dir_all(store.pod(&first.id)).unwrap();
    create(&store, &record(&store, "a", &NydusPodOptions::default())).unwrap();
}

#[test]
fn of_many_at_once_one_gets_the_name() {
    let (_directory, store) = store();
    for _ in 0..10 {
        let records: Vec<Record> =
            std::iter::repeat_with(|| record(&store, "a", &NydusPodOptions::default())).take(8).collect();
        let won: Vec<&Record> = std::thread::scope(|scope| {
            let store = &store;
            let tries: Vec<_> = records
                .iter()
                .map(|record| scope.spawn(move || create(store, record).is_ok().then_some(record)))
                .collect();
            tries.into_iter().filter_map(|tried| tried.join().unwrap()).collect()
        });
        assert_eq!(won.len(), 1);
        assert_eq!(store.all().unwrap().len(), 1);
        // The next ones find a name that somebody else gives back at the same time.
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| store.remove(won[0]).unwrap());
            }
        });
    }
}

#[test]
fn a_list_survives_pods_that_come_and_go() {
    let (_directory, store) = store();
    std::thread::scope(|scope| {
        for name in ["a", "b"] {
            let store = store.clone();
            scope.spawn(move || {
                for _ in 0..100 {
                    let record = record(&store, name, &NydusPodOptions::default());
                    create(&store, &record).unwrap();
                    store.remove(&record).unwrap();
                }
            });
        }
        for _ in 0..100 {
            assert!(store.all().unwrap().len() <= 2);
        }
    });
}

#[test]
fn work_directories() {
    let (directory, store) = store();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    for bad in [file.clone(), file.join("below")] {
        let error = Store::open(&bad).unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::InvalidArgument, Some("work_dir")), "{error}");
    }
    assert_eq!(Store::open(&store.root).unwrap().root, store.root);
}
