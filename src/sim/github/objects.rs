//! The objects of GitHub's answers.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::state::{Commit, Home, Pull, Repo, number_of};

/// Renders objects for callers that know the API at `base`.
pub(super) struct Objects<'a> {
    base: &'a str,
}

/// How much of a repository is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// As part of another object.
    Part,
    /// On its own.
    Full,
}

/// The addresses of a repository's parts: the field, and what comes behind the repository's own address.
const REPO_URLS: [(&str, &str); 37] = [
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    ("notifications_url", "/notifications{?since,all,participating}"),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
    ("url", ""),
];

/// The same for an account.
const USER_URLS: [(&str, &str); 10] = [
    ("url", ""),
    ("followers_url", "/followers"),
    ("following_url", "/following{/other_user}"),
    ("gists_url", "/gists{/gist_id}"),
    ("starred_url", "/starred{/owner}{/repo}"),
    ("subscriptions_url", "/subscriptions"),
    ("organizations_url", "/orgs"),
    ("repos_url", "/repos"),
    ("events_url", "/events{/privacy}"),
    ("received_events_url", "/received_events"),
];

impl<'a> Objects<'a> {
    pub(super) const fn new(base: &'a str) -> Self {
        Self { base }
    }

    /// Where people look at things.
    fn web(&self) -> &str {
        if self.base == "https://api.github.com" {
            return "https://github.com";
        }
        self.base.strip_suffix("/api/v3").unwrap_or(self.base)
    }

    /// The address of a repository in the API.
    pub(super) fn repo_url(&self, repo: &Repo) -> String {
        format!("{}/repos/{}", self.base, repo.full_name())
    }

    /// The page of a repository.
    pub(super) fn page(&self, repo: &Repo) -> String {
        format!("{}/{}", self.web(), repo.full_name())
    }

    pub(super) fn user(&self, login: &str) -> Value {
        let id = number_of("user", login);
        let mut user = Map::new();
        for (field, below) in USER_URLS {
            user.insert(field.to_owned(), Value::from(format!("{}/users/{login}{below}", self.base)));
        }
        let kind = if login.ends_with("[bot]") { "Bot" } else { "User" };
        let rest = json!({
            "login": login,
            "id": id,
            "node_id": format!("U_{id}"),
            "avatar_url": format!("{}/avatars/u/{id}", self.web()),
            "gravatar_id": "",
            "html_url": format!("{}/{login}", self.web()),
            "type": kind,
            "site_admin": false,
        });
        with(user, rest)
    }

    /// The account of the caller, as strangers see it.
    pub(super) fn account(&self, login: &str) -> Value {
        let Value::Object(user) = self.user(login) else { return Value::Null };
        let rest = json!({
            "name": login,
            "company": null,
            "blog": "",
            "location": null,
            "email": null,
            "hireable": null,
            "bio": null,
            "public_repos": 0,
            "public_gists": 0,
            "followers": 0,
            "following": 0,
            "created_at": "2020-01-01T00:00:00Z",
            "updated_at": "2020-01-01T00:00:00Z",
        });
        with(user, rest)
    }

    /// Somebody, as one who takes part in a repository.
    pub(super) fn collaborator(&self, login: &str, role: &str) -> Value {
        let Value::Object(user) = self.user(login) else { return Value::Null };
        let is = |roles: &[&str]| roles.contains(&role);
        let permissions = json!({
            "pull": !role.is_empty(),
            "triage": is(&["triage", "write", "admin"]),
            "push": is(&["write", "admin"]),
            "maintain": is(&["admin"]),
            "admin": is(&["admin"]),
        });
        with(user, json!({"role_name": role, "permissions": permissions}))
    }

    pub(super) fn repository(&self, repo: &Repo, detail: Detail) -> Value {
        let mut object = self.bare_repository(repo, repo.id, &repo.owner, false);
        if detail == Detail::Full
            && let Some(fields) = object.as_object_mut()
        {
            fields.insert("has_discussions".to_owned(), Value::from(false));
            fields.insert("network_count".to_owned(), Value::from(0));
            fields.insert("subscribers_count".to_owned(), Value::from(0));
        }
        object
    }

