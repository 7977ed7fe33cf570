//! Against real repositories on this disk, and so in real time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::program::{Git, RunError};
use super::{GitSettings, GitSource, check_reference, folder, work_tree_commit};
use crate::clock::{Clock, SystemClock, VirtualClock};
use crate::desired::Completeness;
use crate::secret::SecretText;
use crate::source::{AssetError, DirectorySource, Snapshot, Source, SourceError};

/// A work tree in which specs are committed, and a bare repository that they are pushed to.
struct World {
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        world.git(&["init", "--quiet", "--bare", "--initial-branch=main", "remote.git"], "");
        world.git(&["init", "--quiet", "--initial-branch=main", "work"], "");
        world.git(&["remote", "add", "origin", "../remote.git"], "work");
        world
    }

    fn git(&self, args: &[&str], folder: &str) -> String {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "protocol.file.allow=always"]);
        command.args(["-c", "commit.gpgSign=false", "-c", "tag.gpgSign=false", "-c", "core.hooksPath=/dev/null"]);
        let output = command.args(args).current_dir(self.path(folder)).output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path("work").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Commits and pushes everything, and returns the commit.
    fn publish(&self) -> String {
        self.git(&["add", "--all"], "work");
        self.git(&["commit", "--quiet", "--allow-empty", "--message=x"], "work");
        self.git(&["push", "--quiet", "--tags", "origin", "HEAD"], "work");
        self.git(&["rev-parse", "HEAD"], "work")
    }

    fn settings(&self, reference: &str) -> GitSettings {
        GitSettings {
            url: SecretText::new(self.path("remote.git").to_str().unwrap()),
            reference: reference.to_owned(),
            path: "specs".to_owned(),
            interval: Duration::from_millis(50),
            cache_dir: self.path("cache"),
        }
    }

    fn source(&self, reference: &str) -> GitSource {
        source(self.settings(reference))
    }
}

fn source(settings: GitSettings) -> GitSource {
    GitSource::new(settings, Arc::new(SystemClock)).unwrap()
}

fn contents(snapshot: &Snapshot) -> Vec<(&str, &str)> {
    let files = snapshot.files.iter();
    files.map(|file| (file.path.to_str().unwrap(), str::from_utf8(&file.bytes).unwrap())).collect()
}

#[tokio::test]
async fn specs_of_a_branch_are_read_with_their_commit_and_follow_it() {
    let world = World::new();
    world.write("specs/b.yaml", "b\n");
    world.write("specs/a/x.yml", "");
    world.write("specs/.hidden/x.yaml", "no");
    world.write("specs/node_modules/x.yaml", "no");
    world.write("other/x.yaml", "no");
    let first = world.publish();
    let source = world.source("main");
    let snapshot = source.load().await.unwrap();
    assert_eq!(contents(&snapshot), [("specs/a/x.yml", ""), ("specs/b.yaml", "b\n")]);
    assert_eq!((snapshot.commit.as_deref(), &snapshot.completeness), (Some(first.as_str()), &Completeness::Complete));

    world.write("specs/b.yaml", "bb");
    fs::remove_file(world.path("work/specs/a/x.yml")).unwrap();
    let second = world.publish();
    let snapshot = source.load().await.unwrap();
    assert_eq!(contents(&snapshot), [("specs/b.yaml", "bb")]);
    assert_eq!(snapshot.commit, Some(second));
}

#[tokio::test]
async fn a_branch_wins_over_a_tag_and_tags_and_commits_stay_where_they_are() {
    let world = World::new();
    world.write("specs/a.yaml", "one");
    let first = world.publish();
    world.git(&["tag", "plain"], "work");
    world.git(&["tag", "--annotate", "--message=x", "v1"], "work");
    world.git(&["tag", "main"], "work");
    world.write("specs/a.yaml", "two");
    world.git(&["add", "--all"], "work");
    world.git(&["commit", "--quiet", "--message=x"], "work");
    world.git(&["push", "--quiet", "--tags", "origin", "HEAD:refs/heads/main"], "work");
    for reference in ["v1", "plain", "refs/tags/v1", first.as_str()] {
        let source = world.source(reference);
        for _ in 0..2 {
            let snapshot = source.load().await.unwrap();
            assert_eq!(contents(&snapshot), [("specs/a.yaml", "one")], "{reference}");
            assert_eq!(snapshot.commit.as_ref(), Some(&first), "{reference}");
        }
    }
    for reference in ["main", "HEAD", "refs/heads/main"] {
        assert_eq!(contents(&world.source(reference).load().await.unwrap()), [("specs/a.yaml", "two")], "{reference}");
    }
}

#[tokio::test]
async fn a_branch_that_was_rewritten_is_followed() {
    let world = World::new();
    world.write("specs/a.yaml", "one");
    world.publish();
    let source = world.source("main");
    source.load().await.unwrap();
    world.write("specs/a.yaml", "rewritten");
    world.git(&["add", "--all"], "work");
    world.git(&["commit", "--quiet", "--amend", "--message=y"], "work");
    world.git(&["push", "--quiet", "--force", "origin", "HEAD"], "work");
    assert_eq!(contents(&source.load().await.unwrap()), [("specs/a.yaml", "rewritten")]);
}

