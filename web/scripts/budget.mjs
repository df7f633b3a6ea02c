/** Fails when what the first page loads is larger than agreed. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";

const BUDGET_KB = { js: 250, css: 25 };
const dist = resolve(import.meta.dirname, "../dist");
const html = readFileSync(join(dist, "index.html"), "utf8");
const loaded = [...html.matchAll(/(?:src|href)="\.?\/?(assets\/[^"]+)"/g)].map((match) => match[1]);

let failed = false;
for (const [kind, most] of Object.entries(BUDGET_KB)) {
  const bytes = loaded
    .filter((file) => file.endsWith(`.${kind}`))
    .reduce((sum, file) => sum + gzipSync(readFileSync(join(dist, file))).length, 0);
  const kb = bytes / 1000;
  console.log(`first load ${kind}: ${kb.toFixed(1)} kB gz of ${most}`);
  if (kb > most) failed = true;
}
process.exit(failed ? 1 : 0);
