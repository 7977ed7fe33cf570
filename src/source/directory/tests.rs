use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use tempfile::TempDir;

use super::DirectorySource;
use crate::clock::{SharedClock, SystemClock, VirtualClock};
use crate::desired::Completeness;
use crate::source::{AssetError, Snapshot, Source, SourceError};

fn write(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), files);
    folder
}

fn clock() -> SharedClock {
    Arc::new(VirtualClock::starting_at(DateTime::from_timestamp(1_790_000_000, 0).unwrap()))
}

fn source(root: &Path) -> DirectorySource {
    DirectorySource::new([root.to_owned()], clock()).polling()
}

/// Paths below `root` with their text.
fn contents(snapshot: &Snapshot, root: &Path) -> Vec<(String, String)> {
    let one = |file: &crate::spec::SourceFile| {
        let path = file.path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        (path, String::from_utf8(file.bytes.clone()).unwrap())
    };
    snapshot.files.iter().map(one).collect()
}

fn paths(snapshot: &Snapshot, root: &Path) -> Vec<String> {
    contents(snapshot, root).into_iter().map(|(path, _)| path).collect()
}

fn gap(snapshot: &Snapshot) -> &str {
    match &snapshot.completeness {
        Completeness::Complete => "",
        Completeness::Incomplete { reason } => reason,
    }
}

#[tokio::test(start_paused = true)]
async fn all_specs_are_read_in_order_and_everything_else_is_passed_over() {
    let folder = folder(&[
        ("b.yaml", "b"),
        ("a/z.yml", "z"),
        ("a/b/c.yaml", "c"),
        ("a.yaml", "a"),
        ("fly.toml", "x"),
        ("yaml", "x"),
        (".hidden.yaml", "x"),
        (".git/x.yaml", "x"),
        (".hangar/x.yaml", "x"),
        ("a/node_modules/p/x.yaml", "x"),
        ("target/x.yaml", "x"),
    ]);
    let snapshot = source(folder.path()).load().await.unwrap();
    let expected = [("a/b/c.yaml", "c"), ("a/z.yml", "z"), ("a.yaml", "a"), ("b.yaml", "b")];
    assert_eq!(contents(&snapshot, folder.path()), expected.map(|(path, text)| (path.to_owned(), text.to_owned())));
    assert_eq!(snapshot.completeness, Completeness::Complete);
    assert_eq!(snapshot.commit, None);
    assert_eq!(snapshot.read_at.timestamp(), 1_790_000_000);
}

