#!/usr/bin/env node
/**
 * Hands a list of steps to orchestrd, waits for the result and prints it. Plain Node 18 or newer, no dependencies.
 *
 *     node workflow-runner.mjs --project ~/src/api steps.json
 *     node workflow-runner.mjs --project ~/src/api '["Write the test that shows the bug.", "Mend the bug."]'
 *     node workflow-runner.mjs --help
 *
 * It is also a model of how to write a client in any language: all it knows of orchestrd are the files that
 * handoff/PROTOCOL.md describes, and each function names the section that it follows. To build on it:
 *
 *     import { runWorkflow } from "./workflow-runner.mjs";
 *     const result = await runWorkflow({ project: "~/src/api", steps: ["Write the test.", "Make it pass."] });
 */

import { createHash, randomBytes, randomUUID } from "node:crypto";
import { realpathSync, watch } from "node:fs";
import { open, readdir, readFile, rename, stat, unlink } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** How often the root is looked at where no event tells of a change: events may get lost, looking cannot. */
const LOOK_MILLISECONDS = 500;
const BEATS = 3;

/** What a caller has to mend: a missing root, a plan that cannot be written down. */
export class UsageError extends Error {}

/** There is no result yet, and nobody waits any longer. The plan goes on: wait again with the same `key`. */
export class NotSettled extends Error {
  /** @param {string} plan its id  @param {"timeout" | "interrupted"} why */
  constructor(plan, why) {
    super(why === "timeout" ? `plan ${plan} has no result yet` : `no longer waiting for plan ${plan}`);
    Object.assign(this, { plan, why });
  }
}

/**
 * Hand steps in and wait for their result, the object that PROTOCOL 5 describes.
 *
 * `steps` are texts (each follows the one before it) or steps as PROTOCOL 4 has them; `fields` are any others of a
 * plan. Whoever may be cut off gives a `key` of their own: the same call again then waits for the same plan.
 */
export async function runWorkflow({ root, project, steps, title, key, fields, ...waiting }) {
  const plan = makePlan({ project, steps, title, key, fields });
  const submitted = await submitPlan(root ?? defaultRoot(), plan);
  waiting.tell?.(`plan ${submitted.id} is handed in, its key is ${plan.key}`);
  return waitForResult(root ?? defaultRoot(), submitted, waiting);
}

/** The root, where nobody names one (PROTOCOL 1). */
export function defaultRoot() {
  return expanded(process.env.ORCHESTRD_ROOT || "~/handoff");
}

/** A plan (PROTOCOL 4). What is left out has the protocol's defaults; what is wrong the daemon tells, with its line. */
export function makePlan({ project, steps, title, key = randomUUID(), fields = {} }) {
  const plan = { handoff: 1, ...fields, key };
  if (title) plan.title = title;
  if (project) plan.project = /^[/~]/.test(project) ? project : resolve(project);
  if (steps) plan.steps = Array.isArray(steps) ? steps.map(asStep) : steps;
  return plan;
}

function asStep(one, at, steps) {
  if (typeof one !== "string") return one;
  const before = at > 0 ? [steps[at - 1]?.id ?? `step-${at}`] : [];
  return { id: `step-${at + 1}`, prompt: one, needs: before };
}

/**
 * Put a plan into the inbox (PROTOCOL 2). It is on the disk, whole, when this returns.
 *
 * Returns how its result is recognised (PROTOCOL 3): the id, which a random name makes foreseeable, and three
 * properties that no other plan's result has together.
 */
export async function submitPlan(root, plan) {
  const words = (plan.title ?? "workflow").toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 50);
  const source = `${words.replace(/^-|-$/g, "") || "workflow"}-${randomBytes(4).toString("hex")}.plan.json`;
  const bytes = Buffer.from(`${JSON.stringify(plan, null, 2)}\n`);
  await publish(join(expanded(root), "inbox"), source, bytes);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { id: planId(source), source, sha256, key: plan.key };
}

/** The id that a file of this name gets in a root that has not had it yet (PROTOCOL 3). */
export function planId(name) {
  const bare = name.replace(/\.(toml|json|md)$/i, "").replace(/\.plan$/i, "");
  const letters = bare.replace(/[A-Z]/g, (letter) => letter.toLowerCase()).replace(/[^a-z0-9]+/g, "-");
  return letters.slice(0, 80).replace(/^-+|-+$/g, "") || "plan";
}

/** Give an order (PROTOCOL 7), for example `{ action: "cancel", plan: "ID" }`. */
export async function order(root, fields) {
  const name = `${fields.action}-${randomBytes(8).toString("hex")}.json`;
  await publish(join(expanded(root), "control"), name, Buffer.from(JSON.stringify({ key: randomUUID(), ...fields })));
}

