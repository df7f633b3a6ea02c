/** A Chromium with a fresh profile that is watched: a console error, a page error, a failed or foreign request is kept as a fault. */
import { chromium } from "playwright-core";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
  "--allow-loopback-in-peer-connection",
];

export class Fault extends Error {}

/** Fails with a reason that a person can act on. */
export function check(condition, reason) {
  if (!condition) throw new Fault(reason);
}

export async function withBrowser(use) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: FLAGS,
    chromiumSandbox: false,
  });
  try {
    return await use(browser);
  } finally {
    await browser.close();
  }
}

/**
 * Opens a page and calls `use(page)`. Fails afterwards on whatever went wrong in between.
 * `tolerate` are patterns of faults that the test itself causes, such as a server that it restarts.
 */
export async function withPage(browser, { url, width = 1920, height = 1080, tolerate = [] }, use) {
  const context = await browser.newContext({ viewport: { width, height } });
  const page = await context.newPage();
  const faults = [];
  watch(page, new URL(url).origin, (fault) => {
    if (!tolerate.some((pattern) => pattern.test(fault))) faults.push(fault);
  });
  try {
    await page.goto(url, { waitUntil: "domcontentloaded" });
    const result = await use(page);
    check(faults.length === 0, `the page is not clean:\n  ${[...new Set(faults)].slice(0, 10).join("\n  ")}`);
    return result;
  } catch (error) {
    if (faults.length > 0 && !(error instanceof Fault && error.message.startsWith("the page is not"))) {
      error.message += `\n  beside it: ${[...new Set(faults)].slice(0, 5).join("; ")}`;
    }
    throw error;
  } finally {
    await context.close();
  }
}

function watch(page, origin, fault) {
  page.on("console", (message) => message.type() === "error" && fault(`console: ${message.text()}`));
  page.on("pageerror", (error) => fault(`page error: ${error.message}`));
  page.on("request", (request) => {
    const { protocol, origin: of } = new URL(request.url());
    if (!["data:", "blob:"].includes(protocol) && of !== origin) fault(`foreign request: ${request.url()}`);
  });
  page.on("response", (response) => {
    if (response.status() >= 400)
      fault(`HTTP ${response.status()}: ${response.request().method()} ${response.url()}`);
  });
  page.on("requestfailed", (request) => {
    const reason = request.failure()?.errorText ?? "";
    // A request that the page itself gives up, when it leaves or asks anew, has not failed.
    if (reason !== "net::ERR_ABORTED") fault(`request failed: ${request.url()} ${reason}`);
  });
}

/** Every camera of the server, by id. */
export async function camerasOf(url) {
  const response = await fetch(new URL("/api/v1/cameras?limit=1000", url));
  check(response.ok, `GET /api/v1/cameras answers ${response.status}`);
  const { cameras } = await response.json();
  return new Map(cameras.map((camera) => [camera.id, camera]));
}

/** The URL of a wall of so many tiles, filled with the server's cameras in their order, again from the first when they run out. */
export async function wallUrl(url, slots, more = {}) {
  const ids = [...(await camerasOf(url)).keys()];
  check(ids.length > 0, "the server has no cameras");
  const cams = Array.from({ length: slots }, (_, cell) => ids[cell % ids.length]).join(",");
  const query = new URLSearchParams({ grid: String(slots), lng: "en", ...more });
  return new URL(`/live?${query}&cams=${cams}`, url).href;
}