    /// A repository or a fork of it.
    fn bare_repository(&self, repo: &Repo, id: u64, owner: &str, fork: bool) -> Value {
        let full_name = format!("{owner}/{}", repo.name);
        let url = format!("{}/repos/{full_name}", self.base);
        let page = format!("{}/{full_name}", self.web());
        let mut object = Map::new();
        for (field, below) in REPO_URLS {
            object.insert(field.to_owned(), Value::from(format!("{url}{below}")));
        }
        let open = if fork { 0 } else { repo.pulls.values().filter(|pull| pull.is_open()).count() };
        let ssh = page.split_once("://").map_or(page.as_str(), |(_, rest)| rest).replacen('/', ":", 1);
        let rest = json!({
            "id": id,
            "node_id": format!("R_{id}"),
            "name": repo.name,
            "full_name": full_name,
            "owner": self.user(owner),
            "private": repo.private && !fork,
            "visibility": if repo.private && !fork { "private" } else { "public" },
            "html_url": page,
            "description": null,
            "fork": fork,
            "clone_url": format!("{page}.git"),
            "git_url": format!("git://{}.git", page.split_once("://").map_or("", |(_, rest)| rest)),
            "ssh_url": format!("git@{ssh}.git"),
            "svn_url": page,
            "homepage": null,
            "language": null,
            "mirror_url": null,
            "license": null,
            "default_branch": repo.default_branch,
            "archived": false,
            "disabled": false,
            "forks": 0,
            "forks_count": 0,
            "open_issues": open,
            "open_issues_count": open,
            "stargazers_count": 0,
            "watchers": 0,
            "watchers_count": 0,
            "size": 0,
            "has_issues": true,
            "has_projects": false,
            "has_wiki": false,
            "has_pages": false,
            "has_downloads": true,
            "created_at": moment(repo.created_at),
            "updated_at": moment(repo.pushed_at),
            "pushed_at": moment(repo.pushed_at),
        });
        with(object, rest)
    }

    /// A row of a list of pull requests. `here` is the repository as [`Self::repository`] shows it as a part.
    pub(super) fn pull(&self, repo: &Repo, here: &Value, pull: &Pull) -> Value {
        let url = self.repo_url(repo);
        let page = format!("{}/pull/{}", self.page(repo), pull.number);
        let (number, sha) = (pull.number, &pull.head.sha);
        let own = format!("{url}/pulls/{number}");
        let issue = format!("{url}/issues/{number}");
        let statuses = format!("{url}/statuses/{sha}");
        let links = json!({
            "self": {"href": own},
            "html": {"href": page},
            "issue": {"href": issue},
            "comments": {"href": format!("{issue}/comments")},
            "review_comments": {"href": format!("{own}/comments")},
            "review_comment": {"href": format!("{url}/pulls/comments{{/number}}")},
            "commits": {"href": format!("{own}/commits")},
            "statuses": {"href": statuses},
        });
        let head_owner = pull.head_owner(repo);
        let head_repo = match &pull.head.at {
            Home::Here => here.clone(),
            Home::Fork { id, owner } => self.bare_repository(repo, *id, owner, true),
            Home::Gone { .. } => Value::Null,
        };
        let addresses = json!({
            "url": own,
            "id": pull.id,
            "node_id": format!("PR_{}", pull.id),
            "html_url": page,
            "diff_url": format!("{page}.diff"),
            "patch_url": format!("{page}.patch"),
            "issue_url": issue,
            "commits_url": format!("{own}/commits"),
            "review_comments_url": format!("{own}/comments"),
            "review_comment_url": format!("{url}/pulls/comments{{/number}}"),
            "comments_url": format!("{issue}/comments"),
            "statuses_url": statuses,
            "_links": links,
        });
        let rest = json!({
            "number": number,
            "state": if pull.is_open() { "open" } else { "closed" },
            "locked": false,
            "title": pull.title,
            "user": self.user(&pull.author),
            "body": null,
            "labels": pull.labels.iter().map(|name| self.label(repo, name)).collect::<Vec<_>>(),
            "milestone": null,
            "active_lock_reason": null,
            "created_at": moment(pull.created_at),
            "updated_at": moment(pull.updated_at),
            "closed_at": pull.closed_at.map(moment),
            "merged_at": pull.merged_at.map(moment),
            "merge_commit_sha": pull.merge_commit,
            "assignee": null,
            "assignees": [],
            "requested_reviewers": [],
            "requested_teams": [],
            "head": {
                "label": format!("{head_owner}:{}", pull.head.branch),
                "ref": pull.head.branch,
                "sha": sha,
                "user": self.user(head_owner),
                "repo": head_repo,
            },
            "base": {
                "label": format!("{}:{}", repo.owner, pull.base),
                "ref": pull.base,
                "sha": pull.base_sha,
                "user": self.user(&repo.owner),
                "repo": here,
            },
            "author_association": pull.association,
            "auto_merge": null,
            "draft": pull.draft,
        });
        let Value::Object(row) = addresses else { return Value::Null };
        with(row, rest)
    }

