/** Drag and drop and its keyboard way, proved by the picture that each place shows afterwards. */
import { camerasOf, check, wallUrl, withBrowser, withPage } from "./browser.mjs";
import { readTiles } from "./picture.mjs";
import { mistaken, settled } from "./wall.mjs";

const cell = (page, index) => page.locator(`[data-testid="tile"][data-cell="${index}"]`);

async function shows(page, cameras, index, id, what) {
  await page
    .waitForFunction(
      ([at, camera]) => {
        const tile = document.querySelector(`[data-testid="tile"][data-cell="${at}"]`);
        return (
          tile?.dataset.camera === camera && tile.dataset.state === "live" && tile.dataset.covered === "false"
        );
      },
      [index, id],
      { timeout: 10_000 },
    )
    .catch(() => check(false, `${what}: tile ${index} does not come to show ${cameras.get(id)?.name ?? id}`));
  const tile = (await page.evaluate(readTiles)).find((t) => t.cell === index);
  const wrong = mistaken(tile, cameras.get(id));
  check(wrong === null, `${what}: tile ${index} ${wrong}`);
}

export async function dragAndDrop({ url }) {
  const cameras = await camerasOf(url);
  const ids = [...cameras.keys()];
  check(ids.length >= 6, "six cameras are needed");
  const [a, b, c, d, e, f] = ids;
  return withBrowser(async (browser) =>
    withPage(browser, { url: await wallUrl(url, 4), width: 1366, height: 768 }, async (page) => {
      await settled(page);
      await page.locator(`[data-camera-row="${e}"]`).dragTo(cell(page, 1));
      await shows(page, cameras, 1, e, "a camera dragged to a tile");

      await cell(page, 0).dragTo(cell(page, 3));
      await shows(page, cameras, 0, d, "two tiles swapped");
      await shows(page, cameras, 3, a, "two tiles swapped");

      await cell(page, 2).focus();
      await page.locator(`[data-camera-row="${f}"]`).focus();
      await page.keyboard.press("Control+Enter");
      await page.keyboard.press("ArrowUp");
      await page.keyboard.press("Enter");
      await shows(page, cameras, 0, f, "a camera placed by keys");
      const said = await page.locator('[aria-live="polite"]').textContent();
      check(said?.includes("tile 1"), `placing by keys says "${said}"`);

      await cell(page, 2).focus();
      await page.keyboard.press("Control+Enter");
      await page.keyboard.press("ArrowRight");
      await page.keyboard.press("Enter");
      await shows(page, cameras, 3, c, "tiles swapped by keys");
      await shows(page, cameras, 2, a, "tiles swapped by keys");

      await cell(page, 1).focus();
      await page.keyboard.press("Delete");
      await page
        .locator('[data-testid="tile"][data-cell="1"][data-state="empty"]')
        .waitFor({ timeout: 5_000 });
      await page.keyboard.press("Enter");
      await page.keyboard.type(cameras.get(b).name);
      await page.keyboard.press("Enter");
      await page.keyboard.press("Enter");
      await shows(page, cameras, 1, b, "a camera chosen for an empty tile");

      await page.reload();
      await settled(page);
      for (const [index, id] of [f, b, a, c].entries())
        await shows(page, cameras, index, id, "after a reload");

      await cell(page, 2).focus();
      await page.keyboard.press("Enter");
      await page.locator('[data-cell="2"][data-full="true"][data-state="live"]').waitFor({ timeout: 10_000 });
      check(
        (await page.locator('[data-testid="tile"]:visible').count()) === 1,
        "a maximised tile is not alone",
      );
      await page.keyboard.press("Escape");
      await settled(page, 10);
      check(
        (await page.locator('[data-testid="tile"]:visible').count()) === 4,
        "Escape does not bring the wall back",
      );
      return { moves: 6 };
    }),
  );
}