#[tokio::test(start_paused = true)]
async fn single_files_are_read_whatever_their_name_and_a_file_in_two_roots_once() {
    let folder = folder(&[("a/x.yaml", "x"), ("a/y.spec", "y"), ("a/z.yaml", "z")]);
    let roots = ["a/x.yaml", "a/y.spec", "a/."].map(|path| folder.path().join(path));
    let snapshot = DirectorySource::new(roots, clock()).polling().load().await.unwrap();
    assert_eq!(paths(&snapshot, folder.path()), ["a/x.yaml", "a/y.spec", "a/z.yaml"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_there_is_an_error_and_not_an_empty_answer() {
    let folder = tempfile::tempdir().unwrap();
    for missing in ["specs", "specs/x.yaml"] {
        let error = source(&folder.path().join(missing)).load().await.unwrap_err();
        assert!(matches!(&error, SourceError::Missing { .. }), "{error}");
        assert!(error.to_string().contains(missing));
    }
    assert!(source(folder.path()).load().await.unwrap().files.is_empty());
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn links_are_followed_inside_and_make_the_answer_incomplete_outside() {
    use std::os::unix::fs::symlink;
    let outside = folder(&[("secret.yaml", "hunter2"), ("more/x.yaml", "hunter2")]);
    let folder = folder(&[("real/a.yaml", "a")]);
    let root = folder.path();
    symlink(root.join("real/a.yaml"), root.join("inside.yaml")).unwrap();
    symlink("real", root.join("folder")).unwrap();
    symlink("nothing", root.join("dangling")).unwrap();
    let snapshot = source(root).load().await.unwrap();
    assert_eq!(paths(&snapshot, root), ["inside.yaml"], "one of two names of one file");
    assert_eq!(gap(&snapshot), "");

    symlink(outside.path().join("secret.yaml"), root.join("out.yaml")).unwrap();
    symlink(outside.path().join("more"), root.join("more")).unwrap();
    symlink("nothing", root.join("dangling.yaml")).unwrap();
    let snapshot = source(root).load().await.unwrap();
    assert_eq!(paths(&snapshot, root), ["inside.yaml"]);
    for named in ["out.yaml", "more", "dangling.yaml"] {
        assert!(gap(&snapshot).contains(&format!("{named}`")), "{named}: {}", gap(&snapshot));
    }
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn what_is_not_a_regular_file_is_not_read_and_said() {
    let folder = folder(&[("a.yaml", "a")]);
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("pipe.yaml")).status();
    assert!(made.unwrap().success());
    let snapshot = source(folder.path()).load().await.unwrap();
    assert_eq!(paths(&snapshot, folder.path()), ["a.yaml"]);
    assert!(gap(&snapshot).contains("pipe.yaml` is not a regular file"));
    let error = snapshot.assets.read(&folder.path().join("a.yaml"), "pipe.yaml").unwrap_err();
    assert!(matches!(error, AssetError::Refused { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_too_large_makes_the_answer_incomplete() {
    let folder = folder(&[("a.yaml", "a")]);
    fs::File::create(folder.path().join("big.yaml")).unwrap().set_len(crate::source::MAX_FILE_BYTES + 1).unwrap();
    let snapshot = source(folder.path()).load().await.unwrap();
    assert_eq!(paths(&snapshot, folder.path()), ["a.yaml"]);
    assert!(gap(&snapshot).contains("big.yaml` is larger than"), "{}", gap(&snapshot));
}

#[tokio::test(start_paused = true)]
async fn files_beside_a_spec_can_be_read_and_nothing_outside_of_the_root() {
    let outside = folder(&[
        ("specs/a/env.yaml", "e"),
        ("specs/fly.toml", "f"),
        ("specs/.git/config", "hunter2"),
        ("key", "hunter2"),
    ]);
    let root = outside.path().join("specs");
    let snapshot = source(&root).load().await.unwrap();
    let read = |path: &str| snapshot.assets.read(&root.join("a/env.yaml"), path);
    assert_eq!(read("../fly.toml").unwrap(), b"f");
    assert!(matches!(read("fly.toml"), Err(AssetError::Missing { .. })));
    let absolute = outside.path().join("key");
    for path in ["../../key", "../../specs/fly.toml", absolute.to_str().unwrap(), "../.git/config", "..", "../a"] {
        let error = read(path).unwrap_err();
        assert!(matches!(error, AssetError::Refused { .. }), "{path}: {error}");
    }
    let error = snapshot.assets.read(&outside.path().join("other/env.yaml"), "fly.toml").unwrap_err();
    assert!(matches!(error, AssetError::Refused { .. }), "{error}");
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_link_cannot_lead_a_spec_to_a_file_outside() {
    let outside = folder(&[("specs/a.yaml", "a"), ("specs/.git/config", "hunter2"), ("key", "hunter2")]);
    let root = outside.path().join("specs");
    for (target, name) in [("../key", "direct"), ("..", "up"), (".git/config", "token"), ("a.yaml", "fine")] {
        std::os::unix::fs::symlink(target, root.join(name)).unwrap();
    }
    let snapshot = source(&root).load().await.unwrap();
    let read = |path: &str| snapshot.assets.read(&root.join("a.yaml"), path);
    assert_eq!(read("fine").unwrap(), b"a");
    for path in ["direct", "up/key", "token"] {
        assert!(matches!(read(path), Err(AssetError::Refused { .. })), "{path}");
    }
}

/// On a paused clock, what never comes would be waited for without end.
async fn soon(future: impl Future<Output = ()>) {
    tokio::time::timeout(Duration::from_mins(10), future).await.expect("it comes within ten minutes");
}

#[tokio::test(start_paused = true)]
async fn polling_notices_every_kind_of_change_once() {
    let folder = folder(&[("a.yaml", "a")]);
    let root = folder.path();
    let clock = clock();
    let source = DirectorySource::new([root.to_owned()], Arc::clone(&clock)).polling();
    let changes: [&dyn Fn(); 6] = [
        &|| write(root, &[("a.yaml", "longer")]),
        &|| write(root, &[("b/c/new.yaml", "n")]),
        &|| write(root, &[("fly.toml", "an asset that was missing")]),
        &|| write(root, &[("fly.toml", "an asset")]),
        &|| fs::remove_file(root.join("b/c/new.yaml")).unwrap(),
        &|| fs::remove_dir_all(root).unwrap(),
    ];
    let snapshot = source.load().await.unwrap();
    assert!(snapshot.assets.read(&root.join("a.yaml"), "fly.toml").is_err());
    for (number, change) in changes.into_iter().enumerate() {
        let mut quiet = source.changed();
        // Not a multiple of the time between two looks: a look under way would see half of the change.
        tokio::select! {
            () = &mut quiet => panic!("change {number} before it happened"),
            () = clock.sleep(Duration::from_secs(61)) => {}
        }
        change();
        let before = clock.now();
        soon(quiet).await;
        assert!(clock.now() - before <= chrono::TimeDelta::seconds(4), "change {number}");
    }
    assert!(source.load().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_log_or_any_other_file_that_no_spec_has_asked_for_is_no_change() {
    let folder = folder(&[("a.yaml", "a"), ("fly.toml", "an asset"), ("hangar.log", "")]);
    let root = folder.path();
    let clock = clock();
    let source = DirectorySource::new([root.to_owned()], Arc::clone(&clock)).polling();
    let snapshot = source.load().await.unwrap();
    snapshot.assets.read(&root.join("a.yaml"), "fly.toml").unwrap();
    let mut changed = source.changed();
    for round in 0..5 {
        tokio::select! {
            () = &mut changed => panic!("round {round}"),
            () = clock.sleep(Duration::from_secs(61)) => {}
        }
        write(root, &[("hangar.log", &"line\n".repeat(round + 1)), (&format!("notes/{round}.md"), "x")]);
    }
    assert_eq!(source.load().await.unwrap().completeness, Completeness::Complete);
}

#[tokio::test(start_paused = true)]
async fn what_a_single_file_has_asked_for_counts_too() {
    let folder = folder(&[("a.yaml", "a"), ("more/fly.toml", "an asset"), ("b.yaml", "another spec, not asked for")]);
    let root = folder.path();
    let source = DirectorySource::new([root.join("a.yaml")], clock()).polling();
    let snapshot = source.load().await.unwrap();
    snapshot.assets.read(&root.join("a.yaml"), "more/fly.toml").unwrap();
    write(root, &[("b.yaml", "edited")]);
    // Not a multiple of the time between two looks: one that is given up half-way would have seen the change that follows.
    assert!(tokio::time::timeout(Duration::from_secs(121), source.changed()).await.is_err());
    write(root, &[("more/fly.toml", "edited")]);
    soon(source.changed()).await;
}

#[tokio::test(start_paused = true)]
async fn what_changed_between_loading_and_waiting_is_noticed_at_once() {
    let folder = folder(&[("a.yaml", "a")]);
    let clock = clock();
    let source = DirectorySource::new([folder.path().to_owned()], Arc::clone(&clock)).polling();
    source.load().await.unwrap();
    write(folder.path(), &[("a.yaml", "longer")]);
    let before = clock.now();
    soon(source.changed()).await;
    assert_eq!(clock.now(), before);
}

/// In real time, because the operating system tells of changes when it likes.
#[tokio::test]
async fn the_operating_system_tells_of_changes_also_in_folders_that_are_made_anew() {
    let folder = folder(&[("sub/a.yaml", "a"), (".hangar/hangar.db", "x")]);
    let root = folder.path().to_owned();
    let source = Arc::new(DirectorySource::new([root.clone()], Arc::new(SystemClock)));
    source.load().await.unwrap();
    let limit = Duration::from_secs(20); // less than the time between two looks
    for text in ["longer", "even longer"] {
        let mut waiting = tokio::spawn({
            let source = Arc::clone(&source);
            async move { source.changed().await }
        });
        // Until the watch is there, our own reading and the controller's own writes do not count as changes.
        let settled = tokio::time::timeout(Duration::from_millis(300), &mut waiting).await;
        assert!(settled.is_err(), "nothing has changed");
        fs::remove_dir_all(root.join("sub")).unwrap();
        write(&root, &[("sub/a.yaml", text), (".hangar/hangar.db", text)]);
        tokio::time::timeout(limit, waiting).await.unwrap().unwrap();
        assert_eq!(contents(&source.load().await.unwrap(), &root), [("sub/a.yaml".to_owned(), text.to_owned())]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_description_names_what_was_given() {
    let source = DirectorySource::new(["specs/./chat-dev".into(), ".".into()], clock());
    assert_eq!(source.describe(), "specs/chat-dev, .");
}
