// What a user of @octokit/rest does with pull requests, against `hangar sim`: unmodified, with nothing but another address.
//
//   node octokit.mjs PATH-OF-HANGAR

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { Octokit } from "@octokit/rest";

const [hangar = "hangar"] = process.argv.slice(2);
const owner = "acme";
const repo = "chat";
const OPEN = 35;

/** Starts the simulator on a free port, and returns its address and how to end it. */
async function simulator() {
  const child = spawn(hangar, ["sim", "--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.on("exit", resolve));
  for await (const line of createInterface({ input: child.stdout })) {
    const found = /simulated at (http:\/\/127\.0\.0\.1:\d+)/.exec(line);
    if (found) {
      const end = async () => {
        child.kill("SIGTERM");
        await ended;
      };
      return { baseUrl: found[1], end };
    }
  }
  throw new Error("the simulator ended before it said where it is");
}

/** Somebody acts in the repository, beside the API. */
async function act(baseUrl, method, path, body) {
  const answer = await fetch(`${baseUrl}/_sim/github/${owner}/${repo}${path}`, {
    method,
    body: body && JSON.stringify(body),
  });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${await answer.clone().text()}`);
  return answer.status === 204 ? undefined : answer.json();
}

/** The request fails as Octokit's errors do, with this status. */
async function fails(status, request) {
  await assert.rejects(request, (error) => {
    assert.equal(error.name, "HttpError");
    assert.equal(error.status, status);
    assert.ok(error.response, "the error has its response");
    return true;
  });
}

const quiet = { debug() {}, info() {}, warn() {}, error() {} };

const steps = {
  async "all open pull requests, over several pages"({ octokit }) {
    const asked = [];
    octokit.hook.before("request", (options) => void asked.push(options.url));
    const pulls = await octokit.paginate(octokit.rest.pulls.list, { owner, repo, state: "open", per_page: 10 });
    assert.equal(pulls.length, OPEN);
    assert.equal(new Set(pulls.map((pull) => pull.number)).size, OPEN);
    assert.equal(asked.length, 4, "four pages of ten");
  },

  async "one pull request"({ octokit }) {
    const { data } = await octokit.rest.pulls.get({ owner, repo, pull_number: 1 });
    assert.deepEqual([data.number, data.state, data.head.ref, data.base.ref], [1, "open", "work-1", "main"]);
    assert.deepEqual(data.labels.map((label) => label.name), ["preview"]);
    assert.match(data.head.sha, /^[0-9a-f]{40}$/);
  },

  async "a comment that is made, found and edited"({ octokit }) {
    const issue = { owner, repo, issue_number: 1 };
    const made = await octokit.rest.issues.createComment({ ...issue, body: "deploying" });
    assert.equal(made.status, 201);
    await octokit.rest.issues.updateComment({ owner, repo, comment_id: made.data.id, body: "ready" });
    const { data } = await octokit.rest.issues.listComments(issue);
    assert.deepEqual(data.map((comment) => [comment.id, comment.body]), [[made.data.id, "ready"]]);
  },

  async "a deployment with its statuses"({ octokit }) {
    const { data: pull } = await octokit.rest.pulls.get({ owner, repo, pull_number: 2 });
    const made = await octokit.rest.repos.createDeployment({
      owner,
      repo,
      ref: pull.head.sha,
      environment: "pr-2",
      auto_merge: false,
      required_contexts: [],
      transient_environment: true,
    });
    assert.equal(made.status, 201);
    const deployment = { owner, repo, deployment_id: made.data.id };
    for (const state of ["in_progress", "success"]) {
      const environment_url = "https://pr-2.example.com";
      const status = await octokit.rest.repos.createDeploymentStatus({ ...deployment, state, environment_url });
      assert.equal(status.data.state, state);
    }
    const { data: statuses } = await octokit.rest.repos.listDeploymentStatuses(deployment);
    assert.deepEqual(statuses.map((status) => status.state), ["success", "in_progress"]);
    const { data: listed } = await octokit.rest.repos.listDeployments({ owner, repo, environment: "pr-2" });
    assert.deepEqual(listed.map((each) => each.id), [made.data.id]);
  },

  async "statuses of a commit"({ octokit }) {
    const { data: pull } = await octokit.rest.pulls.get({ owner, repo, pull_number: 3 });
    const commit = { owner, repo, sha: pull.head.sha };
    await octokit.rest.repos.createCommitStatus({ ...commit, state: "pending", context: "preview" });
    await octokit.rest.repos.createCommitStatus({ ...commit, state: "success", context: "preview" });
    const { data } = await octokit.rest.repos.getCombinedStatusForRef({ owner, repo, ref: pull.head.sha });
    assert.equal(data.state, "success");
    assert.deepEqual(data.statuses.map((status) => [status.context, status.state]), [["preview", "success"]]);
  },

  async "branches"({ octokit }) {
    const branches = await octokit.paginate(octokit.rest.repos.listBranches, { owner, repo, per_page: 20 });
    assert.equal(branches.length, OPEN + 1);
    const { data } = await octokit.rest.repos.getBranch({ owner, repo, branch: "main" });
    assert.equal(data.commit.sha, branches.find((branch) => branch.name === "main").commit.sha);
  },

  async "what has not changed is answered with 304"({ octokit, baseUrl }) {
    const ask = (headers) => octokit.rest.pulls.get({ owner, repo, pull_number: 4, headers });
    const { headers } = await ask({});
    await fails(304, ask({ "if-none-match": headers.etag }));
    await act(baseUrl, "POST", "/pulls/4/push");
    const changed = await ask({ "if-none-match": headers.etag });
    assert.notEqual(changed.headers.etag, headers.etag);
  },

  async "errors with the statuses of GitHub"({ octokit, baseUrl }) {
    await fails(404, octokit.rest.pulls.get({ owner, repo, pull_number: 99999 }));
    const stranger = new Octokit({ auth: "ghp_nobody_knows_this", baseUrl, log: quiet });
    await fails(401, stranger.rest.pulls.list({ owner, repo }));
    await fails(422, octokit.rest.issues.createComment({ owner, repo, issue_number: 1, body: " " }));
    await fails(422, octokit.rest.repos.createCommitStatus({ owner, repo, sha: "0".repeat(40), state: "success" }));
  },

  async "what was closed is not listed any more"({ octokit, baseUrl }) {
    await act(baseUrl, "POST", "/pulls/5/close");
    const { data } = await octokit.rest.pulls.get({ owner, repo, pull_number: 5 });
    assert.equal(data.state, "closed");
    const open = await octokit.paginate(octokit.rest.pulls.list, { owner, repo, state: "open", per_page: 100 });
    assert.equal(open.length, OPEN - 1);
  },
};

const { baseUrl, end } = await simulator();
try {
  await act(baseUrl, "PUT", "");
  for (let number = 1; number <= OPEN; number += 1) {
    await act(baseUrl, "POST", "/pulls", { branch: `work-${number}`, author: "ann", labels: ["preview"] });
  }
  for (const [name, step] of Object.entries(steps)) {
    await step({ baseUrl, octokit: new Octokit({ auth: "sim_demo", baseUrl, log: quiet }) });
    console.log(`ok: ${name}`);
  }
  console.log(`shown: @octokit/rest: ${Object.keys(steps).length} uses of GitHub's API work unmodified`);
} finally {
  await end();
}
