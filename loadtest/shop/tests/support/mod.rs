//! Roles as real processes on loopback, without any cluster.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use demo_shop::{Role, Snapshot};

/// How long a role may take to answer anything, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An answer to one request.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// A role that runs until dropped.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts `role` on a free port and waits until it is healthy.
    pub(crate) fn start(role: Role, variables: &[(&str, String)]) -> Self {
        let mut child = command(role, variables).spawn().expect("demo-shop starts");
        let mut log = BufReader::new(child.stderr.take().expect("piped"));
        let address = loop {
            let mut line = String::new();
            assert_ne!(
                log.read_line(&mut line).expect("a log"),
                0,
                "{role} ended at its start"
            );
            if let Some((_, rest)) = line.split_once("address=") {
                break rest
                    .split(' ')
                    .next()
                    .expect("a word")
                    .parse()
                    .expect("an address");
            }
        };
        // Keep reading, so that the role never blocks on a full pipe.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        let process = Self { child, address };
        let deadline = Instant::now() + PATIENCE;
        while process
            .request("GET", "/_healthz", &[], "")
            .is_none_or(|answer| answer.status != 200)
        {
            assert!(Instant::now() < deadline, "{role} is not healthy");
            std::thread::sleep(Duration::from_millis(10));
        }
        process
    }

    /// One request on a connection of its own; `None` if there was no answer.
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<Answer> {
        let mut stream = TcpStream::connect_timeout(&self.address, PATIENCE).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let headers: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let length = body.len();
        let host = self.address;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Answer {
            status,
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        })
    }

    /// GET with success.
    pub(crate) fn get(&self, path: &str) -> Answer {
        let answer = self.request("GET", path, &[], "").expect("an answer");
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer
    }

    /// The role's own counts.
    pub(crate) fn stats(&self) -> Snapshot {
        serde_json::from_str(&self.get("/_stats").body).expect("counts")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, not yet started.
pub(crate) fn command(role: Role, variables: &[(&str, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo-shop"));
    command
        .arg(role.name())
        .env_clear()
        .env("NO_COLOR", "1")
        .env("POD_IP", "127.0.0.1")
        .env("PORT", "0")
        .env("SHOP_LINGER_MS", "0")
        .envs(
            variables
                .iter()
                .map(|(name, value)| (*name, value.as_str())),
        )
        .stderr(Stdio::piped());
    command
}

/// A whole shop, callees started before callers.
pub(crate) struct Shop {
    pub(crate) roles: BTreeMap<Role, Process>,
}

impl Shop {
    /// Starts every role with the work scaled down to next to nothing.
    pub(crate) fn start() -> Self {
        let mut roles = BTreeMap::<Role, Process>::new();
        while roles.len() < Role::ALL.len() {
            for role in Role::ALL {
                let callees = role.callees();
                if roles.contains_key(&role)
                    || !callees.iter().all(|callee| roles.contains_key(callee))
                {
                    continue;
                }
                let mut variables = vec![
                    ("SHOP_WORK_SCALE", "0.01".to_owned()),
                    // On a machine under other load an ad may well be late; here it must count as a call.
                    ("SHOP_AD_TIMEOUT_MS", "20000".to_owned()),
                    ("SHOP_CALL_TIMEOUT_MS", "20000".to_owned()),
                ];
                variables.extend(
                    callees.iter().map(|callee| {
                        (callee.address_variable(), roles[callee].address.to_string())
                    }),
                );
                let process = Process::start(role, &variables);
                roles.insert(role, process);
            }
        }
        Self { roles }
    }

    pub(crate) fn frontend(&self) -> &Process {
        &self.roles[&Role::Frontend]
    }

    /// Calls that `role` has made so far, by callee.
    pub(crate) fn calls(&self, role: Role) -> BTreeMap<String, u64> {
        self.roles[&role].stats().calls
    }
}
