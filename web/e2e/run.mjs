/**
 * Runs one suite against a server that is up: `node e2e/run.mjs --suite NAME --url URL [--slots N] [--fps N] [--seconds N]`.
 * The URL is the server's, for `hls` the playlist's, for `whep` the endpoint's.
 * With `--expect-fault PATTERN` the suite must fail, and for that reason: so a check proves that it can go red.
 * Prints what was measured as one line of JSON; ends with 1 and the reason when the suite fails, with 2 when it was called wrongly.
 */
import { parseArgs } from "node:util";
import { dragAndDrop } from "./drag.mjs";
import { hlsLowLatency } from "./hls.mjs";
import { rightToLeft } from "./rtl.mjs";
import { shots } from "./shots.mjs";
import { wallSwitch } from "./switch.mjs";
import { wallAlive } from "./wall.mjs";
import { watch } from "./watch.mjs";
import { whep } from "./whep.mjs";

/** Displayed frames per second that count as 5 after the 0.8 of the liveness rule. */
const FIVE_FPS = 6.25;

const SUITES = {
  wall: (o) => wallAlive({ slots: 16, fps: FIVE_FPS, ...o }),
  "wall-64": (o) => wallAlive({ slots: 64, fps: FIVE_FPS, settle: 60, ...o }),
  "wall-switch": wallSwitch,
  "drag-drop": dragAndDrop,
  rtl: rightToLeft,
  hls: ({ url, ...o }) => hlsLowLatency({ playlist: url, ...o }),
  whep: ({ url, ...o }) => whep({ endpoint: url, ...o }),
  shots,
  watch,
};

const { values } = parseArgs({
  options: {
    suite: { type: "string" },
    url: { type: "string" },
    slots: { type: "string" },
    fps: { type: "string" },
    seconds: { type: "string" },
    settle: { type: "string" },
    rounds: { type: "string" },
    out: { type: "string" },
    only: { type: "string" },
    screenshot: { type: "string" },
    "expect-fault": { type: "string" },
  },
});
const suite = SUITES[values.suite];
if (suite === undefined || values.url === undefined) {
  console.error(`usage: node e2e/run.mjs --suite ${Object.keys(SUITES).join("|")} --url URL`);
  process.exit(2);
}
const { suite: name, "expect-fault": expected, ...rest } = values;
const numbers = new Set(["slots", "fps", "seconds", "settle", "rounds"]);
const options = Object.fromEntries(
  Object.entries(rest).map(([key, value]) => [key, numbers.has(key) ? Number(value) : value]),
);

function fail(reason) {
  console.error(`${name}: ${reason}`);
  process.exit(1);
}

let fault = null;
try {
  console.log(JSON.stringify({ suite: name, ...(await suite(options)) }));
} catch (error) {
  fault = error instanceof Error ? error.message : String(error);
}
if (expected === undefined && fault !== null) fail(fault);
if (expected !== undefined && fault === null) fail(`passes, but should fail with ${expected}`);
if (expected !== undefined && !new RegExp(expected).test(fault))
  fail(`fails for another reason than ${expected}: ${fault}`);
if (expected !== undefined) console.log(JSON.stringify({ suite: name, red: fault.split("\n").slice(0, 4) }));
