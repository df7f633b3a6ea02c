/** hls.js in low-latency mode on a stream: how far behind live it plays, and whether it ever stalls. */
import { readFileSync } from "node:fs";
import { check, withBrowser } from "./browser.mjs";

const LIBRARY = new URL("../node_modules/hls.js/dist/hls.light.min.js", import.meta.url);

/** Runs in the page: begins to play and keeps count. */
function play(url) {
  const video = document.querySelector("video");
  const hls = new window.Hls({ lowLatencyMode: true, backBufferLength: 10 });
  const seen = { errors: [], stalls: 0, latencies: [], program: [], firstMs: null, hls, video };
  window.seen = seen;
  const begin = performance.now();
  let last = { time: 0, at: begin, stalled: false };
  hls.on(window.Hls.Events.ERROR, (_event, data) => {
    if (data.details === "bufferStalledError") seen.stalls += 1;
    else if (data.fatal) seen.errors.push(`${data.details} ${data.response?.code ?? ""}`);
  });
  video.addEventListener("playing", () => {
    seen.firstMs ??= Math.round(performance.now() - begin);
  });
  setInterval(() => {
    const now = performance.now();
    if (video.currentTime > last.time) last = { time: video.currentTime, at: now, stalled: false };
    else if (seen.firstMs !== null && now - last.at > 500 && !last.stalled) {
      last.stalled = true;
      seen.stalls += 1;
    }
    // The first seconds are for finding the edge.
    if (seen.firstMs === null || now - begin < 5_000) return;
    seen.latencies.push(hls.latency);
    if (hls.playingDate) seen.program.push((Date.now() - hls.playingDate.getTime()) / 1_000);
  }, 250);
  hls.loadSource(url);
  hls.attachMedia(video);
  void video.play();
}

/** Plays `playlist` for `seconds`; latency at most `most` seconds and no stall, or it throws. */
export async function hlsLowLatency({ playlist, seconds = 60, most = 2 }) {
  const own = new URL("/__hls_check", playlist).href;
  return withBrowser(async (browser) => {
    const page = await (await browser.newContext()).newPage();
    const faults = [];
    page.on("pageerror", (error) => faults.push(error.message));
    page.on(
      "response",
      (response) => response.status() >= 400 && faults.push(`HTTP ${response.status()}: ${response.url()}`),
    );
    // A blank page under the stream's own origin, so that no cross-origin rule is in play.
    await page.route(own, (route) =>
      route.fulfill({
        contentType: "text/html",
        body: "<!doctype html><link rel=icon href=data:,><video muted autoplay></video>",
      }),
    );
    await page.goto(own);
    await page.addScriptTag({ content: readFileSync(LIBRARY, "utf8") });
    await page.evaluate(play, playlist);
    await page.waitForTimeout(seconds * 1_000);
    const seen = await page.evaluate(() => ({
      errors: window.seen.errors,
      stalls: window.seen.stalls,
      latencies: window.seen.latencies,
      program: window.seen.program,
      firstMs: window.seen.firstMs,
      time: window.seen.video.currentTime,
      frames: window.seen.video.getVideoPlaybackQuality().totalVideoFrames,
    }));
    check(
      seen.errors.length === 0 && faults.length === 0,
      `hls.js failed: ${[...seen.errors, ...faults].slice(0, 5).join("; ")}`,
    );
    check(seen.firstMs !== null, "nothing played");
    const sorted = (values) => [...values].sort((a, b) => a - b);
    const at = (values, share) =>
      sorted(values)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? null;
    const result = {
      first_picture_ms: seen.firstMs,
      latency_s_p50: at(seen.latencies, 0.5),
      latency_s_p95: at(seen.latencies, 0.95),
      program_date_s_p50: at(seen.program, 0.5),
      program_date_s_p95: at(seen.program, 0.95),
      stalls: seen.stalls,
      frames: seen.frames,
    };
    check(seen.stalls === 0, `it stalled ${seen.stalls} times: ${JSON.stringify(result)}`);
    const worst = Math.max(result.latency_s_p95 ?? Number.POSITIVE_INFINITY, result.program_date_s_p95 ?? 0);
    check(
      worst <= most,
      `it plays ${worst.toFixed(2)} s behind live, ${most} are allowed: ${JSON.stringify(result)}`,
    );
    return result;
  });
}
