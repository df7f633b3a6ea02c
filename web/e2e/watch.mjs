/**
 * A wall that another program watches while it does things to the cameras. Commands come as lines on the standard input, each is
 * answered by one line, `ok …` or `fail REASON`:
 *
 *     state CAMERA WORD SECONDS    the tile of this camera comes to say WORD (live, stale, offline, …) in time
 *     alive [CAMERA …]             every tile but these is alive by its pictures
 *     quit
 *
 * `ready` is printed when the wall has settled.
 */
import { createInterface } from "node:readline";
import { camerasOf, check, wallUrl, withBrowser, withPage } from "./browser.mjs";
import { judge, settled } from "./wall.mjs";

async function state(page, [camera, word, seconds]) {
  const begin = Date.now();
  await page
    .waitForFunction(
      ([id, wanted]) =>
        document.querySelector(`[data-testid="tile"][data-camera="${id}"]`)?.dataset.state === wanted,
      [camera, word],
      { timeout: Number(seconds) * 1_000, polling: 50 },
    )
    .catch(async () => {
      const tile = page.locator(`[data-testid="tile"][data-camera="${camera}"]`);
      check(false, `after ${seconds} s the tile says ${await tile.getAttribute("data-state")}, not ${word}`);
    });
  return `${((Date.now() - begin) / 1_000).toFixed(2)} s`;
}

async function alive(page, cameras, options, except) {
  // A frame is counted as displayed a moment before it can be read from the element.
  await page.waitForTimeout(1_000);
  const { faults, fps } = await judge(page, cameras, options);
  const rest = faults.filter((fault) => !except.some((id) => fault.includes(cameras.get(id)?.name ?? id)));
  check(rest.length === 0, rest.join("; "));
  return `at ${fps.median.toFixed(1)} fps`;
}

export async function watch({ url, slots = 4, fps = 6.25, seconds = 3 }) {
  const cameras = await camerasOf(url);
  return withBrowser(async (browser) =>
    // What the commands do to the server may show as failed requests; that is not what is judged here.
    withPage(browser, { url: await wallUrl(url, slots), tolerate: [/.*/] }, async (page) => {
      await settled(page);
      console.log("ready");
      for await (const line of createInterface({ input: process.stdin })) {
        const [command, ...words] = line.trim().split(/\s+/);
        if (command === "quit") break;
        try {
          if (command === "state") console.log(`ok ${await state(page, words)}`);
          else if (command === "alive")
            console.log(`ok ${await alive(page, cameras, { slots, fps, seconds }, words)}`);
          else console.log(`fail unknown command ${command}`);
        } catch (error) {
          console.log(`fail ${error instanceof Error ? error.message.replaceAll("\n", " ") : error}`);
        }
      }
      return {};
    }),
  );
}