    /// A pull request on its own.
    pub(super) fn whole_pull(&self, repo: &Repo, pull: &Pull, comments: usize) -> Value {
        let here = self.repository(repo, Detail::Part);
        let Value::Object(row) = self.pull(repo, &here, pull) else { return Value::Null };
        let merged = pull.merged_at.is_some();
        let rest = json!({
            "merged": merged,
            "mergeable": if pull.is_open() { Value::from(true) } else { Value::Null },
            "rebaseable": null,
            "mergeable_state": if pull.is_open() { "clean" } else { "unknown" },
            "merged_by": if merged { self.user(&repo.owner) } else { Value::Null },
            "comments": comments,
            "review_comments": 0,
            "maintainer_can_modify": false,
            "commits": 1,
            "additions": pull.files.len(),
            "deletions": 0,
            "changed_files": pull.files.len(),
        });
        with(row, rest)
    }

    pub(super) fn label(&self, repo: &Repo, name: &str) -> Value {
        let id = number_of("label", name);
        json!({
            "id": id,
            "node_id": format!("LA_{id}"),
            "url": format!("{}/labels/{}", self.repo_url(repo), name.replace(' ', "%20")),
            "name": name,
            "description": "",
            "color": "ededed",
            "default": false,
        })
    }

    pub(super) fn file(&self, repo: &Repo, pull: &Pull, name: &str) -> Value {
        let sha = &pull.head.sha;
        json!({
            "sha": sha,
            "filename": name,
            "status": "modified",
            "additions": 1,
            "deletions": 0,
            "changes": 1,
            "blob_url": format!("{}/blob/{sha}/{name}", self.page(repo)),
            "raw_url": format!("{}/raw/{sha}/{name}", self.page(repo)),
            "contents_url": format!("{}/contents/{name}?ref={sha}", self.repo_url(repo)),
        })
    }

    /// A row of a list of branches.
    pub(super) fn branch(&self, repo: &Repo, name: &str, sha: &str) -> Value {
        let commit = json!({"sha": sha, "url": format!("{}/commits/{sha}", self.repo_url(repo))});
        json!({"name": name, "commit": commit, "protected": false})
    }

    /// A branch on its own.
    pub(super) fn whole_branch(&self, repo: &Repo, name: &str, sha: &str, commit: &Commit) -> Value {
        let own = format!("{}/branches/{name}", self.repo_url(repo));
        json!({
            "name": name,
            "commit": self.commit(repo, sha, commit),
            "_links": {"self": own, "html": format!("{}/tree/{name}", self.page(repo))},
            "protected": false,
            "protection": {"enabled": false, "required_status_checks": {"enforcement_level": "off", "contexts": [], "checks": []}},
            "protection_url": format!("{own}/protection"),
        })
    }

    pub(super) fn commit(&self, repo: &Repo, sha: &str, commit: &Commit) -> Value {
        let url = format!("{}/commits/{sha}", self.repo_url(repo));
        let page = |sha: &str| format!("{}/commit/{sha}", self.page(repo));
        let parents: Vec<Value> = commit
            .parent
            .iter()
            .map(|parent| json!({"sha": parent, "url": format!("{}/commits/{parent}", self.repo_url(repo)), "html_url": page(parent)}))
            .collect();
        let signature = json!({"name": commit.author, "email": format!("{}@example.com", commit.author), "date": moment(commit.at)});
        json!({
            "url": url,
            "sha": sha,
            "node_id": format!("C_{sha}"),
            "html_url": page(sha),
            "comments_url": format!("{url}/comments"),
            "commit": {
                "url": format!("{}/git/commits/{sha}", self.repo_url(repo)),
                "author": signature,
                "committer": signature,
                "message": commit.message,
                "comment_count": 0,
                "tree": {"sha": sha, "url": format!("{}/git/trees/{sha}", self.repo_url(repo))},
                "verification": {"verified": false, "reason": "unsigned", "payload": null, "signature": null, "verified_at": null},
            },
            "author": self.user(&commit.author),
            "committer": self.user(&commit.author),
            "parents": parents,
        })
    }
}

/// A moment as GitHub writes it, without fractions of a second.
fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Both together.
fn with(mut object: Map<String, Value>, more: Value) -> Value {
    if let Value::Object(more) = more {
        object.extend(more);
    }
    Value::Object(object)
}
