//! What unpacks, what is refused, and that nothing ever gets out.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tar::{EntryType, Header};
use tempfile::TempDir;

use super::*;

mod copies;

/// An archive of raw headers, as a hostile hand would make it: the builder's own checks are passed by.
#[derive(Default)]
struct Hostile(Vec<u8>);

impl Hostile {
    fn raw(mut self, kind: u8, name: &str, link: &str, data: &[u8], size: u64) -> Self {
        let mut header = Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(EntryType::new(kind));
        header.set_mode(0o640);
        header.set_size(size);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, name: &str, data: &str) -> Self {
        self.raw(b'0', name, "", data.as_bytes(), data.len() as u64)
    }

    fn dir(self, name: &str) -> Self {
        self.raw(b'5', name, "", b"", 0)
    }

    fn symlink(self, name: &str, target: &str) -> Self {
        self.raw(b'2', name, target, b"", 0)
    }

    fn hard_link(self, name: &str, target: &str) -> Self {
        self.raw(b'1', name, target, b"", 0)
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }
}

/// A directory in a directory, to see what gets out of the inner one.
struct Nest(TempDir);

impl Nest {
    fn new() -> Self {
        let nest = Self(tempfile::tempdir().unwrap());
        fs::create_dir(nest.0.path().join("target")).unwrap();
        fs::write(nest.0.path().join("secret"), "untouched").unwrap();
        nest
    }

    fn target(&self) -> std::path::PathBuf {
        self.0.path().join("target")
    }

    fn unpack(&self, archive: &[u8]) -> Result<Report, TarError> {
        let limits = Limits { max_bytes: 1 << 20, max_entries: 100 };
        let outcome = unpack(archive, &self.target(), limits);
        self.assert_nothing_got_out();
        outcome
    }

    fn assert_nothing_got_out(&self) {
        let outside: Vec<_> =
            fs::read_dir(self.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(outside.len(), 2, "{outside:?}");
        assert_eq!(fs::read_to_string(self.0.path().join("secret")).unwrap(), "untouched");
        let root = fs::canonicalize(self.target()).unwrap();
        for path in tree(&self.target()).into_keys() {
            // What can be resolved resolves to a place inside.
            if let Ok(real) = fs::canonicalize(self.target().join(&path)) {
                assert!(real.starts_with(&root), "{} leads to {}", path.display(), real.display());
            }
        }
    }
}

/// Names below a directory with mode and content.
fn tree(dir: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(next) = todo.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let content = if metadata.is_dir() {
                todo.push(path.clone());
                b"a directory".to_vec()
            } else if metadata.is_symlink() {
                fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            } else {
                fs::read(&path).unwrap()
            };
            let mode = metadata.permissions().mode() & 0o7777;
            found.insert(path.strip_prefix(dir).unwrap().to_owned(), (mode, content));
        }
    }
    found
}

fn names(dir: &Path) -> Vec<String> {
    tree(dir).into_keys().map(|path| path.into_os_string().into_string().unwrap()).collect()
}

#[test]
fn what_unpacks() {
    let archive = Hostile::default()
        .dir("./")
        .dir("a/")
        .file("a/./b", "hello")
        .file("made/for/it", "x")
        .symlink("a/up", "../made/for")
        .symlink("dangling", "a/nothing")
        .hard_link("a/same", "a/b")
        .file("a/b", "replaced")
        .raw(b'g', "pax_global_header", "", b"16 comment=1234\n", 16)
        .end();
    let nest = Nest::new();
    let report = nest.unpack(&archive).unwrap();
    assert_eq!(report, Report { entries: 11, bytes: 14 });
    let tree = tree(&nest.target());
    assert_eq!(tree[Path::new("a")], (0o640, b"a directory".to_vec()));
    assert_eq!(tree[Path::new("a/b")], (0o640, b"replaced".to_vec()));
    assert_eq!(tree[Path::new("a/same")].1, b"hello");
    assert_eq!(tree[Path::new("made/for/it")].1, b"x");
    assert_eq!(tree[Path::new("a/up")].1, b"../made/for");
    assert_eq!(tree[Path::new("dangling")].1, b"a/nothing");
}

