//! Archives from anywhere. The input is either an archive as it is, or entries from which one is made, so that the
//! fuzzer need not find out about checksums.

#![no_main]

use std::fs;
use std::path::Path;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use archive::{EndScanner, Limits, Links, Root, TarError, UnpackOptions, unpack, unpack_with, vet};

#[derive(Debug, Arbitrary)]
enum Archive<'a> {
    Raw(&'a [u8]),
    Entries(Vec<Entry<'a>>, bool),
}

#[derive(Debug, Arbitrary)]
struct Entry<'a> {
    kind: u8,
    name: Vec<Part>,
    link: Vec<Part>,
    data: &'a [u8],
    mode: u16,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Part {
    A,
    B,
    C,
    Up,
    Here,
    Nothing,
    Secret,
    Other(u8),
}

const LIMITS: Limits = Limits { max_bytes: 1 << 16, max_entries: 64 };

fuzz_target!(|archive: Archive<'_>| {
    let bytes = match &archive {
        Archive::Raw(bytes) => bytes.to_vec(),
        Archive::Entries(entries, _) => tar(entries),
    };
    copies_stay_inside(&bytes);
    let outer = tempfile::tempdir().expect("a directory");
    let target = outer.path().join("target");
    let secret = outer.path().join("secret");
    fs::create_dir(&target).expect("a directory");
    fs::write(&secret, "untouched").expect("a file");
    match archive {
        Archive::Raw(bytes) => {
            let _ = unpack(bytes, &target, LIMITS);
        }
        Archive::Entries(entries, true) => {
            // One by one, so that a refusal does not end the attack.
            for entry in &entries {
                let _ = unpack(&*tar(std::slice::from_ref(entry)), &target, LIMITS);
            }
        }
        Archive::Entries(entries, false) => {
            if let Ok(report) = unpack(&*tar(&entries), &target, LIMITS) {
                assert!(report.bytes <= LIMITS.max_bytes && report.entries <= LIMITS.max_entries);
            }
        }
    }
    assert_eq!(fs::read_dir(outer.path()).expect("a directory").count(), 2);
    assert_eq!(fs::read(&secret).expect("a file"), b"untouched");
    let root = fs::canonicalize(&target).expect("a directory");
    no_link_leads_out(&root, &root);
});

/// Links may say what they like here, and still nothing is written through them.
fn copies_stay_inside(bytes: &[u8]) {
    let outer = tempfile::tempdir().expect("a directory");
    let (target, secret) = (outer.path().join("target"), outer.path().join("secret"));
    fs::create_dir(&target).expect("a directory");
    fs::write(&secret, "untouched").expect("a file");
    let copying = |root| UnpackOptions { limits: LIMITS, ..UnpackOptions::faithful(root) };
    for root in [Root::Any, Root::Named("c".into()), Root::Target] {
        let _ = unpack_with(bytes, &target, &copying(root));
    }
    assert_eq!(fs::read_dir(outer.path()).expect("a directory").count(), 2);
    assert_eq!(fs::read(&secret).expect("a file"), b"untouched");
    match vet(bytes, Vec::new()) {
        Ok(vetted) => {
            let mut scanner = EndScanner::default();
            vetted.chunks(100).for_each(|piece| scanner.push(piece).expect("what is vetted is well-formed"));
            assert!(scanner.at_end());
            let fresh = outer.path().join("fresh");
            fs::create_dir(&fresh).expect("a directory");
            // Names that are too long for the disk, and things that are in each other's way, are left to be found.
            if let Err(error) = unpack_with(&*vetted, &fresh, &copying(Root::Any)) {
                assert!(!matches!(error, TarError::Escapes { .. } | TarError::Truncated), "{error}");
            }
        }
        Err(_) => drop(EndScanner::default().push(bytes)),
    }
}

fn no_link_leads_out(root: &Path, dir: &Path) {
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        let kind = fs::symlink_metadata(&path).expect("metadata").file_type();
        if kind.is_dir() {
            no_link_leads_out(root, &path);
        } else if let Ok(real) = fs::canonicalize(&path) {
            assert!(real.starts_with(root), "{} leads to {}", path.display(), real.display());
        }
    }
}

/// An archive with right checksums and nothing else right.
fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut archive = Vec::new();
    for entry in entries {
        let data = &entry.data[..entry.data.len().min(2048)];
        let mut header = [0; 512];
        put(&mut header[..100], &path(&entry.name));
        put(&mut header[100..108], format!("{:07o}", entry.mode).as_bytes());
        put(&mut header[124..136], format!("{:011o}", data.len()).as_bytes());
        header[148..156].fill(b' ');
        header[156] =
            if entry.kind < 128 { b"0012257LKxg"[usize::from(entry.kind) % 11] } else { entry.kind };
        put(&mut header[157..257], &path(&entry.link));
        put(&mut header[257..265], b"ustar\x0000");
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        put(&mut header[148..156], format!("{sum:06o}\0").as_bytes());
        archive.extend_from_slice(&header);
        archive.extend_from_slice(data);
        archive.resize(archive.len().next_multiple_of(512), 0);
    }
    archive.resize(archive.len() + 1024, 0);
    archive
}

fn path(parts: &[Part]) -> Vec<u8> {
    let parts = parts.iter().map(|part| match part {
        Part::A => vec![b'a'],
        Part::B => vec![b'b'],
        Part::C => vec![b'c'],
        Part::Up => b"..".to_vec(),
        Part::Here => vec![b'.'],
        Part::Nothing => Vec::new(),
        Part::Secret => b"secret".to_vec(),
        Part::Other(byte) => vec![*byte],
    });
    parts.collect::<Vec<_>>().join(&b'/')
}

fn put(field: &mut [u8], text: &[u8]) {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text[..length]);
}
