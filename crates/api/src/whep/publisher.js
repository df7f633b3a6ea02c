"use strict";

/**
 * Publishes a camera and microphone to a WHIP endpoint (RFC 9725) and begins anew when the connection is lost.
 *
 * Options: `url`, `stream` (a MediaStream), `token` (optional), `onState(text)`; an empty text means that media flows.
 */
class WhipPublisher {
  constructor(options) {
    this.options = options;
    this.closed = false;
    this.delay = WhipPublisher.FIRST_DELAY_MS;
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
    for (const track of this.options.stream.getTracks()) {
      const transceiver = pc.addTransceiver(track, { direction: "sendonly", streams: [this.options.stream] });
      this.prefer(transceiver, track.kind);
    }
    pc.onconnectionstatechange = () => this.changed(pc);
    try {
      await pc.setLocalDescription(await pc.createOffer());
      const answer = await this.post(pc.localDescription.sdp);
      await pc.setRemoteDescription({ type: "answer", sdp: answer });
    } catch (error) {
      this.retry(pc, error.message);
    }
  }

  /** What the server passes on untouched: H.264, Opus, G.711. */
  prefer(transceiver, kind) {
    const known = kind === "video" ? /^video\/(h264|rtx)$/i : /^audio\/(opus|pcmu|pcma)$/i;
    const codecs = RTCRtpSender.getCapabilities(kind).codecs.filter((codec) => known.test(codec.mimeType));
    if (codecs.some((codec) => !/rtx$/i.test(codec.mimeType))) transceiver.setCodecPreferences(codecs);
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
      this.delay = WhipPublisher.FIRST_DELAY_MS;
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
    this.delay = Math.min(this.delay * 2, WhipPublisher.LAST_DELAY_MS);
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

WhipPublisher.FIRST_DELAY_MS = 500;
WhipPublisher.LAST_DELAY_MS = 10000;
window.WhipPublisher = WhipPublisher;
