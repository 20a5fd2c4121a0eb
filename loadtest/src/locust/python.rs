//! The Python on this machine: which, how old, and how it can install packages.

use std::io;
use std::process::Stdio;

use serde::Deserialize;
use tokio::process::Command;

use super::LocustError;

/// The oldest that the pinned Locust supports.
const OLDEST: (u32, u32) = (3, 11);

/// What Python tells about itself.
const QUESTION: &str = "\
import json, sys, importlib.util as u
has = lambda name: u.find_spec(name) is not None
print(json.dumps({'executable': sys.executable, 'version': list(sys.version_info[:3]),
  'venv': has('venv') and has('ensurepip'), 'pip': has('pip')}))";

/// A Python that is new enough.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Python {
    /// Path of the interpreter itself, behind any wrapper.
    pub(super) executable: String,
    pub(super) version: (u32, u32, u32),
    /// It can make environments with pip inside.
    pub(super) venv: bool,
    /// It has pip itself.
    pub(super) pip: bool,
}

impl Python {
    /// Asks `program` (a path, or a name on `PATH`).
    pub(super) async fn find(program: &str) -> Result<Self, LocustError> {
        let output = Command::new(program)
            .args(["-c", QUESTION])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => LocustError::NoPython {
                    program: program.into(),
                },
                _ => broken(program, &error.to_string()),
            })?;
        // Python 2 has neither this module nor this print, and says so on standard error.
        let answer = String::from_utf8_lossy(&output.stdout);
        let python: Self = serde_json::from_str(answer.trim())
            .map_err(|_| broken(program, String::from_utf8_lossy(&output.stderr).trim()))?;
        python.check()
    }

    fn check(self) -> Result<Self, LocustError> {
        let found = (self.version.0, self.version.1);
        if found < OLDEST {
            let executable = self.executable;
            return Err(LocustError::OldPython {
                executable,
                found,
                needed: OLDEST,
            });
        }
        if !self.venv && !self.pip {
            return Err(LocustError::NoInstaller {
                executable: self.executable,
            });
        }
        Ok(self)
    }
}

fn broken(program: &str, message: &str) -> LocustError {
    LocustError::BrokenPython {
        program: program.into(),
        message: message.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn python(minor: u32, venv: bool, pip: bool) -> Python {
        Python {
            executable: "/usr/bin/python3".into(),
            version: (3, minor, 1),
            venv,
            pip,
        }
    }

    #[tokio::test]
    async fn no_python_says_what_to_install() {
        let error = Python::find("python-of-the-future").await.unwrap_err();
        assert!(
            error.to_string().contains("apt-get install python3"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn something_else_than_python_is_no_python() {
        let error = Python::find("false").await.unwrap_err();
        assert!(matches!(error, LocustError::BrokenPython { .. }), "{error}");
    }

    #[test]
    fn old_or_bare_pythons_are_refused() {
        let error = python(8, true, true).check().unwrap_err();
        assert!(
            error.to_string().contains("3.11 or newer") && error.to_string().contains("is 3.8"),
            "{error}"
        );
        let error = python(11, false, false).check().unwrap_err();
        assert!(error.to_string().contains("python3-venv"), "{error}");
        assert!(python(11, false, true).check().is_ok());
    }
}
