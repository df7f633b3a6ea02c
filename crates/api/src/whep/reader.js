"use strict";

/**
 * Plays a WHEP endpoint and begins anew when the connection is lost.
 *
 * Options: `url`, `token`, `language` (both optional), `onTrack(event)`, `onState(text, code)`; an empty text means that
 * media flows, `code` is that of the server's refusal, such as NO_STREAM while nobody publishes.
 * Where WebRTC cannot carry the stream (B-frames, H.265), `onAlternative(url)` gets the address of its HLS playlist, and
 * the endpoint is tried again after a minute; `onTrack` says that it can be left.
 */
class WhepReader {
  constructor(options) {
    this.options = options;
    this.closed = false;
    this.delay = WhepReader.FIRST_DELAY_MS;
    this.start();
  }

  /** Ends the session. */
  close() {
    this.closed = true;
    clearTimeout(this.timer);
    this.leave();
  }

  async start() {
    const pc = new RTCPeerConnection();
    this.pc = pc;
    pc.addTransceiver("video", { direction: "recvonly" });
    pc.addTransceiver("audio", { direction: "recvonly" });
    pc.ontrack = (event) => this.options.onTrack(event);
    pc.onconnectionstatechange = () => this.changed(pc);
    try {
      await pc.setLocalDescription(await pc.createOffer());
      const answer = await this.post(pc.localDescription.sdp);
      await pc.setRemoteDescription({ type: "answer", sdp: answer });
    } catch (error) {
      if (error.alternatives) await this.giveWay(error.alternatives);
      if (error.code === "NO_STREAM") this.delay = Math.min(this.delay, WhepReader.NOBODY_DELAY_MS);
      this.retry(pc, error.message, error.code);
    }
  }

  /** Names the HLS playlist: below the same address where it is served there, else what the server says. */
  async giveWay(alternatives) {
    if (!this.options.onAlternative) return;
    this.delay = WhepReader.LAST_DELAY_MS;
    const endpoint = new URL(this.options.url, location.href);
    const own = new URL(`index.m3u8${endpoint.search}`, endpoint);
    const response = await fetch(own, { headers: this.authorization() }).catch(() => null);
    // A packager that has nothing yet answers with an error of its own; where there is none, a page answers.
    const here = response !== null && !/html/i.test(response.headers.get("Content-Type") ?? "html");
    const other = new URL(alternatives[0]);
    other.search = endpoint.search;
    if (!this.closed) this.options.onAlternative(here ? own : other);
    this.later = WhepReader.ALTERNATIVE_MS;
  }

  async post(offer) {
    const response = await fetch(this.options.url, {
      method: "POST",
      headers: { ...this.authorization(), "Content-Type": "application/sdp" },
      body: offer,
    });
    if (response.status !== 201) {
      const problem = await response.json().catch(() => null);
      const text = problem?.error?.[`message_${this.options.language ?? "en"}`] ?? problem?.error?.message_en;
      const error = new Error(text ?? `the server answers ${response.status}`);
      error.code = problem?.error?.code;
      if (response.status === 422 && problem?.error?.alternatives?.length) error.alternatives = problem.error.alternatives;
      throw error;
    }
    // The location is relative to the endpoint without its query.
    const endpoint = new URL(this.options.url, location.href);
    this.session = new URL(response.headers.get("Location"), endpoint);
    this.session.search = endpoint.search;
    return response.text();
  }

  authorization() {
    return this.options.token ? { Authorization: `Bearer ${this.options.token}` } : {};
  }

  changed(pc) {
    if (pc !== this.pc) return;
    if (pc.connectionState === "connected") {
      this.delay = WhepReader.FIRST_DELAY_MS;
      this.options.onState("");
    } else if (pc.connectionState === "failed" || pc.connectionState === "disconnected") {
      this.retry(pc, "the connection is lost");
    }
  }

  retry(pc, reason, code) {
    if (this.closed || pc !== this.pc) return;
    this.options.onState(reason, code);
    this.leave();
    this.timer = setTimeout(() => this.start(), this.later ?? this.delay);
    this.later = null;
    this.delay = Math.min(this.delay * 2, WhepReader.LAST_DELAY_MS);
  }

  leave() {
    this.pc?.close();
    this.pc = null;
    if (this.session) {
      fetch(this.session, { method: "DELETE", headers: this.authorization(), keepalive: true }).catch(() => {});
      this.session = null;
    }
  }
}

WhepReader.FIRST_DELAY_MS = 500;
WhepReader.LAST_DELAY_MS = 10000;
WhepReader.NOBODY_DELAY_MS = 2000;
WhepReader.ALTERNATIVE_MS = 60000;
window.WhepReader = WhepReader;
