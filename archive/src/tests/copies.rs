//! What is packed, and copies that are as it was.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use super::{Hostile, Nest, names, tree};
use crate::*;

#[test]
fn what_is_packed_unpacks_the_same() {
    let nest = Nest::new();
    let source = nest.target();
    let long = format!("{}/{}", "d".repeat(150), "f".repeat(150));
    fs::create_dir(source.join("d".repeat(150))).unwrap();
    for (name, mode) in [("a", 0o600), ("run", 0o755), (long.as_str(), 0o444)] {
        fs::write(source.join(name), name).unwrap();
        fs::set_permissions(source.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::create_dir(source.join("empty")).unwrap();
    symlink("run", source.join("link")).unwrap();
    symlink(&long, source.join("long")).unwrap();
    fs::set_permissions(source.join("empty"), fs::Permissions::from_mode(0o500)).unwrap();
    let archive = pack(&source, Limits::NONE, Vec::new()).unwrap();
    let copy = Nest::new();
    copy.unpack(&archive).unwrap();
    assert_eq!(tree(&copy.target()), tree(&source));
    assert_eq!(pack(&source, Limits::NONE, Vec::new()).unwrap(), archive);
    // Other readers understand it, too.
    let plain = tempfile::tempdir().unwrap();
    tar::Archive::new(&*archive).unpack(plain.path()).unwrap();
    assert_eq!(tree(plain.path()), tree(&source));
}

#[test]
fn sockets_are_not_packed() {
    let nest = Nest::new();
    let _socket = std::os::unix::net::UnixListener::bind(nest.target().join("socket")).unwrap();
    assert!(matches!(pack(&nest.target(), Limits::NONE, Vec::new()), Err(TarError::UnsupportedKind { .. })));
}

#[test]
fn a_copy_is_as_it_was() {
    let nest = Nest::new();
    let from = nest.target().join("from");
    let long = "n".repeat(200);
    let deep = from.join(&long).join(&long);
    fs::create_dir_all(&deep).unwrap();
    fs::create_dir(from.join("empty")).unwrap();
    fs::write(deep.join("-file\nwith \"quotes\""), "x").unwrap();
    fs::write(from.join(std::ffi::OsStr::from_bytes(b"\xff\xfe")), "").unwrap();
    fs::write(from.join("set"), "id").unwrap();
    fs::set_permissions(from.join("set"), fs::Permissions::from_mode(0o4750)).unwrap();
    fs::set_permissions(from.join("empty"), fs::Permissions::from_mode(0o500)).unwrap();
    for (name, to) in
        [("absolute", "/etc/passwd"), ("dangling", "../../nothing"), ("long", &*"t/".repeat(150))]
    {
        symlink(to, from.join(name)).unwrap();
    }
    let time = |path: &Path| fs::symlink_metadata(path).unwrap().mtime();
    for (number, name) in ["set", "empty", "dangling", "."].into_iter().enumerate() {
        place::set_time(&from.join(name), 1_000_000 + number as u64).unwrap();
    }
    let archive = pack_root(&from, "from".as_ref(), Limits::NONE, Vec::new()).unwrap();
    let vetted = vet(&*archive, Vec::new()).unwrap();
    for (number, (archive, root)) in
        [(&archive, Root::Any), (&vetted, Root::Named("from".into())), (&archive, Root::Target)]
            .into_iter()
            .enumerate()
    {
        let target = nest.target().join(format!("to{number}"));
        fs::create_dir(&target).unwrap();
        let into_target = root == Root::Target;
        unpack_with(&**archive, &target, &UnpackOptions::faithful(root)).unwrap();
        let to = if into_target { target } else { target.join("from") };
        for name in ["set", "empty", "dangling"] {
            assert_eq!(time(&to.join(name)), time(&from.join(name)), "{name}");
        }
        assert!(into_target || time(&to) == 1_000_003);
        let (to, from) = (tree(&to), tree(&from));
        assert_eq!(to, from);
    }
}

#[test]
fn one_root_is_one_root_and_gets_its_name() {
    let archive = Hostile::default().dir("a").file("a/b", "x").hard_link("a/c", "a/b").end();
    let nest = Nest::new();
    let unpack = |archive: &[u8], root| unpack_with(archive, &nest.target(), &UnpackOptions::faithful(root));
    unpack(&archive, Root::Named("new".into())).unwrap();
    assert_eq!(names(&nest.target()), ["new", "new/b", "new/c"]);
    let second = Hostile::default().file("a/b", "x").file("b", "x").end();
    let error = unpack(&second, Root::Named("new".into())).unwrap_err();
    assert!(matches!(error, TarError::AnotherRoot { .. }), "{error}");
    let elsewhere = Hostile::default().file("a", "x").hard_link("a", "b").end();
    let error = unpack(&elsewhere, Root::Target).unwrap_err();
    assert!(matches!(error, TarError::InTheWay { .. }), "{error}");
    let nothing = unpack(&Hostile::default().dir("./").end(), Root::Target).unwrap_err();
    assert!(matches!(nothing, TarError::Malformed { .. }), "{nothing}");
}

#[test]
fn packing_has_limits_too() {
    let nest = Nest::new();
    fs::write(nest.target().join("a"), "1234").unwrap();
    let pack = |max_bytes, max_entries| {
        let limits = Limits { max_bytes, max_entries };
        pack_root(&nest.target(), "x".as_ref(), limits, io::sink()).map(drop)
    };
    pack(4, 2).unwrap();
    assert!(matches!(pack(3, 2), Err(TarError::TooManyBytes { limit: 3 })));
    assert!(matches!(pack(4, 1), Err(TarError::TooManyEntries { limit: 1 })));
}
