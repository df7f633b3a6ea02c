// Plays index.m3u8 of this directory: by the browser itself where it knows no Media Source Extensions, else by appending
// one part after the other. After an error it starts over, so that it plays as soon as somebody publishes. While the source
// is away the playlist goes on with gaps; they are waited out.
"use strict";

const video = document.getElementById("video");
const message = document.getElementById("message");

/** Seconds from the end of the buffer at which the picture is put forward, and how far behind it is then put. */
const BEHIND_MAX_S = 3, BEHIND_S = 0.7;
/** Seconds of the past that stay in the buffer. */
const KEPT_S = 20;
const RETRY_MS = 2000;

const language = (new URLSearchParams(location.search).get("lng") ?? navigator.language).startsWith("ar") ? "ar" : "en";
const WORDS = {
  en: {
    connecting: "Connecting…",
    away: "The source is away. The picture goes on by itself when it is back.",
    undecodable: "the browser cannot decode this stream",
    NO_STREAM: "Nobody publishes to this path yet. The picture starts by itself when somebody does.",
    PATH_NOT_FOUND: "There is no path of this name.",
    NOT_FOUND: "Connecting…",
  },
  ar: {
    connecting: "جارٍ الاتصال…",
    away: "انقطع المصدر. تُستأنف الصورة تلقائياً عند عودته.",
    undecodable: "لا يستطيع المتصفح فك ترميز هذا البث",
    NO_STREAM: "لا أحد ينشر على هذا المسار بعد. تبدأ الصورة تلقائياً عند بدء النشر.",
    PATH_NOT_FOUND: "لا يوجد مسار بهذا الاسم.",
    NOT_FOUND: "جارٍ الاتصال…",
  },
}[language];
document.documentElement.lang = language;
document.documentElement.dir = language === "ar" ? "rtl" : "ltr";
message.textContent = WORDS.connecting;

async function load(uri) {
  const response = await fetch(new URL(uri, location.href));
  if (!response.ok) {
    const error = (await response.json().catch(() => null))?.error;
    throw new Error(WORDS[error?.code] ?? error?.[`message_${language}`] ?? `HTTP ${response.status}`);
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
      const independent = line.includes("INDEPENDENT=YES"), gap = line.includes("GAP=YES");
      units.push({ uri: attribute(line, "URI"), map, msn, part, independent, gap, number: number++ });
      part += 1;
    } else if (line !== "" && !line.startsWith("#")) {
      msn += 1;
      part = 0;
    }
  }
  return { units, msn, part, ended: text.includes("#EXT-X-ENDLIST") };
}

function appended(buffer, bytes) {
  return new Promise((resolve, reject) => {
    buffer.addEventListener("updateend", resolve, { once: true });
    buffer.addEventListener("error", () => reject(new Error(WORDS.undecodable)), { once: true });
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
    if (units.at(-1)?.gap) message.textContent = WORDS.away;
    for (const unit of units.filter((unit) => !unit.gap)) {
      if (unit.map !== map) {
        map = unit.map;
        await appended(buffer, await (await load(map)).arrayBuffer());
      }
      await appended(buffer, await (await load(unit.uri)).arrayBuffer());
      message.textContent = "";
      catchUp(buffer);
    }
    if (list.ended) throw new Error(WORDS.PATH_NOT_FOUND);
    next = { msn: list.msn, part: list.part };
    wait = `_HLS_msn=${next.msn}&_HLS_part=${next.part}`;
    if (video.currentTime > 2 * KEPT_S) await removed(buffer, video.currentTime - KEPT_S);
  }
}

function catchUp(buffer) {
  if (buffer.buffered.length === 0) return;
  const last = buffer.buffered.length - 1, end = buffer.buffered.end(last);
  // After a gap there is nothing to wait for before it.
  if (video.currentTime < buffer.buffered.start(last)) video.currentTime = buffer.buffered.start(last);
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
