//! The daemon over a git repository: what is pushed is followed.

use std::process::Command;

use crate::support::{Folder, SILENCE, environment};

/// A folder with a work tree `work`, whose commits go to the bare repository `bare.git` beside it.
struct Repository(Folder);

impl Repository {
    fn with(path: &str, text: &str) -> Self {
        let repository = Self(Folder::with(&[]));
        repository.git("init --quiet --bare --initial-branch=main bare.git");
        repository.git("init --quiet --initial-branch=main work");
        repository.commit(path, text);
        repository
    }

    fn git(&self, arguments: &str) -> String {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=Tester", "-c", "user.email=tester@example.com"]).args(arguments.split(' '));
        let output = git.current_dir(self.0.path("")).env("HOME", self.0.path("")).output().unwrap();
        assert!(output.status.success(), "git {arguments}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Commits and pushes the file, and returns how the commit is shown.
    fn commit(&self, path: &str, text: &str) -> String {
        self.0.write(&format!("work/{path}"), text);
        self.git("-C work add --all");
        self.git("-C work commit --quiet --message=change");
        self.git("-C work push --quiet ../bare.git main");
        self.git("-C work rev-parse --short=12 HEAD")
    }
}

#[test]
fn a_pushed_commit_is_followed_and_shown_in_status() {
    let spec = environment("demo", "schedule: daily");
    let repository = Repository::with("deploy/specs/demo.yaml", &spec);
    let url = format!("file://{}", repository.0.path("bare.git").display());
    let settings = format!(
        "apiVersion: hangar/v1\nkind: Controller\nmetadata: {{name: hangar}}\nspec:\n  owner: hangar\n  \
         source: {{git: {{url: '{url}', ref: main, path: deploy/specs, interval: 10s}}}}\n  \
         fly: {{organizations: {{acme: {{token: {{fromEnv: FLY_API_TOKEN}}}}}}}}\n"
    );
    let folder = Folder::with(&[("hangar.yaml", &settings)]);
    let mut daemon = folder.start("reconcile --sim --log info");
    daemon.wait_for("1 environment from file://");
    daemon.wait_for("as desired");

    let commit = repository.commit("deploy/specs/demo.yaml", &spec.replace("demo:v1", "demo:v2"));
    assert!(daemon.wait_for("specs read again").contains(&commit));
    daemon.wait_for("update machine app/iad/0 … done");
    daemon.wait_for("as desired");
    let status = folder.run("status --sim").ended(0);
    status.says(&["as desired", &format!("commit {commit}"), "registry.fly.io/demo:v2"]);

    daemon.signal("TERM");
    let (code, all) = daemon.end_within(SILENCE);
    assert_eq!(code, Some(0), "{all}");
    let (stopping, stopped) = (all.find("stopping: steps under way"), all.rfind("stopped"));
    assert!(stopping.is_some() && stopping < stopped, "{all}");
}
