/** Checks of our own: both languages complete, imports that go down only, no physical sides in CSS, short components. */
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";

const src = resolve(import.meta.dirname, "../src");
const faults = [];
const files = readdirSync(src, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name));

/** Keys of a language file, flat, without the endings of plural forms. */
function keysOf(value, prefix = "") {
  return Object.entries(value).flatMap(([key, inner]) =>
    typeof inner === "string" ? [`${prefix}${key}`] : keysOf(inner, `${prefix}${key}.`),
  );
}

const FORMS = /_(zero|one|two|few|many|other)$/;
for (const file of readdirSync(join(src, "i18n/en"))) {
  const [en, ar] = ["en", "ar"].map((lng) =>
    keysOf(JSON.parse(readFileSync(join(src, "i18n", lng, file), "utf8"))),
  );
  const plain = (keys) => new Set(keys.map((key) => key.replace(FORMS, "")));
  for (const key of plain(en)) if (!plain(ar).has(key)) faults.push(`i18n: ${file}: "${key}" has no Arabic`);
  for (const key of plain(ar)) if (!plain(en).has(key)) faults.push(`i18n: ${file}: "${key}" has no English`);
  for (const key of en.filter((k) => k.endsWith("_one"))) {
    for (const form of ["zero", "one", "two", "few", "many", "other"]) {
      const needed = key.replace(/one$/, form);
      if (!ar.includes(needed)) faults.push(`i18n: ${file}: Arabic lacks the form "${needed}"`);
    }
  }
}

/** Which folder may import from which. */
const MAY = {
  app: ["app", "features", "player", "api", "ui", "i18n"],
  features: ["player", "api", "ui", "i18n"],
  player: ["player"],
  api: ["api"],
  ui: ["ui"],
  i18n: ["i18n"],
};
for (const file of files.filter((f) => /\.tsx?$/.test(f))) {
  const from = relative(src, file).split("/");
  const text = readFileSync(file, "utf8");
  for (const [, target] of text.matchAll(/(?:from|import)\s*\(?["'](\.[^"']+)["']/g)) {
    const to = relative(src, resolve(dirname(file), target)).split("/");
    const own = from[0] === "features" && to[0] === "features" && from[1] === to[1];
    if (!own && !MAY[from[0]].includes(to[0]))
      faults.push(`zones: ${relative(src, file)} may not import ${target}`);
  }
  if (/from ["'](react|react-dom|@mantine)/.test(text) && from[0] === "player") {
    faults.push(`zones: ${relative(src, file)}: the player knows no framework`);
  }
  const lines = text.split("\n").length;
  if (file.endsWith(".tsx") && lines > 400)
    faults.push(`length: ${relative(src, file)} has ${lines} lines, 400 are the most`);
}

const PHYSICAL = /^\s*((margin|padding|border)-(left|right)|left|right|text-align:\s*(left|right)|float)\b/;
for (const file of files.filter((f) => f.endsWith(".css"))) {
  for (const [index, line] of readFileSync(file, "utf8").split("\n").entries()) {
    if (PHYSICAL.test(line) && !line.includes("does not mirror")) {
      faults.push(`css: ${basename(file)}:${index + 1}: a physical side: ${line.trim()}`);
    }
  }
}

for (const fault of faults) console.error(fault);
process.exit(faults.length === 0 ? 0 : 1);
