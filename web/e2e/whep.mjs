/** One stream over WHEP, as any browser page would ask for it. */
import { check, withBrowser } from "./browser.mjs";

/** Runs in the page: offers, plays, counts. */
async function view(url) {
  const begin = performance.now();
  const pc = new RTCPeerConnection();
  pc.addTransceiver("video", { direction: "recvonly" });
  pc.addTransceiver("audio", { direction: "recvonly" });
  const video = document.querySelector("video");
  pc.addEventListener("track", (event) => {
    if (event.track.kind === "video") video.srcObject = new MediaStream([event.track]);
  });
  await pc.setLocalDescription();
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/sdp" },
    body: pc.localDescription.sdp,
  });
  if (response.status !== 201) return { status: response.status, text: await response.text() };
  window.seen = { firstMs: null, video, session: response.headers.get("Location") };
  video.requestVideoFrameCallback(() => {
    window.seen.firstMs = Math.round(performance.now() - begin);
  });
  await pc.setRemoteDescription({ type: "answer", sdp: await response.text() });
  return { status: 201 };
}

/** Views `endpoint` (`http://host:8889/PATH/whep`) and requires `fps` displayed frames per second over `seconds`. */
export async function whep({ endpoint, seconds = 5, fps = 10 }) {
  const own = new URL("/__whep_check", endpoint).href;
  return withBrowser(async (browser) => {
    const page = await (await browser.newContext()).newPage();
    await page.route(own, (route) =>
      route.fulfill({
        contentType: "text/html",
        body: "<!doctype html><link rel=icon href=data:,><video muted autoplay></video>",
      }),
    );
    await page.goto(own);
    const { status, text } = await page.evaluate(view, endpoint);
    check(status === 201, `the offer is answered with ${status}: ${text}`);
    await page
      .waitForFunction(() => window.seen.firstMs !== null, null, { timeout: 10_000 })
      .catch(() => check(false, "no picture in 10 s"));
    const frames = () =>
      page.evaluate(() => {
        const quality = window.seen.video.getVideoPlaybackQuality();
        return quality.totalVideoFrames - quality.droppedVideoFrames;
      });
    const before = await frames();
    await page.waitForTimeout(seconds * 1_000);
    const rate = ((await frames()) - before) / seconds;
    const seen = await page.evaluate(() => ({
      firstMs: window.seen.firstMs,
      session: window.seen.session,
      width: window.seen.video.videoWidth,
    }));
    check(rate >= fps, `${rate.toFixed(1)} frames per second are displayed, ${fps} are needed`);
    check(seen.session !== null, "the answer has no Location");
    const ended = await page.evaluate(
      async (url) => (await fetch(url, { method: "DELETE" })).status,
      new URL(seen.session, endpoint).href,
    );
    check(ended === 200 || ended === 204, `ending the session is answered with ${ended}`);
    return { first_picture_ms: seen.firstMs, fps: Math.round(rate * 10) / 10, width: seen.width };
  });
}
