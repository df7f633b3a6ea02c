"use strict";

/**
 * Plays a WHEP endpoint and begins anew when the connection is lost.
 *
 * Options: `url`, `token` (optional), `onTrack(event)`, `onState(text)`; an empty text means that media flows.
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
      this.retry(pc, error.message);
    }
  }

  async post(offer) {
    const response = await fetch(this.options.url, {
      method: "POST",
      headers: { ...this.authorization(), "Content-Type": "application/sdp" },
      body: offer,
    });
    if (response.status !== 201) {
      const problem = await response.json().catch(() => null);
      throw new Error(problem?.error?.message_en ?? `the server answers ${response.status}`);
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

  retry(pc, reason) {
    if (this.closed || pc !== this.pc) return;
    this.options.onState(reason);
    this.leave();
    this.timer = setTimeout(() => this.start(), this.delay);
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
window.WhepReader = WhepReader;
