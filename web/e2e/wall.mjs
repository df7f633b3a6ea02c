/** Whether a wall lives, by what it displays, and whether each tile shows the camera it names. */
import { camerasOf, check, wallUrl, withBrowser, withPage } from "./browser.mjs";
import { colourOf, counted, numberOf, readTiles, sameColour } from "./picture.mjs";

const SETTLE_S = 30;
/** The counter runs at the camera's rate whatever the browser displays. */
const CAMERA_FPS = 15;

/** What keeps a tile from counting as alive between two readings; empty when it is. */
export function faultsOf(before, after, { fps, seconds }) {
  const faults = [];
  const frames = after.displayed - before.displayed;
  const needed = 0.8 * fps * seconds;
  if (after.state !== "live") faults.push(`its state says ${after.state}`);
  if (after.covered) faults.push("it is covered");
  if (frames < needed)
    faults.push(`displayed ${frames} frames in ${seconds.toFixed(1)} s, ${needed.toFixed(0)} needed`);
  if (!(after.time > before.time)) faults.push("its time stands still");
  if (before.picture === null || after.picture === null) faults.push("it has no picture");
  else {
    const moved = counted(before.picture.counter, after.picture.counter);
    if (moved < 0.5 * CAMERA_FPS * seconds || moved > 2 * CAMERA_FPS * seconds + CAMERA_FPS) {
      faults.push(`the burnt-in counter went from ${before.picture.counter} to ${after.picture.counter}`);
    }
  }
  return faults;
}

/** Why a tile does not show the camera it names; null when it does, or when nothing tells. */
export function mistaken(tile, camera) {
  const number = numberOf(camera);
  if (number === null || tile.picture === null)
    return number === null ? null : "no picture to tell its camera from";
  if (tile.picture.camera === 0 && tile.width > 640) return null; // a shared main scene carries no number
  if (tile.picture.camera !== number) return `shows camera ${tile.picture.camera}, its name says ${number}`;
  const colour = colourOf(number);
  return sameColour(tile.picture.colour, colour)
    ? null
    : `has the colour ${tile.picture.colour}, its camera's is ${colour}`;
}

/** Waits until every tile says LIVE; does not fail when some never do, the check after it says which. */
export async function settled(page, seconds = SETTLE_S) {
  const begin = Date.now();
  await page
    .waitForFunction(
      () => {
        const tiles = [...document.querySelectorAll('[data-testid="tile"]')];
        return tiles.length > 0 && tiles.every((tile) => tile.dataset.state === "live");
      },
      null,
      { timeout: seconds * 1_000, polling: 100 },
    )
    .catch(() => undefined);
  return (Date.now() - begin) / 1_000;
}

/** Two readings some seconds apart, judged. */
export async function judge(page, cameras, { slots, fps, seconds }) {
  const begin = performance.now();
  const before = await page.evaluate(readTiles);
  await page.waitForTimeout(seconds * 1_000);
  const after = await page.evaluate(readTiles);
  const passed = (performance.now() - begin) / 1_000;
  const faults = [];
  if (after.length !== slots) faults.push(`${after.length} tiles are on the wall, not ${slots}`);
  const rates = [];
  for (const tile of after) {
    const earlier = before.find((t) => t.cell === tile.cell && t.id === tile.id);
    const name = `tile ${tile.cell} (${cameras.get(tile.id)?.name ?? tile.id})`;
    if (earlier === undefined) {
      faults.push(`${name}: changed while it was watched`);
      continue;
    }
    rates.push((tile.displayed - earlier.displayed) / passed);
    for (const fault of faultsOf(earlier, tile, { fps, seconds: Math.min(passed, seconds) }))
      faults.push(`${name}: ${fault}`);
    const wrong = mistaken(tile, cameras.get(tile.id));
    if (wrong !== null) faults.push(`${name}: ${wrong}`);
  }
  rates.sort((a, b) => a - b);
  return { faults, alive: rates.length, fps: { min: rates[0] ?? 0, median: rates[rates.length >> 1] ?? 0 } };
}

/**
 * Opens a wall of `slots` tiles and requires each to be alive at `fps` displayed frames per second for `seconds`, and to show
 * the camera it names. Returns what was measured; throws with every reason.
 */
export async function wallAlive({ url, slots = 16, fps = 15, seconds = 3, settle = SETTLE_S, screenshot }) {
  const cameras = await camerasOf(url);
  return withBrowser(async (browser) =>
    withPage(browser, { url: await wallUrl(url, slots) }, async (page) => {
      const settledS = await settled(page, settle);
      await page.waitForTimeout(1_000);
      const result = await judge(page, cameras, { slots, fps, seconds });
      if (screenshot !== undefined) await page.screenshot({ path: screenshot });
      const stats = await page.evaluate(() => window.__wall?.tiles() ?? []);
      const latencies = stats.map((tile) => tile.latencyMs).filter((ms) => ms !== null);
      latencies.sort((a, b) => a - b);
      check(
        result.faults.length === 0,
        `${result.faults.length} faults on a wall of ${slots}:\n  ${result.faults.join("\n  ")}`,
      );
      return {
        slots,
        settled_s: settledS,
        fps_min: round(result.fps.min),
        fps_median: round(result.fps.median),
        latency_ms_p50: latencies[latencies.length >> 1] ?? null,
        latency_ms_max: latencies.at(-1) ?? null,
        dropped: stats.reduce((sum, tile) => sum + tile.dropped, 0),
        identities: [...cameras.values()].some((camera) => numberOf(camera) !== null)
          ? "checked"
          : "not told by the server",
      };
    }),
  );
}

function round(value) {
  return Math.round(value * 10) / 10;
}
