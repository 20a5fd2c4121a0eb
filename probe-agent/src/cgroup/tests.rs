use proptest::prelude::*;

use super::*;

const UID: &str = "2f6a9b1c-3d4e-4f50-8a6b-7c8d9e0f1a2b";
const UID_: &str = "2f6a9b1c_3d4e_4f50_8a6b_7c8d9e0f1a2b";
const STATIC_UID: &str = "8f3c2d1e0b9a48675645342312010f0e";
const ID: &str = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";
const OTHER: &str = "badc0de0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de0badc0de0";

/// Fills in the names above, so that fixtures read like the paths of a node.
fn path(pattern: &str) -> String {
    pattern
        .replace("<uid>", UID)
        .replace("<uid_>", UID_)
        .replace("<static>", STATIC_UID)
        .replace("<id>", ID)
        .replace("<other>", OTHER)
}

#[test]
fn every_layout_names_its_pod_and_container() {
    let systemd = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid_>.slice";
    for (layout, pattern) in [
        ("systemd, containerd", format!("{systemd}/cri-containerd-<id>.scope")),
        ("systemd, cri-o", format!("{systemd}/crio-<id>.scope")),
        ("systemd, docker", format!("{systemd}/docker-<id>.scope")),
        (
            "systemd, best effort",
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod<uid_>.slice/cri-containerd-<id>.scope".into(),
        ),
        (
            "systemd, guaranteed",
            "/kubepods.slice/kubepods-pod<uid_>.slice/cri-containerd-<id>.scope".into(),
        ),
        ("cgroupfs, burstable", "/kubepods/burstable/pod<uid>/<id>".into()),
        ("cgroupfs, best effort", "/kubepods/besteffort/pod<uid>/<id>".into()),
        ("cgroupfs, guaranteed", "/kubepods/pod<uid>/<id>".into()),
        ("cgroupfs, cri-o", "/kubepods/burstable/pod<uid>/crio-<id>".into()),
        (
            "driver mismatch",
            "/system.slice/containerd.service/kubepods-burstable-pod<uid_>.slice:cri-containerd:<id>".into(),
        ),
        (
            "driver mismatch at the root",
            "/kubepods-besteffort-pod<uid_>.slice:cri-containerd:<id>".into(),
        ),
        (
            "kind, systemd",
            "/system.slice/docker-<other>.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod<uid_>.slice/cri-containerd-<id>.scope".into(),
        ),
        ("kind, cgroupfs", "/docker/<other>/kubelet/kubepods/burstable/pod<uid>/<id>".into()),
        ("local cluster", "/viperscale-local/kubepods/burstable/pod<uid>/<id>".into()),
        ("no leading slash", "kubepods/burstable/pod<uid>/<id>".into()),
    ] {
        let path = path(&pattern);
        let found = membership(&path).unwrap_or_else(|| panic!("{layout}: {path} is a container"));
        assert_eq!(found.pod.as_str(), UID, "{layout}");
        assert_eq!(found.container.as_str(), ID, "{layout}");
        assert_eq!(found.root, path, "{layout}: the container's own directory");
    }
}

#[test]
fn static_pods_have_uids_without_dashes() {
    for pattern in [
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<static>.slice/cri-containerd-<id>.scope",
        "/kubepods/burstable/pod<static>/<id>",
    ] {
        let path = path(pattern);
        assert_eq!(
            membership(&path).expect("a container").pod.as_str(),
            STATIC_UID
        );
    }
}

#[test]
fn descendants_belong_to_the_container_above_them() {
    let root = path("/kubepods.slice/kubepods-pod<uid_>.slice/crio-<id>.scope");
    for below in ["/container", "/init.scope", "/system.slice/nginx.service"] {
        let path = format!("{root}{below}");
        let found = membership(&path).expect("a descendant");
        assert_eq!(
            (found.container.as_str(), found.root),
            (ID, root.as_str()),
            "{path}"
        );
    }
}

#[test]
fn a_nested_node_keeps_the_outer_container_apart_from_the_inner() {
    let inner = path(
        "/kubepods/podffffffff-0000-4000-8000-000000000000/<other>/kubelet/kubepods/burstable/pod<uid>/<id>",
    );
    assert_eq!(
        membership(&inner)
            .expect("the inner container")
            .container
            .as_str(),
        ID
    );

    let outer = path("/kubepods/pod<uid>/<other>/kubelet/kubepods/burstable");
    let found = membership(&outer).expect("the outer container");
    assert_eq!(found.container.as_str(), OTHER);
    assert_eq!(found.root, path("/kubepods/pod<uid>/<other>"));
}

#[test]
fn what_is_no_container_is_none() {
    for pattern in [
        "",
        "/",
        "/init.scope",
        "/system.slice/sshd.service",
        "/kubepods",
        "/kubepods.slice/kubepods-burstable.slice",
        "/kubepods/burstable/pod<uid>",
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid_>.slice",
        // A monitor beside the container.
        "/kubepods.slice/kubepods-pod<uid_>.slice/crio-conmon-<id>.scope",
        "/kubepods-pod<uid_>.slice:crio-conmon:<id>",
        // Containers that no kubelet started.
        "/docker/<id>",
        "/system.slice/docker-<id>.scope",
        // Look-alikes.
        "/user.slice/pod<uid>/<id>",
        "/kubepods/other/pod<uid>/<id>",
        "/notkubepods-pod<uid_>.slice/cri-containerd-<id>.scope",
        "/kubepods/burstable/podnot-a-uid/<id>",
        "/kubepods/burstable/pod<uid>/C0FFEE",
        "/kubepods-pod<uid_>.slice:cri-containerd",
    ] {
        let path = path(pattern);
        assert_eq!(membership(&path), None, "{path}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = membership(&text);
    }

    /// Shuffled pieces of real paths reach far deeper than arbitrary text.
    #[test]
    fn no_combination_of_real_names_panics_and_roots_are_prefixes(
        picks in prop::collection::vec(
            prop::sample::select(vec![
                "kubepods", "kubepods.slice", "burstable", "kubepods-pod<uid_>.slice", "pod<uid>",
                "<id>", "cri-containerd-<id>.scope", "crio-conmon-<id>.scope", ":", "", "é",
                "kubepods-pod<uid_>.slice:cri-containerd:<id>", "container", "-pod", ".slice",
            ]),
            0..9,
        ),
    ) {
        let path = format!("/{}", path(&picks.join("/")));
        if let Some(found) = membership(&path) {
            prop_assert!(path.starts_with(found.root));
            // The root of a container is in that container: parsing again changes nothing.
            let again = membership(found.root).expect("the root is a member");
            prop_assert_eq!(again.root, found.root);
            prop_assert_eq!(again.container, found.container);
        }
    }
}
