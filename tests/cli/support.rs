//! An empty folder to run the program in, the program at work, and a simulator that a test owns.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use hangar::clock::SystemClock;
use hangar::sim::{SimConfig, Simulator};
use serde_json::Value;

use crate::strict::hold_to_contract;

/// The token that a test's own simulator accepts for everything in `acme`.
pub(crate) const TOKEN: &str = "sim_acme_full";
/// A master key that is long enough.
pub(crate) const MASTER_KEY: &str = "planted-master-key-0123456789abcdef0123456789";
/// How long the program may be silent before a test gives up. Generous: the machine may be busy.
pub(crate) const SILENCE: Duration = Duration::from_mins(1);

/// The controller's settings: they name the organization, so that it is looked at even when no environment is left in it.
pub(crate) const CONTROLLER: &str = "\
apiVersion: hangar/v1
kind: Controller
metadata: {name: hangar}
spec:
  owner: hangar
  fly: {organizations: {acme: {token: {fromEnv: FLY_API_TOKEN}}}}
";

/// An environment with one app, `<name>-web`, with these fields besides its image.
pub(crate) fn environment(name: &str, fields: &str) -> String {
    with_spec(name, "", fields)
}

/// An environment whose app needs no machine, so that it converges at once.
pub(crate) fn empty(name: &str) -> String {
    environment(name, "processes: {app: {count: 0}}")
}

/// The same with `lines` under `spec`.
pub(crate) fn with_spec(name: &str, lines: &str, fields: &str) -> String {
    let lines = indented(lines, 2);
    let fields = indented(fields, 8);
    format!(
        "apiVersion: hangar/v1\nkind: Environment\nmetadata: {{name: {name}}}\nspec:\n{lines}  fly:\n    org: acme\n    region: iad\n    apps:\n      web:\n        image: registry.fly.io/demo:v1\n{fields}"
    )
}

fn indented(lines: &str, by: usize) -> String {
    lines.lines().flat_map(|line| [" ".repeat(by).as_str(), line, "\n"].map(str::to_owned)).collect()
}

/// A policy with these fields.
pub(crate) fn policy(fields: &str) -> String {
    format!("apiVersion: hangar/v1\nkind: Policy\nmetadata: {{name: policy}}\nspec: {{{fields}}}\n")
}

/// A folder of its own, and the environment variables that the program is given there: none of the caller's.
pub(crate) struct Folder {
    root: tempfile::TempDir,
    variables: BTreeMap<String, String>,
}

impl Folder {
    /// A folder with these files.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let folder = Self { root: tempfile::tempdir().unwrap(), variables: BTreeMap::new() };
        for (path, text) in files {
            folder.write(path, text);
        }
        folder
    }

    pub(crate) fn set(&mut self, variable: &str, value: &str) {
        self.variables.insert(variable.to_owned(), value.to_owned());
    }

    /// Speaks to `server` from here on, with the token that may do everything and a master key.
    pub(crate) fn use_server(&mut self, server: &Server) {
        self.set("FLY_FLAPS_BASE_URL", &server.url);
        self.set("FLY_API_TOKEN", TOKEN);
        self.set("HANGAR_MASTER_KEY", MASTER_KEY);
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Replaces `from` by `to` in the file at `path`; it has to be there.
    pub(crate) fn edit(&self, path: &str, from: &str, to: &str) {
        let text = self.read(path);
        assert!(text.contains(from), "`{from}` is not in {path}:\n{text}");
        self.write(path, text.replace(from, to));
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }

    pub(crate) fn remove(&self, path: &str) {
        std::fs::remove_file(self.path(path)).unwrap();
    }

    /// All files below `path`, with their contents.
    pub(crate) fn files(&self, path: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let mut open = vec![self.path(path)];
        let mut found = Vec::new();
        while let Some(path) = open.pop() {
            if path.is_dir() {
                open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            } else if let Ok(bytes) = std::fs::read(&path) {
                found.push((path, bytes));
            }
        }
        found
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("hangar"));
        command.args(arguments.split_whitespace()).current_dir(self.root.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.root.path());
        command.envs(std::env::vars_os().filter(|(name, _)| name == hangar::sim::contract::VARIABLE));
        command.envs(&self.variables).stdin(Stdio::null());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &str) -> Ran {
        let output = self.command(arguments).output().unwrap();
        let ran = Ran {
            arguments: arguments.to_owned(),
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        };
        assert_keeps_contract(&ran.all());
        let is_colored = ran.all().contains('\u{1b}');
        assert_eq!(is_colored, arguments.contains("--color always"), "hangar {arguments}: {:?}", ran.all());
        ran
    }

    /// Starts the program.
    pub(crate) fn start(&self, arguments: &str) -> Running {
        let mut child = self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        send_lines(child.stdout.take().unwrap(), sender.clone());
        send_lines(child.stderr.take().unwrap(), sender);
        Running { child, lines, seen: Vec::new() }
    }
}