#[test]
fn what_is_refused() {
    let new = Hostile::default;
    let pax = |record: &str| {
        let record = format!("{} {record}\n", record.len() + 4);
        new().raw(b'x', "x", "", record.as_bytes(), record.len() as u64)
    };
    let long = "n".repeat(70_000);
    for (archive, message) in [
        (new().file("../x", "x"), "the archive entry ../x would leave the target directory"),
        (new().file("a/../../x", "x"), "the archive entry a/../../x would leave the target directory"),
        (new().file("/x", "x"), "the archive entry /x would leave the target directory"),
        (new().dir(".."), "the archive entry .. would leave the target directory"),
        (
            new().symlink("l", "/etc"),
            "the archive entry l links to /etc, which may leave the target directory",
        ),
        (new().symlink("l", ".."), "the archive entry l links to .., which may leave the target directory"),
        (
            new().symlink("a/l", "../../x"),
            "the archive entry a/l links to ../../x, which may leave the target directory",
        ),
        // Stays inside as long as c is no link up, which it might become.
        (
            new().symlink("a/b/d", "c/../../x"),
            "the archive entry a/b/d links to c/../../x, which may leave the target directory",
        ),
        (new().symlink("l", ""), "the archive is malformed: a symbolic link to nothing"),
        (new().symlink("l", ".").file("l/x", "x"), "the archive entry l/x goes through the symbolic link l"),
        (new().symlink("l", ".").dir("l"), "the archive entry l goes through the symbolic link l"),
        (
            new().hard_link("h", "../secret"),
            "the archive entry h links to ../secret, which may leave the target directory",
        ),
        (
            new().hard_link("h", "/etc/passwd"),
            "the archive entry h links to /etc/passwd, which may leave the target directory",
        ),
        (
            new().hard_link("h", "missing"),
            "the archive entry h is a hard link to missing, which is no file there",
        ),
        (
            new().dir("d").hard_link("h", "d"),
            "the archive entry h is a hard link to d, which is no file there",
        ),
        (
            new().symlink("l", "x").hard_link("h", "l"),
            "the archive entry h is a hard link to l, which is no file there",
        ),
        (new().file("f", "").file("f/x", ""), "the archive entry f/x meets something else of this name"),
        (new().dir("d").file("d", ""), "the archive entry d meets something else of this name"),
        (new().file("f", "").dir("f"), "the archive entry f meets something else of this name"),
        (new().file(".", ""), "the archive entry  meets something else of this name"),
        (new().raw(b'3', "dev", "", b"", 0), "dev is neither a file, a directory nor a link"),
        (new().raw(b'4', "dev", "", b"", 0), "dev is neither a file, a directory nor a link"),
        (new().raw(b'6', "fifo", "", b"", 0), "fifo is neither a file, a directory nor a link"),
        (new().raw(b'S', "sparse", "", b"", 0), "sparse is neither a file, a directory nor a link"),
        (new().raw(b'?', "what", "", b"", 0), "what is neither a file, a directory nor a link"),
        (new().raw(b'0', "bomb", "", b"", 1 << 40), "the archive holds more than 1048576 bytes"),
        (pax("path=../x").file("a", ""), "the archive entry ../x would leave the target directory"),
        (
            pax("linkpath=/x").symlink("a", "b"),
            "the archive entry a links to /x, which may leave the target directory",
        ),
        (
            pax("size=9").file("a", ""),
            "the archive is malformed: header and extension disagree about the size of an entry",
        ),
        (pax("GNU.sparse.major=1").file("a", ""), "the archive is malformed: sparse files are not supported"),
        (pax("path=a"), "the archive is cut short"),
        (
            new().raw(b'L', "", "", b"../x\0", 5).file("a", ""),
            "the archive entry ../x would leave the target directory",
        ),
        (
            new().raw(b'L', "", "", b"x\0y\0", 4).file("a", ""),
            "the archive entry x\0y would leave the target directory",
        ),
        (
            new().raw(b'L', "", "", long.as_bytes(), 70_000).file("a", ""),
            "the archive is malformed: an extension is longer than any name",
        ),
        (
            new().raw(b'L', "", "", b"a", 1).raw(b'L', "", "", b"b", 1).file("a", ""),
            "the archive is malformed: two extensions give one entry a name or size",
        ),
    ] {
        assert_eq!(Nest::new().unpack(&archive.end()).unwrap_err().to_string(), message);
    }
}