#[tokio::test]
async fn a_commit_that_was_fetched_needs_no_repository_any_more() {
    let world = World::new();
    world.write("specs/a.yaml", "one");
    let commit = world.publish();
    world.source(&commit).load().await.unwrap();
    fs::remove_dir_all(world.path("remote.git")).unwrap();
    assert_eq!(world.source(&commit).load().await.unwrap().commit, Some(commit));
}

#[tokio::test]
async fn the_hint_comes_with_a_new_commit_and_when_the_repository_is_gone() {
    let world = World::new();
    world.write("specs/a.yaml", "one");
    world.publish();
    let source = world.source("main");
    source.load().await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(400), source.changed()).await.is_err(), "nothing is new");
    let second = world.publish();
    source.changed().await;
    let good = source.load().await.unwrap();
    assert_eq!(good.commit, Some(second));
    fs::rename(world.path("remote.git"), world.path("away.git")).unwrap();
    source.changed().await;
    let error = source.load().await.unwrap_err();
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");
    let outdated = good.outdated(error.to_string());
    assert_eq!((outdated.files, outdated.commit), (good.files, good.commit));
    assert!(!outdated.completeness.is_complete());
    fs::rename(world.path("away.git"), world.path("remote.git")).unwrap();
    source.changed().await;
    assert!(source.load().await.unwrap().completeness.is_complete());
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let world = World::new();
    world.write("specs/a.yaml", "one");
    let commit = world.publish();
    let error = world.source("release").load().await.unwrap_err();
    assert!(matches!(&error, SourceError::NoSuchReference { reference, .. } if reference == "release"), "{error}");
    for path in ["nowhere", "specs/a.yaml"] {
        let error = source(GitSettings { path: path.to_owned(), ..world.settings("main") }).load().await.unwrap_err();
        assert!(matches!(&error, SourceError::NoSuchFolder { commit: of, .. } if *of == commit), "{error}");
    }
    let everything = source(GitSettings { path: ".".to_owned(), ..world.settings("main") }).load().await.unwrap();
    assert_eq!(contents(&everything), [("specs/a.yaml", "one")]);
}

#[tokio::test]
async fn no_answer_of_git_shows_credentials() {
    let world = World::new();
    let url = SecretText::new("http://robot:hunter2@127.0.0.1:1/acme/deploy.git");
    let source = source(GitSettings { url, ..world.settings("main") });
    let error = source.load().await.unwrap_err();
    assert!(
        matches!(&error, SourceError::Unreachable { url, .. } if url == "http://127.0.0.1:1/acme/deploy.git"),
        "{error}"
    );
    let shown = format!("{error} {error:?} {source:?} {} {:?}", source.describe(), world.settings("main"));
    assert!(!shown.contains("hunter2") && !shown.contains("robot") && !shown.contains("Basic"), "{shown}");
}

#[tokio::test]
async fn credentials_are_sent_to_the_repository() {
    let world = World::new();
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://robot:hunter2@{}/acme/deploy.git", server.local_addr().unwrap());
    let source = source(GitSettings { url: SecretText::new(url), ..world.settings("main") });
    let serve = async {
        let (mut connection, _) = server.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let length = connection.read(&mut request).await.unwrap();
        connection
            .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        String::from_utf8(request[..length].to_vec()).unwrap()
    };
    let (request, answer) = tokio::join!(serve, source.load());
    assert!(request.contains("Authorization: Basic cm9ib3Q6aHVudGVyMg=="), "{request}");
    assert!(matches!(answer, Err(SourceError::Unreachable { .. })), "{answer:?}");
}

/// A repository that accepts connections and says nothing, and a call that waits for it.
async fn silent_repository() -> (TcpListener, Git) {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("git://{}/x", server.local_addr().unwrap());
    (server, Git::new().args(["ls-remote", "--", &url]))
}

#[tokio::test]
async fn a_repository_that_says_nothing_is_given_up() {
    let (_server, call) = silent_repository().await;
    assert!(matches!(call.run(Duration::from_millis(100)).await, Err(RunError::TimedOut)));
}

#[tokio::test]
async fn git_is_ended_when_nobody_waits_for_it_any_more() {
    let (server, call) = silent_repository().await;
    let waiting = tokio::spawn(call.run(Duration::from_mins(1)));
    let (mut connection, _) = server.accept().await.unwrap();
    let mut request = [0; 4];
    connection.read_exact(&mut request).await.unwrap();
    waiting.abort();
    // Ends only because the connection does.
    let mut rest = Vec::new();
    drop(connection.read_to_end(&mut rest).await);
}

