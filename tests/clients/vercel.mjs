// What users of the Vercel CLI and of @vercel/sdk do with variables, domains and deployments, against `hangar sim`: unmodified, with nothing
// but another address.
//
//   node vercel.mjs PATH-OF-HANGAR

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Vercel } from "@vercel/sdk";

const [hangar = "hangar"] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const token = "sim_demo";

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
      return { api: found[1], end };
    }
  }
  throw new Error("the simulator ended before it said where it is");
}

/** A repository that the project `web` is connected with, and a branch `login` with a pull request in it. */
async function pushed(api) {
  const repository = `${api}/_sim/github/acme/web`;
  await fetch(repository, { method: "PUT" });
  const opened = await fetch(`${repository}/pulls`, { method: "POST", body: JSON.stringify({ branch: "login" }) });
  assert.ok(opened.ok, await opened.text());
}

/** A folder that is linked with the project `web`, and the CLI in it. */
async function linked(api) {
  const folder = await mkdtemp(join(tmpdir(), "hangar-vercel-"));
  const answer = await fetch(`${api}/v9/projects/web?slug=acme`, { headers: { authorization: `Bearer ${token}` } });
  const project = await answer.json();
  await mkdir(join(folder, ".vercel"));
  const link = { projectId: project.id, orgId: project.accountId, projectName: "web" };
  await writeFile(join(folder, ".vercel", "project.json"), JSON.stringify(link));
  const env = { PATH: process.env.PATH, HOME: folder, CI: "1", VERCEL_TELEMETRY_DISABLED: "1", NO_UPDATE_NOTIFIER: "1" };
  const program = join(here, "node_modules", ".bin", "vercel");
  const run = (args, input = "") =>
    new Promise((resolve, reject) => {
      const all = ["--api", api, "--token", token, "--scope", "acme", ...args];
      const child = execFile(program, all, { cwd: folder, env, timeout: 60_000 }, (error, stdout, stderr) => {
        const said = `${stdout}\n${stderr}`;
        if (error) {
          reject(new Error(`vercel ${args.join(" ")}: ${said}`));
        } else {
          resolve(said);
        }
      });
      child.stdin.end(input);
    });
  return { run, project, clean: () => rm(folder, { recursive: true, force: true }) };
}

const steps = {
  async "vercel: who it is"({ cli }) {
    assert.match(await cli.run(["whoami"]), /hangar/);
  },
  async "vercel: variables of a branch that are added, listed and removed"({ cli }) {
    await cli.run(["env", "add", "API_URL", "preview", "login"], "https://api.acme.dev");
    assert.match(await cli.run(["env", "ls", "preview"]), /API_URL[^\n]*login/);
    await assert.rejects(cli.run(["env", "add", "API_URL", "preview", "login"], "https://other.acme.dev"));
    await cli.run(["env", "rm", "API_URL", "preview", "login", "--yes"]);
    assert.doesNotMatch(await cli.run(["env", "ls", "preview"]), /API_URL/);
  },
  async "vercel: domains of the team"({ cli }) {
    assert.match(await cli.run(["domains", "ls"]), /0 Domains found under acme/);
  },
  async "vercel: a domain that is added to a project, inspected and removed"({ cli, sdk, project }) {
    assert.match(await cli.run(["domains", "add", "preview.acme.dev", "web"]), /preview\.acme\.dev added to project web/);
    await assert.rejects(cli.run(["domains", "add", "preview.acme.dev", "web"]));
    assert.match(await cli.run(["domains", "inspect", "acme.dev"]), /web\s+preview\.acme\.dev/);
    await cli.run(["domains", "rm", "acme.dev", "--yes"]);
    assert.match(await cli.run(["domains", "ls"]), /0 Domains found under acme/);
    const { domains } = await sdk.projects.getProjectDomains({ idOrName: project.id, slug: "acme" });
    assert.deepEqual(domains, []);
  },
  async "vercel: a deployment that is listed and inspected"({ cli, sdk, project }) {
    const gitSource = { type: "github", org: "acme", repo: "web", ref: "login" };
    const made = await sdk.deployments.createDeployment({ slug: "acme", requestBody: { name: "web", project: project.id, gitSource } });
    for (let seconds = 0; ; seconds += 1) {
      const { deployments } = await sdk.deployments.getDeployments({ slug: "acme", projectId: project.id });
      if (deployments.some((deployment) => deployment.uid === made.id && deployment.state === "READY")) {
        break;
      }
      assert.ok(seconds < 120, "the deployment was not ready in two minutes");
      await pause(1000);
    }
    assert.match(await cli.run(["list"]), /Ready/);
    assert.match(await cli.run(["inspect", made.id]), /Ready/);
  },
  async "@vercel/sdk: variables and domains of a project"({ sdk, project }) {
    const variable = { key: "FLAG", value: "on", type: "plain", target: ["preview"], gitBranch: "login" };
    await sdk.projects.createProjectEnv({ idOrName: project.id, slug: "acme", upsert: "true", requestBody: [variable] });
    const { envs } = await sdk.projects.filterProjectEnvs({ idOrName: project.id, slug: "acme" });
    assert.deepEqual(envs.map((env) => [env.key, env.gitBranch]), [["FLAG", "login"]]);
    const domain = { name: "login.preview.acme.dev", gitBranch: "login" };
    const added = await sdk.projects.addProjectDomain({ idOrName: project.id, slug: "acme", requestBody: domain });
    assert.equal(added.gitBranch, "login");
    await sdk.projects.removeProjectDomain({ idOrName: project.id, slug: "acme", domain: domain.name });
  },
};

const sim = await simulator();
await pushed(sim.api);
const cli = await linked(sim.api);
const sdk = new Vercel({ bearerToken: token, serverURL: sim.api });
try {
  for (const [name, step] of Object.entries(steps)) {
    await step({ cli, sdk, project: cli.project });
    console.log(`ok: ${name}`);
  }
  console.log(`shown: vercel and @vercel/sdk: ${Object.keys(steps).length} uses of Vercel's API work unmodified`);
} finally {
  await cli.clean();
  await sim.end();
}
