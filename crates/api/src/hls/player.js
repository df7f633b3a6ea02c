// Plays index.m3u8 of this directory: by the browser itself where it knows no Media Source Extensions, else by appending
// one part after the other. After an error it starts over.
"use strict";

const video = document.getElementById("video");
const message = document.getElementById("message");

/** Seconds from the end of the buffer at which the picture is put forward, and how far behind it is then put. */
const BEHIND_MAX_S = 3, BEHIND_S = 0.7;
/** Seconds of the past that stay in the buffer. */
const KEPT_S = 20;
const RETRY_MS = 2000;

async function load(uri) {
  const response = await fetch(new URL(uri, location.href));
  if (!response.ok) {
    const body = await response.json().catch(() => null);
    throw new Error(body?.error?.message_en ?? `HTTP ${response.status}`);
  }
  return response;
}

function attribute(line, name) {
  return new RegExp(`[:,]${name}="?([^",]*)`).exec(line)?.[1];
}

/** The units to append in order, each with its place, and the place of the part that comes next. */
function parse(text) {
  const units = [];
  let msn = 0, part = 0, map = null, number = 0;
  for (const line of text.split("\n")) {
    if (line.startsWith("#EXT-X-MEDIA-SEQUENCE:")) msn = Number(line.split(":")[1]);
    else if (line.startsWith("#EXT-X-MAP:")) map = attribute(line, "URI");
    else if (line.startsWith("#EXT-X-PART:")) {
      const independent = line.includes("INDEPENDENT=YES");
      units.push({ uri: attribute(line, "URI"), map, msn, part, independent, number: number++ });
      part += 1;
    } else if (line !== "" && !line.startsWith("#")) {
      msn += 1;
      part = 0;
    }
  }
  return { units, msn, part };
}

function appended(buffer, bytes) {
  return new Promise((resolve, reject) => {
    buffer.addEventListener("updateend", resolve, { once: true });
    buffer.addEventListener("error", () => reject(new Error("the browser cannot decode this stream")), { once: true });
    buffer.appendBuffer(bytes);
  });
}

function removed(buffer, end) {
  return new Promise((resolve) => {
    buffer.addEventListener("updateend", resolve, { once: true });
    buffer.remove(0, end);
  });
}

async function follow(buffer) {
  const query = location.search;
  const index = await (await load(`index.m3u8${query}`)).text();
  const media = index.split("\n").find((line) => line !== "" && !line.startsWith("#"));
  let map = null, next = null, wait = "";
  for (;;) {
    const uri = wait === "" ? media : media + (media.includes("?") ? "&" : "?") + wait;
    const list = parse(await (await load(uri)).text());
    const isNew = (unit) => next === null || unit.msn > next.msn || (unit.msn === next.msn && unit.part >= next.part);
    let units = list.units.filter(isNew);
    if (next === null) units = units.slice(Math.max(0, units.findLastIndex((unit) => unit.independent)));
    for (const unit of units) {
      if (unit.map !== map) {
        map = unit.map;
        await appended(buffer, await (await load(map)).arrayBuffer());
      }
      await appended(buffer, await (await load(unit.uri)).arrayBuffer());
      message.textContent = "";
      catchUp(buffer);
    }
    next = { msn: list.msn, part: list.part };
    wait = `_HLS_msn=${next.msn}&_HLS_part=${next.part}`;
    if (video.currentTime > 2 * KEPT_S) await removed(buffer, video.currentTime - KEPT_S);
  }
}

function catchUp(buffer) {
  if (buffer.buffered.length === 0) return;
  const end = buffer.buffered.end(buffer.buffered.length - 1);
  if (end - video.currentTime > BEHIND_MAX_S) video.currentTime = Math.max(0, end - BEHIND_S);
}

async function play() {
  const index = await (await load(`index.m3u8${location.search}`)).text();
  const codecs = /CODECS="([^"]*)"/.exec(index)?.[1] ?? "";
  const source = new MediaSource();
  video.src = URL.createObjectURL(source);
  await new Promise((resolve) => source.addEventListener("sourceopen", resolve, { once: true }));
  URL.revokeObjectURL(video.src);
  await follow(source.addSourceBuffer(`video/mp4; codecs="${codecs}"`));
}

async function main() {
  if (!("MediaSource" in window)) {
    video.src = `index.m3u8${location.search}`;
    video.addEventListener("playing", () => { message.textContent = ""; });
    return;
  }
  for (;;) {
    await play().catch((error) => { message.textContent = error.message; });
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

main();