/// The program's own simulator reports what it finds.
#[track_caller]
fn assert_keeps_contract(printed: &str) {
    assert!(!printed.contains("differs from the OpenAPI document"), "{printed}");
}

fn send_lines(pipe: impl Read + Send + 'static, sender: mpsc::Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
}

/// How a run ended.
pub(crate) struct Ran {
    arguments: String,
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The run ended with `code`.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "hangar {}\n{}", self.arguments, self.all());
        self
    }

    /// These texts stand in what was printed.
    #[track_caller]
    pub(crate) fn says(self, texts: &[&str]) -> Self {
        let all = self.all();
        // Lines are wrapped for people; what they say is not a matter of where.
        let flat = all.split_whitespace().collect::<Vec<_>>().join(" ");
        for text in texts {
            assert!(all.contains(text) || flat.contains(text), "hangar {}: no `{text}` in\n{all}", self.arguments);
        }
        self
    }

    /// These texts do not stand in what was printed.
    #[track_caller]
    pub(crate) fn never_says(self, texts: &[&str]) -> Self {
        let all = self.all();
        for text in texts {
            assert!(!all.contains(text), "hangar {}: `{text}` in\n{all}", self.arguments);
        }
        self
    }

    /// What was printed on both outputs.
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}\n{}", self.all()))
    }
}

/// The program at work.
pub(crate) struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
    seen: Vec<String>,
}

impl Running {
    /// Waits until a line with `text` is printed.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        self.wait_within(text, SILENCE)
    }

    #[track_caller]
    fn wait_within(&mut self, text: &str, silence: Duration) -> String {
        loop {
            match self.lines.recv_timeout(silence) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(error) => panic!("no `{text}` ({error}) after\n{}", self.seen.join("\n")),
            }
        }
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end, which has to come before the program has been silent for `silence`.
    #[track_caller]
    pub(crate) fn end_within(mut self, silence: Duration) -> (Option<i32>, String) {
        loop {
            match self.lines.recv_timeout(silence) {
                Ok(line) => self.seen.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("still running after\n{}", self.seen.join("\n")),
            }
        }
        let printed = std::mem::take(&mut self.seen).join("\n");
        assert_keeps_contract(&printed);
        (self.child.wait().unwrap().code(), printed)
    }

    /// What the system shows everybody of the process: its command line.
    pub(crate) fn command_line(&self) -> String {
        let path = format!("/proc/{}/cmdline", self.child.id());
        std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that failed leaves nothing running.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A simulator on a socket, at the system's time, that this test can look into.
pub(crate) struct Server {
    /// Ends first, so that the simulator is dropped by the test itself.
    _runtime: tokio::runtime::Runtime,
    pub(crate) sim: Simulator,
    pub(crate) url: String,
}

impl Server {
    /// With the organization `acme`, and machines that boot at once.
    pub(crate) fn start() -> Self {
        Self::configured(SimConfig { boot: Duration::from_millis(100), ..SimConfig::default() })
    }

    pub(crate) fn configured(config: SimConfig) -> Self {
        let sim = Simulator::new(config.with_org("acme", TOKEN), Arc::new(SystemClock));
        hold_to_contract(&sim);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let served = sim.clone();
        runtime.spawn(async move { served.serve(listener).await });
        Self { sim, url, _runtime: runtime }
    }

    /// Methods and paths of all requests that could have changed something.
    pub(crate) fn writes(&self) -> Vec<String> {
        let requests = self.sim.requests();
        let writes = requests.iter().filter(|request| !request.is_read());
        writes.map(|request| format!("{} {}", request.method, request.path)).collect()
    }
}
