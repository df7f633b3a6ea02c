/**
 * Runs one suite against a server that is up: `node e2e/run.mjs --suite NAME --url URL [--slots N] [--fps N] [--seconds N]`.
 * Prints what was measured as one line of JSON; ends with 1 and the reason when the suite fails, with 2 when it was called wrongly.
 */
import { parseArgs } from "node:util";
import { dragAndDrop } from "./drag.mjs";
import { hlsLowLatency } from "./hls.mjs";
import { rightToLeft } from "./rtl.mjs";
import { shots } from "./shots.mjs";
import { wallSwitch } from "./switch.mjs";
import { wallAlive } from "./wall.mjs";

/** Displayed frames per second that count as 5 after the 0.8 of the liveness rule. */
const FIVE_FPS = 6.25;

const SUITES = {
  wall: (o) => wallAlive({ slots: 16, fps: FIVE_FPS, ...o }),
  "wall-64": (o) => wallAlive({ slots: 64, fps: FIVE_FPS, settle: 60, ...o }),
  "wall-switch": wallSwitch,
  "drag-drop": dragAndDrop,
  rtl: rightToLeft,
  hls: ({ url, ...o }) => hlsLowLatency({ playlist: url, ...o }),
  shots,
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
  },
});
const suite = SUITES[values.suite];
if (suite === undefined || values.url === undefined) {
  console.error(`usage: node e2e/run.mjs --suite ${Object.keys(SUITES).join("|")} --url URL`);
  process.exit(2);
}
const { suite: name, ...rest } = values;
const numbers = new Set(["slots", "fps", "seconds", "settle", "rounds"]);
const options = Object.fromEntries(
  Object.entries(rest).map(([key, value]) => [key, numbers.has(key) ? Number(value) : value]),
);
try {
  console.log(JSON.stringify({ suite: name, ...(await suite(options)) }));
} catch (error) {
  console.error(`${name}: ${error instanceof Error ? error.message : error}`);
  process.exit(1);
}