/**
 * Wait for a plan's result. `tell` is given what happens meanwhile, line by line.
 *
 * Throws NotSettled after `timeoutSeconds`, or when `signal` is aborted; with `cancelOnAbort` the plan is then
 * cancelled instead, and waited for: what it has done until then is in its result.
 */
export async function waitForResult(root, submitted, { timeoutSeconds, signal, cancelOnAbort, tell = () => {} } = {}) {
  const where = expanded(root);
  const until = Date.now() + (timeoutSeconds ?? Infinity) * 1000;
  const lanes = watchLanes(where, signal);
  let wanted = { id: submitted.id, isIt: (result) => answers(result, submitted) };
  let toldUs = progressOf(where, wanted.id, tell);
  let cancelled = false;
  try {
    for (;;) {
      const result = await findResult(where, wanted);
      if (result && result.status !== "duplicate") return result;
      if (result) {
        // The same key was here before, perhaps handed in by us before we were cut off: that plan has the answer.
        wanted = { id: result.duplicate_of, isIt: (first) => first.key === submitted.key };
        toldUs = progressOf(where, wanted.id, tell);
        tell(`its key was here before: the answer is that of plan ${wanted.id}`);
        continue;
      }
      if (signal?.aborted && !cancelOnAbort) throw new NotSettled(wanted.id, "interrupted");
      if (signal?.aborted && !cancelled) {
        await order(where, { action: "cancel", plan: wanted.id, why: "interrupted by whoever waited for it" });
        tell(`plan ${wanted.id} is to be cancelled`);
        cancelled = true;
      }
      const left = until - Date.now();
      if (left <= 0) throw new NotSettled(wanted.id, "timeout");
      await toldUs();
      await lanes.change(Math.min(left, LOOK_MILLISECONDS));
    }
  } finally {
    lanes.close();
  }
}

/** Whether a result is the answer to this plan; of a file that was refused unread there is no checksum (PROTOCOL 5). */
function answers(result, { source, sha256 }) {
  return result.source === source && (result.sha256 ?? sha256) === sha256;
}

/** The id is somebody else's where they were quicker with that name: then ours is the next, or the one after. */
async function findResult(root, { id, isIt }) {
  for (let number = 1; ; number += 1) {
    const result = await readResult(root, number === 1 ? id : `${id}-${number}`);
    if (!result || isIt(result)) return result;
  }
}

/** A result is there whole or not at all. One that was consumed is still in the archive, by months (PROTOCOL 1, 5). */
async function readResult(root, id) {
  const found = await readJson(join(root, "results", `${id}.json`));
  if (found) return found;
  for (const month of await names(join(root, "archive"))) {
    const kept = /^\d{4}-\d\d$/.test(month) && (await readJson(join(root, "archive", month, id, "result.json")));
    if (kept) return kept;
  }
  // A plan in TOML or Markdown is answered in TOML, which is not read here. Only a key that was reused leads to one.
  const inToml = join(root, "results", `${id}.toml`);
  if (await isThere(inToml)) throw new UsageError(`the answer is in another language: ${inToml}`);
  return undefined;
}

/** Tell what changes in the daemon's and the plan's status (PROTOCOL 8) and what is asked for it (PROTOCOL 6). */
function progressOf(root, id, tell) {
  const told = new Map();
  const tellOnce = (about, line) => {
    if (line && told.get(about) !== line) tell(line);
    told.set(about, line);
  };
  return async () => {
    const daemon = await readJson(join(root, "status", "daemon.json"));
    const isAway = tellsOfAbsence(daemon);
    tellOnce("daemon", isAway ?? (daemon.state === "running" ? undefined : `the daemon is ${daemon.state}`));
    const plans = isAway ? [] : ((await readJson(join(root, "status", "plans.json")))?.plans ?? []);
    const plan = plans.find((one) => one.id === id);
    if (plan) tellOnce("state", inWords(plan));
    for (const run of plan?.runs ?? []) {
      const words = run.last_words?.split("\n")[0].slice(0, 100);
      tellOnce(run.step, words && `${run.step}: ${words}`);
    }
    for (const name of await names(join(root, "requests"))) {
      // No id has a dot in it: what begins with this one and a dot is about this plan.
      if (name.startsWith(`${id}.`) && !name.endsWith(".docs.md")) tellOnce(name, await asked(root, name));
    }
  };
}