#[cfg(unix)]
#[tokio::test]
async fn links_and_submodules_are_not_a_way_out() {
    use std::os::unix::fs::symlink;
    let world = World::new();
    world.write("specs/a/env.yaml", "env");
    world.write("specs/fly.toml", "fly");
    world.write("secret", "hunter2");
    let specs = world.path("work/specs");
    symlink("a/env.yaml", specs.join("inside.yaml")).unwrap();
    symlink("a", specs.join("folder")).unwrap();
    symlink("../secret", specs.join("out")).unwrap();
    symlink("fly.toml", specs.join("fly-link.toml")).unwrap();
    world.publish();
    let snapshot = world.source("main").load().await.unwrap();
    assert_eq!(contents(&snapshot), [("specs/a/env.yaml", "env"), ("specs/inside.yaml", "env")]);
    let Completeness::Incomplete { reason } = &snapshot.completeness else { panic!("complete") };
    assert_eq!(reason, "`out` is a symbolic link that leads outside of the folder of the specs");

    let read = |path: &str| snapshot.assets.read(Path::new("specs/a/env.yaml"), path);
    assert_eq!(read("../fly.toml").unwrap(), b"fly");
    assert_eq!(read("../fly-link.toml").unwrap(), b"fly");
    assert!(matches!(read("fly.toml"), Err(AssetError::Missing { .. })));
    for path in ["../out", "../../secret", "/etc/passwd", "../a", "../.git/config"] {
        assert!(matches!(read(path), Err(AssetError::Refused { .. })), "{path}");
    }
    assert!(matches!(snapshot.assets.read(Path::new("other/x.yaml"), "fly.toml"), Err(AssetError::Refused { .. })));
}

#[cfg(unix)]
#[tokio::test]
async fn nothing_of_the_repository_or_the_user_is_run() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    world.write("specs/a.yaml", "one");
    world.write("specs/.gitattributes", "* filter=evil");
    world.publish();
    let source = world.source("main");
    source.load().await.unwrap();
    let hook = source.cache.path().join("hooks/reference-transaction");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, format!("#!/bin/sh\ntouch {}\n", world.path("ran").display())).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    world.write("specs/a.yaml", "two");
    world.publish();
    assert_eq!(contents(&source.load().await.unwrap()).last(), Some(&("specs/a.yaml", "two")));
    assert!(!world.path("ran").exists());
    assert!(!source.cache.path().join("specs").exists(), "there is no work tree");
}

#[tokio::test]
async fn a_damaged_copy_says_what_to_do() {
    let world = World::new();
    world.write("specs/a.yaml", "one");
    world.publish();
    let source = world.source("main");
    fs::create_dir_all(world.path("cache")).unwrap();
    fs::write(source.cache.path(), "not a folder").unwrap();
    let error = source.load().await.unwrap_err();
    assert!(matches!(error, SourceError::Cache { .. }), "{error}");
    assert!(error.to_string().contains("can be removed safely"));
}

#[test]
fn references_and_paths_that_git_could_take_for_something_else_are_refused() {
    for good in ["main", "feature/x-1", "v1.2.3", "HEAD", "refs/heads/main", "dependabot/npm_and_yarn/a@1"] {
        assert!(check_reference(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "-x",
        "--upload-pack=x",
        "a b",
        "a..b",
        "a:b",
        "a^{commit}",
        "a~1",
        "*",
        "a@{1}",
        "/a",
        "a/",
        "a//b",
        "x.lock",
        "a\nb",
    ] {
        assert!(matches!(check_reference(bad), Err(SourceError::Setting { field: "ref", .. })), "{bad}");
    }
    for (good, meant) in [("", ""), (".", ""), ("./specs/", "specs"), ("a/b", "a/b")] {
        assert_eq!(folder(good).unwrap(), meant);
    }
    for bad in ["/specs", "..", "a/../..", "--x", ".git"] {
        assert!(matches!(folder(bad), Err(SourceError::Setting { field: "path", .. })), "{bad}");
    }
}

#[tokio::test]
async fn a_directory_in_a_work_tree_knows_its_commit() {
    let world = World::new();
    world.write("specs/a.yaml", "one");
    assert_eq!(work_tree_commit(&world.path("work/specs")).await, None, "no commit yet");
    let commit = world.publish();
    let source = DirectorySource::new([world.path("work/specs")], Arc::new(SystemClock)).polling();
    assert_eq!(source.load().await.unwrap().commit, Some(commit));
    assert_eq!(work_tree_commit(&world.path("nowhere")).await, None);
}

/// The time limit of git is real time: a paused clock does not jump over it while git works.
#[tokio::test(start_paused = true)]
async fn a_paused_clock_does_not_make_git_late() {
    let world = World::new();
    world.write("specs/a.yaml", "one");
    let commit = world.publish();
    let clock = VirtualClock::starting_at(DateTime::UNIX_EPOCH);
    assert_eq!(work_tree_commit(&world.path("work")).await, Some(commit));
    assert_eq!(clock.now(), DateTime::UNIX_EPOCH);
}
