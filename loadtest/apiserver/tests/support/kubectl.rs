//! The real kubectl.

use std::process::{Output, Stdio};

use super::Cluster;

/// kubectl with the cluster's kubeconfig and a cache of its own.
pub(crate) struct Kubectl<'a>(pub(crate) &'a Cluster);

impl Kubectl<'_> {
    async fn output(&self, arguments: &str, manifest: &str) -> Output {
        let file = self.0.directory.path().join("manifest.yaml");
        std::fs::write(&file, manifest).unwrap();
        let arguments = arguments.replace("FILE", file.to_str().unwrap());
        tokio::process::Command::new("kubectl")
            .args(arguments.split(' '))
            .env("KUBECONFIG", &self.0.kubeconfig)
            .env("HOME", self.0.directory.path())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .expect("kubectl must be installed to run this test: https://kubernetes.io/docs/tasks/tools/")
    }

    /// Runs a command that must succeed; returns what it printed.
    pub(crate) async fn run(&self, arguments: &str, manifest: &str) -> String {
        let output = self.output(arguments, manifest).await;
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {arguments}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must fail; returns its complaint.
    pub(crate) async fn fails(&self, arguments: &str) -> String {
        let output = self.output(arguments, "").await;
        assert!(
            !output.status.success(),
            "kubectl {arguments} should have failed"
        );
        String::from_utf8(output.stderr).unwrap()
    }
}

/// A line of a table, its columns separated by single spaces.
pub(crate) fn row(table: &str, start: &str) -> String {
    let line = table.lines().find(|line| line.starts_with(start));
    let line = line.unwrap_or_else(|| panic!("no row {start:?} in\n{table}"));
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}