function tellsOfAbsence(daemon) {
  const waits = "the plan waits in the inbox or goes on by itself; `orchestrd serve` starts one";
  if (!daemon || daemon.state === "stopped") return `no daemon serves this root: ${waits}`;
  const silent = (Date.now() - Date.parse(daemon.heartbeat)) / 1000;
  return silent > BEATS * daemon.beat_seconds ? `the daemon is away or stands still: ${waits}` : undefined;
}

function inWords({ state, waiting_for: what, until, runs = [] }) {
  if (state === "waiting") return `waiting for: ${what ?? "its turn"}${until ? `, until ${until}` : ""}`;
  const steps = runs.map((run) => (run.attempt > 1 ? `${run.step} (attempt ${run.attempt})` : run.step));
  return steps.length ? `${state}: ${steps.join(", ")}` : state;
}

/** What an approval or a question says, and how a file answers it. It is JSON, as its plan is (PROTOCOL 6). */
async function asked(root, name) {
  const request = name.endsWith(".json") && (await readJson(join(root, "requests", name)));
  if (!request) return undefined;
  const problem = request.problem ? ` (an answer did not fit: ${request.problem.message})` : "";
  const what =
    request.kind === "approval"
      ? `${request.step} wants to use ${request.tool}: ${request.input_json}`
      : request.questions?.map(inOneLine).join("; ");
  const answer = request.kind === "approval" ? '{"decision": "allow"} or {"decision": "deny"}' : '{"answer": "..."}';
  return `${request.kind}${problem}: ${what}\n  answer: write ${answer} to ${join(root, "replies", name)}`;
}

const inOneLine = ({ text, options = [] }) => [text, ...options.map(({ label }) => label)].join(" | ");

/** Wait until something happens in a lane, but not long. */
function watchLanes(root, signal) {
  let happened = false;
  let wake = () => {};
  const ring = () => {
    happened = true;
    wake();
  };
  signal?.addEventListener("abort", ring);
  const watchers = ["results", "requests", "status"].flatMap((lane) => {
    try {
      return [watch(join(root, lane), ring).on("error", () => {})];
    } catch {
      return []; // too many are watched on this machine: then looking has to do
    }
  });
  return {
    async change(milliseconds) {
      if (!happened) {
        let timer;
        await new Promise((done) => {
          wake = done;
          timer = setTimeout(done, milliseconds);
        });
        clearTimeout(timer);
      }
      happened = false;
    },
    close() {
      signal?.removeEventListener("abort", ring);
      for (const one of watchers) one.close();
    },
  };
}

/**
 * Write a file into a lane the right way (PROTOCOL 2): nobody sees it before it is whole, and once this returns a
 * power cut takes it away no more. Its name is ours alone, so the rename replaces nothing.
 */
async function publish(lane, name, bytes) {
  const temporary = join(lane, `.${name}.tmp`);
  const file = await open(temporary, "wx", 0o600).catch((error) => {
    if (error.code !== "ENOENT") throw error;
    throw new UsageError(`${lane} is not there: \`orchestrd init\` makes the root, --root names another`);
  });
  try {
    await file.writeFile(bytes);
    await file.sync();
    await rename(temporary, join(lane, name));
  } catch (error) {
    await unlink(temporary).catch(() => {}); // temporaries are their writer's to remove
    throw error;
  } finally {
    await file.close();
  }
  const folder = await open(lane, "r");
  await folder.sync().finally(() => folder.close());
}

/** The file's content; undefined where there is none. All that the daemon writes is replaced whole, never half. */
async function readJson(path) {
  const text = await readFile(path, "utf8").catch((error) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw error;
  });
  return text === undefined ? undefined : JSON.parse(text);
}

const names = (folder) => readdir(folder).catch(() => []);
const isThere = (path) => stat(path).then(() => true, () => false);
const expanded = (path) => resolve(path.replace(/^~(?=\/|$)/, homedir()));

// From here on: the command.

const HELP = `usage: workflow-runner.mjs [--project DIR] [options] [STEPS]

STEPS is a JSON list of steps, a whole plan as JSON, a file with one of these, or - for standard input.
A step is a text (it follows the one before it) or an object as handoff/PROTOCOL.md describes it, section 4.
Without STEPS an example is handed in: two steps look at the project, a third writes OVERVIEW.md.

  --project DIR          where the work is done
  --root DIR             the handoff root (ORCHESTRD_ROOT, ~/handoff)
  --title TEXT           what the plan is called
  --key KEY              the same key again: no second run, but the first one's result
  --timeout TIME         how long to wait: 90s, 45m, 1h30m; the plan goes on
  --cancel-on-interrupt  Ctrl-C cancels the plan; without it the plan goes on

The result goes to standard output as JSON, what happens meanwhile to standard error.
Exit: 0 the plan succeeded, 1 it did not, 2 wrong use, 3 timeout, 130 interrupted.
`;

