//! The committed object is what the committed sources make.

use std::fs;
use std::path::Path;

use ebpf_build::{Dist, Freshness, ebpf_root};

#[test]
fn the_committed_object_is_fresh() {
    let freshness = Dist::of(&ebpf_root())
        .check()
        .expect("sources are readable");
    assert_eq!(freshness, Freshness::Fresh, "{freshness}");
}

#[test]
fn no_machine_is_named_in_the_committed_object() {
    let object = fs::read(Dist::of(&ebpf_root()).object()).expect("it is there");
    let text = String::from_utf8_lossy(&object);
    for place in ["/home/", "/root/", "/tmp/", "/github/", "/builds/"] {
        assert!(!text.contains(place), "the object names {place}");
    }
}

/// A copy of the sources with a dist of its own.
fn copy() -> (tempfile::TempDir, Dist) {
    let folder = tempfile::tempdir().expect("a directory");
    for source in [
        "Cargo.toml",
        "Cargo.lock",
        "common/Cargo.toml",
        "common/src",
        "src",
    ] {
        copy_all(&ebpf_root().join(source), &folder.path().join(source));
    }
    let dist = Dist::of(folder.path());
    dist.write(b"an object").expect("written");
    (folder, dist)
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().expect("below the folder")).expect("created");
    if from.is_file() {
        fs::copy(from, to).expect("copied");
        return;
    }
    for entry in fs::read_dir(from).expect("readable").flatten() {
        copy_all(&entry.path(), &to.join(entry.file_name()));
    }
}

#[test]
fn every_change_is_noticed() {
    let check = |dist: &Dist| dist.check().expect("readable");
    let sources = [
        "src/sched.rs",
        "common/src/lib.rs",
        "Cargo.toml",
        "Cargo.lock",
    ];
    for source in sources {
        let (folder, dist) = copy();
        assert_eq!(check(&dist), Freshness::Fresh);
        let path = folder.path().join(source);
        let changed = fs::read_to_string(&path).expect("readable") + "\n";
        fs::write(path, changed).expect("written");
        assert_eq!(check(&dist), Freshness::SourcesChanged, "{source}");
    }
    let (folder, dist) = copy();
    fs::write(folder.path().join("src/new.rs"), "").expect("written");
    assert_eq!(check(&dist), Freshness::SourcesChanged);

    let (_folder, dist) = copy();
    fs::write(dist.object(), b"another object").expect("written");
    assert_eq!(check(&dist), Freshness::ObjectChanged);
    fs::remove_file(dist.digests()).expect("removed");
    assert_eq!(check(&dist), Freshness::Missing);
}
