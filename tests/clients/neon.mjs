// What users of neonctl and @neondatabase/api-client do with branches, against `hangar sim`: unmodified, with nothing but another address.
//
//   node neon.mjs PATH-OF-HANGAR

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createApiClient } from "@neondatabase/api-client";

const [hangar = "hangar"] = process.argv.slice(2);
const project = "quiet-river-100001";
const here = dirname(fileURLToPath(import.meta.url));

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
      return { baseUrl: `${found[1]}/api/v2`, end };
    }
  }
  throw new Error("the simulator ended before it said where it is");
}

/** The request fails as the client's errors do, with this status. */
async function fails(status, request) {
  await assert.rejects(request, (error) => {
    assert.equal(error.response?.status, status);
    assert.equal(typeof error.response.data.message, "string");
    return true;
  });
}

/** Until no operation of the project runs any more. */
async function rest(neon) {
  for (;;) {
    const { data } = await neon.listProjectOperations({ projectId: project, limit: 10 });
    if (data.operations.every((operation) => operation.status === "finished")) {
      return;
    }
    await pause(100);
  }
}

const steps = {
  async "api-client: a branch that is made, awaited and deleted"({ neon }) {
    const made = await neon.createProjectBranch(project, {
      branch: { name: "preview/one" },
      endpoints: [{ type: "read_write" }],
      annotation_value: { "github-commit-ref": "one" },
    });
    assert.equal(made.status, 201);
    const { branch, operations, connection_uris: uris } = made.data;
    assert.deepEqual(operations.map((one) => one.action), ["create_branch", "start_compute"]);
    assert.equal(uris.length, 1);
    await fails(423, neon.createProjectBranch(project, { branch: { name: "preview/other" } }));
    await rest(neon);
    await fails(409, neon.createProjectBranch(project, { branch: { name: "preview/one" } }));
    const { data } = await neon.getProjectBranch(project, branch.id);
    assert.equal(data.branch.current_state, "ready");
    assert.deepEqual(data.annotation.value, { "github-commit-ref": "one" });
    const { data: uri } = await neon.getConnectionUri({
      projectId: project,
      branch_id: branch.id,
      database_name: "neondb",
      role_name: "neondb_owner",
      pooled: true,
    });
    assert.match(uri.uri, /^postgresql:\/\/neondb_owner:.+-pooler\./);
    // The form of the arguments has changed within one minor version.
    const remove = () => neon.deleteProjectBranch({ projectId: project, branchId: branch.id });
    assert.equal((await remove()).status, 200);
    await rest(neon);
    assert.equal((await remove()).status, 204);
  },

  async "api-client: all branches, over several pages"({ neon }) {
    for (const name of ["a", "b", "c"]) {
      await neon.createProjectBranch(project, { branch: { name } });
      await rest(neon);
    }
    const names = [];
    let cursor;
    do {
      const { data } = await neon.listProjectBranches({ projectId: project, limit: 2, cursor });
      names.push(...data.branches.map((branch) => branch.name));
      cursor = data.pagination.next;
    } while (cursor);
    assert.deepEqual(names.sort(), ["a", "b", "c", "main"]);
  },

  async "neonctl: who it is, and which projects there are"({ ctl }) {
    assert.equal((await ctl("me")).login, "hangar-bot");
    const [org] = await ctl("orgs", "list");
    const listed = await ctl("projects", "list", "--org-id", org.id);
    assert.deepEqual((listed.projects ?? listed).map((one) => one.id), [project]);
  },

  async "neonctl: branches that are made, listed, reset and deleted"({ ctl, neon }) {
    const made = await ctl("branches", "create", "--name", "preview/two", "--project-id", project);
    assert.equal(made.branch.name, "preview/two");
    await rest(neon);
    const found = await ctl("branches", "get", "preview/two", "--project-id", project);
    assert.equal(found.id, made.branch.id);
    const names = (await ctl("branches", "list", "--project-id", project)).map((branch) => branch.name);
    assert.ok(names.includes("preview/two") && names.includes("main"), names.join());
    await ctl("branches", "reset", "preview/two", "--parent", "--project-id", project);
    await rest(neon);
    await ctl("branches", "delete", "preview/two", "--project-id", project);
    await rest(neon);
  },

  async "neonctl: a branch that is restored to a moment of its own, and again from what was preserved"({ ctl, neon }) {
    const at = ["--project-id", project];
    await ctl("branches", "create", "--name", "preview/four", ...at);
    await rest(neon);
    const moment = new Date().toISOString();
    await pause(1100);
    const restored = await ctl("branches", "restore", "preview/four", `^self@${moment}`, "--preserve-under-name", "kept", ...at);
    assert.deepEqual([restored.restored_branch.name, restored.backup_branch.name], ["preview/four", "kept"]);
    assert.equal(restored.restored_branch.parent_id, restored.backup_branch.id);
    await rest(neon);
    // What was preserved is the parent now, and cannot go.
    await assert.rejects(ctl("branches", "delete", "kept", ...at));
    const again = await ctl("branches", "restore", "preview/four", "^parent", ...at);
    assert.equal(again.restored_from, restored.backup_branch.id);
    await rest(neon);
    await ctl("branches", "delete", "preview/four", ...at);
    await rest(neon);
    await ctl("branches", "delete", "kept", ...at);
    await rest(neon);
  },

  async "neonctl: roles, databases and how to connect"({ ctl, neon }) {
    await ctl("branches", "create", "--name", "three", "--project-id", project);
    await rest(neon);
    const at = ["--project-id", project, "--branch", "three"];
    await ctl("roles", "create", "--name", "app", ...at);
    await rest(neon);
    await ctl("databases", "create", "--name", "app", "--owner-name", "app", ...at);
    await rest(neon);
    assert.deepEqual((await ctl("databases", "list", ...at)).map((one) => one.name).sort(), ["app", "neondb"]);
    const uri = await ctl("connection-string", "three", "--project-id", project, "--role-name", "app", "--database-name", "app");
    assert.match(uri.connection_string ?? uri, /^postgresql:\/\/app:npg_\w+@ep-/);
  },
};

const { baseUrl, end } = await simulator();
const settings = await mkdtemp(join(tmpdir(), "neonctl-"));
const run = promisify(execFile);
const neon = createApiClient({ apiKey: "sim_demo", baseURL: baseUrl });
const given = ["--api-host", baseUrl, "--api-key", "sim_demo", "--config-dir", settings, "--no-analytics", "--no-color", "--output", "json"];
const program = join(here, "node_modules/.bin/neonctl");
const ctl = async (...words) => {
  const env = { ...process.env, CI: "1" };
  delete env.NEON_API_KEY;
  const { stdout } = await run(process.execPath, [program, ...words, ...given], { cwd: settings, env });
  try {
    return JSON.parse(stdout);
  } catch {
    return stdout.trim();
  }
};
try {
  for (const [name, step] of Object.entries(steps)) {
    await step({ neon, ctl });
    console.log(`ok: ${name}`);
  }
  console.log(`shown: neonctl and @neondatabase/api-client: ${Object.keys(steps).length} uses of Neon's API work unmodified`);
} finally {
  await end();
  await rm(settings, { recursive: true, force: true });
}
