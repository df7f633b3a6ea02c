/** Pictures of the product: both languages, 16 and 64 tiles, night and day, and a phone. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { wallUrl, withBrowser, withPage } from "./browser.mjs";
import { settled } from "./wall.mjs";

const SHOTS = [
  { name: "wall-16-en", slots: 16, size: [1600, 900], search: {} },
  { name: "wall-16-ar", slots: 16, size: [1600, 900], search: { lng: "ar" } },
  { name: "wall-64-en", slots: 64, size: [1920, 1080], search: {} },
  { name: "wall-16-day", slots: 16, size: [1600, 900], search: { theme: "day" } },
  { name: "wall-4-phone", slots: 4, size: [390, 844], search: {} },
];

export async function shots({ url, out = "test-results", only }) {
  mkdirSync(out, { recursive: true });
  const files = [];
  await withBrowser(async (browser) => {
    for (const { name, slots, size, search } of SHOTS.filter((s) => only === undefined || s.name === only)) {
      const [width, height] = size;
      await withPage(browser, { url: await wallUrl(url, slots, search), width, height }, async (page) => {
        await settled(page, 20);
        await page.waitForTimeout(1_500);
        const file = join(out, `${name}.png`);
        await page.screenshot({ path: file });
        files.push(file);
      });
    }
  });
  return { files };
}