const EXAMPLE = {
  title: "An overview",
  permissions: { mode: "acceptEdits" },
  accept: { changes: "expected" },
  steps: [
    { id: "parts", prompt: "Which parts does this project have, and what is each for?", permissions: { mode: "plan" } },
    { id: "use", prompt: "How is this project built, tested and used?", permissions: { mode: "plan" } },
    { id: "write", needs: ["parts", "use"], prompt: "Write what was found out into OVERVIEW.md, on one page." },
  ],
};

async function main(words) {
  const { options, plan } = await understand(words);
  if (options.help) return say(process.stdout, HELP, 0);
  const tell = (line) => say(process.stderr, `${line}\n`);
  const interrupt = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => interrupt.abort());
  try {
    const result = await runWorkflow({
      ...plan,
      root: options.root,
      timeoutSeconds: seconds(options.timeout),
      signal: interrupt.signal,
      cancelOnAbort: options["cancel-on-interrupt"],
      tell,
    });
    say(process.stdout, `${JSON.stringify(result, null, 2)}\n`);
    for (const line of ending(result, options.root ?? defaultRoot())) tell(line);
    return result.status === "succeeded" ? 0 : 1;
  } catch (error) {
    if (!(error instanceof NotSettled)) throw error;
    tell(`${error.message}; it goes on. The same call with --key ${plan.key} waits for it again.`);
    return error.why === "timeout" ? 3 : 130;
  }
}

async function understand(words) {
  const text = { type: "string" };
  const flag = { type: "boolean", default: false };
  const options = { project: text, root: text, title: text, key: text, timeout: text };
  const { values, positionals } = parseArgs({
    args: words,
    options: { ...options, "cancel-on-interrupt": flag, help: { ...flag, short: "h" } },
    allowPositionals: true,
  });
  if (positionals.length > 1) throw new UsageError("one argument at most: the steps, or a file that holds them");
  const { steps, title, key, project, ...fields } = await readSteps(positionals[0]);
  const given = { project: values.project ?? project, title: values.title ?? title, key: values.key ?? key };
  if (!given.project && !values.help) throw new UsageError("where is it to be done? --project DIR");
  return { options: values, plan: { ...given, key: given.key ?? randomUUID(), steps, fields } };
}

async function readSteps(argument) {
  if (argument === undefined) return EXAMPLE;
  const isText = /^\s*[[{]/.test(argument);
  const text = isText ? argument : await readFile(argument === "-" ? "/dev/stdin" : argument, "utf8");
  const found = JSON.parse(text);
  if (typeof found !== "object" || found === null) throw new UsageError("a list of steps, or a plan, is expected");
  return Array.isArray(found) ? { steps: found } : found;
}

function seconds(duration) {
  if (duration === undefined) return undefined;
  const parts = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?$/.exec(duration);
  if (!duration || !parts) throw new UsageError(`--timeout ${duration}: 90s, 45m, 1h30m are times`);
  return Number(parts[1] ?? 0) * 3600 + Number(parts[2] ?? 0) * 60 + Number(parts[3] ?? 0);
}

/** What a person wants to know at the end. */
function* ending(result, root) {
  yield `${result.plan}: ${[result.status, result.reason, result.verdict].filter(Boolean).join(", ")}`;
  for (const { path, line, message, hint } of result.errors ?? []) {
    yield `  ${line ? `line ${line}, ` : ""}${path || "the file"}: ${message}${hint ? ` (expected: ${hint})` : ""}`;
  }
  if (result.changes?.branch) yield `  its work is on the branch ${result.changes.branch}`;
  if (result.docs?.request && !result.docs.reply) {
    yield `  documentation is asked for: ${join(expanded(root), result.docs.request)} says what to write, and where`;
  }
}

function say(stream, text, code) {
  stream.write(text);
  return code;
}

function isCalled() {
  try {
    return realpathSync(process.argv[1]) === fileURLToPath(import.meta.url);
  } catch {
    return false; // imported by what is no file
  }
}

if (isCalled()) {
  process.exitCode = await main(process.argv.slice(2)).catch((error) => {
    const isOurs = error instanceof UsageError || error instanceof SyntaxError || error.code;
    return say(process.stderr, `workflow-runner: ${isOurs ? error.message : error.stack}\n`, 2);
  });
}