#[test]
fn links_that_were_there_before_are_not_followed() {
    let nest = Nest::new();
    symlink("..", nest.target().join("out")).unwrap();
    let refused = |archive: Hostile| {
        let outcome = unpack(&*archive.end(), &nest.target(), Limits::default());
        assert_eq!(fs::read_to_string(nest.0.path().join("secret")).unwrap(), "untouched");
        outcome.unwrap_err()
    };
    assert!(matches!(refused(Hostile::default().file("out/secret", "x")), TarError::ThroughLink { .. }));
    assert!(matches!(refused(Hostile::default().symlink("l", "out/secret")), TarError::LinkEscapes { .. }));
    assert!(matches!(refused(Hostile::default().hard_link("h", "out/secret")), TarError::BadHardLink { .. }));
    symlink("../secret", nest.target().join("file")).unwrap();
    fs::remove_file(nest.target().join("out")).unwrap();
    // The link gives way to a file, and what it points to stays.
    nest.unpack(&Hostile::default().file("file", "new").end()).unwrap();
    assert_eq!(tree(&nest.target())[Path::new("file")].1, b"new");
}

#[test]
fn a_cut_archive_is_an_error_wherever_it_is_cut() {
    let archive =
        Hostile::default().file("a", &"x".repeat(700)).raw(b'L', "", "", b"b", 1).file("c", "y").end();
    let data_end = archive.len() - 1024;
    for length in (0..=data_end).step_by(31).chain([512, 513, 1211, 1212, 1536, data_end]) {
        let outcome = Nest::new().unpack(&archive[..length]);
        assert!(matches!(outcome, Err(TarError::Truncated)), "cut at {length}: {outcome:?}");
    }
    assert!(Nest::new().unpack(&archive).is_ok());
}

#[test]
fn limits_hold() {
    let with = |max_bytes, max_entries, archive: Hostile| {
        unpack(&*archive.end(), &Nest::new().target(), Limits { max_bytes, max_entries })
    };
    let two = || Hostile::default().file("a", "xxx").file("b", "yyy");
    assert!(with(6, 2, two()).is_ok());
    assert!(matches!(with(5, 2, two()), Err(TarError::TooManyBytes { limit: 5 })));
    assert!(matches!(with(6, 1, two()), Err(TarError::TooManyEntries { limit: 1 })));
    let deep = || Hostile::default().file("a/b/c/d", "");
    assert!(with(0, 4, deep()).is_ok());
    assert!(matches!(with(0, 3, deep()), Err(TarError::TooManyEntries { limit: 3 })));
}

#[test]
fn garbage_and_a_missing_target() {
    assert!(matches!(Nest::new().unpack(&[b'x'; 2048]), Err(TarError::Malformed { .. })));
    let nest = Nest::new();
    let missing = unpack(io::empty(), &nest.target().join("no"), Limits::default());
    assert!(matches!(missing, Err(TarError::Io { .. })), "{missing:?}");
    assert!(unpack(io::empty(), &nest.0.path().join("secret"), Limits::default()).is_err());
}

