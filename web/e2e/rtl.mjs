/** The page in Arabic: mirrored, but for the wall; nothing wider than its window. */
import { check, wallUrl, withBrowser, withPage } from "./browser.mjs";

const SIZES = [
  [1920, 1080],
  [1366, 768],
  [390, 844],
];

export async function rightToLeft({ url }) {
  return withBrowser(async (browser) => {
    for (const [width, height] of SIZES) {
      await withPage(browser, { url: await wallUrl(url, 4, { lng: "ar" }), width, height }, async (page) => {
        await page.locator('[data-testid="tile"]').first().waitFor();
        await page.waitForFunction(() => document.documentElement.dir === "rtl", null, { timeout: 5_000 });
        const seen = await page.evaluate(() => {
          const box = (selector) => document.querySelector(selector)?.getBoundingClientRect();
          return {
            lang: document.documentElement.lang,
            rail: box("nav")?.left ?? 0,
            first: box('[data-cell="0"]')?.left ?? 0,
            second: box('[data-cell="1"]')?.left ?? 0,
            overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
            raw:
              /\b(tile|tree|bar|state|word|rail|status)\.[a-z_]+/.exec(document.body.textContent)?.[0] ??
              null,
          };
        });
        check(seen.lang === "ar", `${width}: the page's language is ${seen.lang}`);
        check(width < 600 || seen.rail > width / 2, `${width}: the rail is not on the right`);
        check(width < 600 || seen.first < seen.second, `${width}: the wall is mirrored`);
        check(seen.overflow <= 0, `${width}: the page is ${seen.overflow} px wider than its window`);
        check(seen.raw === null, `${width}: a key without text: ${seen.raw}`);
      });
    }
    // Whoever opens the address by itself gets the language it names, too.
    await withPage(browser, { url: new URL("/?lng=ar", url).href }, async (page) => {
      await page.waitForURL((now) => now.pathname === "/live");
      await page.waitForFunction(() => document.documentElement.dir === "rtl", null, { timeout: 5_000 });
    });
    return { sizes: SIZES.length };
  });
}
