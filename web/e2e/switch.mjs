/** Layouts from small to large and back: nothing piles up, and no frame of another camera is ever seen under a name. */
import { camerasOf, check, wallUrl, withBrowser, withPage } from "./browser.mjs";
import { numberOf, readTiles } from "./picture.mjs";
import { settled } from "./wall.mjs";

export async function wallSwitch({ url, slots = 16, rounds = 10 }) {
  const cameras = await camerasOf(url);
  return withBrowser(async (browser) =>
    withPage(browser, { url: await wallUrl(url, slots), width: 1600, height: 900 }, async (page) => {
      await page.addInitScript(() => undefined);
      await settled(page);
      const first = [];
      const wrong = [];
      for (let round = 0; round < rounds; round += 1) {
        await page.locator('input[name="grid"][value="1"]').check({ force: true });
        await settled(page, 10);
        await page.locator(`input[name="grid"][value="${slots}"]`).check({ force: true });
        const begin = Date.now();
        for (let look = 0; look < 10; look += 1) {
          for (const tile of await page.evaluate(readTiles)) {
            const number = numberOf(cameras.get(tile.id));
            const seen = tile.picture?.camera ?? 0;
            if (!tile.covered && number !== null && seen !== 0 && seen !== number)
              wrong.push(`tile ${tile.cell}: ${seen} under ${number}`);
          }
          await page.waitForTimeout(100);
        }
        await settled(page, 15);
        first.push(Date.now() - begin);
      }
      const videos = await page.evaluate(() => document.querySelectorAll("video").length);
      check(wrong.length === 0, `pictures under another camera's name: ${wrong.join("; ")}`);
      check(videos <= slots, `${videos} video elements for ${slots} tiles`);
      first.sort((a, b) => a - b);
      return { rounds, all_live_ms_p50: first[first.length >> 1], videos };
    }),
  );
}