#[test]
fn a_file_is_replaced_whole_or_not_at_all() {
    let nest = Nest::new();
    fs::write(nest.target().join("a"), "old").unwrap();
    let whole = Hostile::default().file("a", &"new ".repeat(1000)).end();
    for cut in [513, 1000, 4000] {
        let error = nest.unpack(&whole[..cut]).unwrap_err();
        assert!(matches!(error, TarError::Truncated), "{error}");
        assert_eq!(names(&nest.target()), ["a"]);
        assert_eq!(fs::read_to_string(nest.target().join("a")).unwrap(), "old");
    }
    nest.unpack(&whole).unwrap();
    let again = Hostile::default().hard_link("b", "a").hard_link("b", "a").hard_link("a", "a").end();
    nest.unpack(&again).unwrap();
    assert_eq!(names(&nest.target()), ["a", "b"]);
    assert_eq!(fs::metadata(nest.target().join("a")).unwrap().len(), 4000);
}

#[test]
fn what_is_vetted_has_no_way_out() {
    let new = Hostile::default;
    for archive in [
        new().file("../x", "x"),
        new().file("/x", "x"),
        new().symlink("l", "/etc").file("l/x", "x"),
        new().symlink("a/l", "..").dir("a/l/b"),
        new().symlink("l", "/etc").hard_link("x", "l/passwd"),
        new().hard_link("x", "../secret"),
        new().raw(b'3', "device", "", b"", 0),
        new().symlink("l", ""),
    ] {
        let error = vet(&*archive.end(), Vec::new()).unwrap_err();
        assert!(!matches!(error, TarError::Io { .. } | TarError::Truncated), "{error}");
    }
    let cut = new().file("a", &"x".repeat(2000)).end();
    for cut in [600, 1500, cut.len() - 1024] {
        let whole = new().file("a", &"x".repeat(2000)).end();
        assert!(matches!(vet(&whole[..cut], Vec::new()), Err(TarError::Truncated)), "{cut}");
    }
}

#[test]
fn the_end_is_seen_in_pieces_of_any_size() {
    let archive = Hostile::default()
        .dir("d")
        .file("d/zeros", &"\0".repeat(2048))
        .raw(b'L', "././@LongLink", "", &[b'n'; 700], 700)
        .file("n", "x")
        // The header of a link may say how large its target is.
        .raw(b'2', "link", "d", b"", 700)
        .raw(b'x', "pax", "", b"13 size=1000\n", 13)
        .raw(b'0', "large", "", &[0; 1000], 0)
        .end();
    for piece in [1, 7, 511, 512, 513, 4096, archive.len()] {
        let mut scanner = EndScanner::default();
        let mut seen = 0;
        for piece in archive.chunks(piece) {
            assert!(!scanner.at_end() || seen >= archive.len() - 512, "{piece:?}");
            scanner.push(piece).unwrap();
            seen += piece.len();
        }
        assert!(scanner.at_end());
    }
    let mut scanner = EndScanner::default();
    scanner.push(&archive[..archive.len() - 1024]).unwrap();
    assert!(!scanner.at_end());
    assert!(EndScanner::default().push(&[b'x'; 512]).is_err());
}

fn any_name() -> impl Strategy<Value = String> {
    prop::collection::vec(prop_oneof![6 => "[ab]", 2 => Just("..".to_owned()), 1 => Just(".".to_owned()), 1 => Just(String::new())], 1..4)
        .prop_map(|parts| parts.join("/"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_gets_out(
        entries in prop::collection::vec((prop::sample::select(b"00112225555L".to_vec()), any_name(), any_name()), 1..12),
    ) {
        let nest = Nest::new();
        // Entry by entry, so that one refusal does not end the attack.
        for (kind, name, link) in &entries {
            let archive = Hostile::default();
            let archive = if *kind == b'L' {
                archive.raw(b'L', "", "", link.as_bytes(), link.len() as u64).file(name, "x")
            } else {
                archive.raw(*kind, name, link, b"", 0)
            };
            let _ = nest.unpack(&archive.end());
        }
    }

    #[test]
    fn noise_never_panics(noise in prop::collection::vec(any::<u8>(), 0..2048)) {
        prop_assert!(Nest::new().unpack(&noise).is_err() || noise.starts_with(&[0; 512]));
    }
}
