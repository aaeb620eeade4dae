// Puts what the server tells and what the player does before the listener's eyes and thumb.

import { Levels, Server, repeat } from "./feed.js";
import { Meter, Trace } from "./meter.js";
import { Player } from "./player.js";
import * as words from "./words.js";

const BACK = 30; // seconds per press
const LEAST_WINDOW = 20; // seconds: less is not worth a line to seek on
const UNHEARD = 1300; // ms: the newest level may be this old when the next poll brings more, so the meter runs smoothly

const $ = (id) => document.getElementById(id);
document.querySelector(".home").href = `/${location.search}`;
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const server = new Server();
const player = new Player($("audio"), $("video"), render);
const meter = new Meter($("meter"));
const trace = new Trace($("trace"));
let station = null; // the chosen one, as the status last described it
let levels = new Levels("");
let restarts = 0;
let held = false; // a thumb is on the line of the window

/** Writes only what differs, for screen readers' sake. */
function write(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}

/** The wall time whose level is shown: that of the sound being heard, else the newest. */
function shownTime() {
  const heard = player.state === "playing" ? player.date : null;
  return heard ?? Math.min(server.now() - UNHEARD, levels.newest ?? Infinity);
}

/** Seconds between the microphone and the ear, or null when nothing plays. */
function behind() {
  if (player.state !== "playing" && player.state !== "paused") return null;
  const date = player.date;
  return date === null ? player.latency : Math.max(0, (server.now() - date) / 1000);
}

function render() {
  const { status, reachable } = server;
  const { state } = player;
  document.documentElement.dataset.state = state;
  write("sentence", status || state !== "idle" ? words.player(state, station, player) : "Connecting…");
  $("play").dataset.act = player.active ? "pause" : "listen";
  $("play").setAttribute("aria-label", player.active ? "Pause" : words.invitation(station));
  $("play").disabled = !station;
  $("quick").hidden = !station?.low_latency;
  $("quick").setAttribute("aria-pressed", player.delay === "quick");
  renderScreen();
  renderPosition();
  renderNotice(status, reachable);
  if (!status) return;
  $("clock").hidden = status.clock === "synchronised";
  write("version", `Outpost ${status.version}`);
  if (station) {
    write("title", station.title);
    write("listeners", words.listeners(station));
    document.title = `${station.title} · Outpost`;
    $("playlist").href = station.playlist;
    $("live-ts").href = station.live_ts;
  }
  renderStations(status.streams, reachable);
  renderSession();
}

function renderNotice(status, reachable) {
  const notice = status || !reachable
    ? words.notice({ reachable, station, synchronised: status?.clock === "synchronised", now: server.now() })
    : null;
  $("notice").hidden = !notice;
  write("notice-text", notice?.[0] ?? "");
  write("notice-detail", notice?.[1] ?? "");
}

/** The picture, if the station has one, and what lies upon it. */
function renderScreen() {
  const picture = station?.picture ?? null;
  document.documentElement.dataset.picture = picture ? "yes" : "no";
  if (picture) document.documentElement.style.setProperty("--shape", (picture.width / picture.height).toFixed(4));
  $("screen").hidden = !picture;
  $("sound").hidden = station !== null && !station.level;
  $("unmute").hidden = !(picture && station.level && player.muted);
}

/** How far behind live, and what can be done about it. */
function renderPosition() {
  const seconds = behind();
  const away = player.lag !== null && player.lag > 2 * (station?.target_seconds ?? 2);
  $("behind").dataset.seconds = seconds === null ? "" : seconds.toFixed(1);
  write("behind", seconds === null ? "" : `${words.length(seconds)} behind live`);
  $("back").disabled = !player.seekable;
  $("live").disabled = !away;
  renderPlace();
  write("live-words", away ? "Back to live" : "Live");
  const badge = words.badge(player.state, station?.picture?.signal, away);
  $("badge").hidden = badge === "";
  $("badge").dataset.live = badge === "Live" ? "yes" : "no";
  write("badge", badge);
}

/** The window as a line, and where on it one is, or a thumb would lead. */
function renderPlace() {
  const place = player.place;
  $("place").hidden = !place || place.end - place.start < LEAST_WINDOW;
  if ($("place").hidden) return;
  const seek = $("seek");
  [seek.min, seek.max] = [place.start, place.end];
  if (!held) seek.value = place.at;
  const at = Number(seek.value);
  const known = server.status?.clock === "synchronised";
  const text = words.place(known ? player.dateAt(at) : null, place.end - at);
  seek.setAttribute("aria-valuetext", text);
  write("place-at", held ? text : "");
  write("place-start", `−${words.length(place.end - place.start)}`);
}

function renderLamp(level) {
  const known = server.status && server.reachable && station;
  const [air, text] = known ? words.air(station, level ? level.onAir : null) : ["unknown", server.reachable ? "Looking for the station" : "Out of reach"];
  if ($("air").dataset.air !== air) $("air").dataset.air = air;
  write("air-words", text);
}

function renderStations(streams, reachable) {
  const list = $("stations").querySelector("ul");
  $("stations").hidden = streams.length < 2;
  document.documentElement.dataset.stations = streams.length < 2 ? "one" : "many";
  if (list.children.length !== streams.length) {
    const blank = $("stations").querySelector("template").content;
    list.replaceChildren(...streams.map(() => blank.cloneNode(true)));
  }
  streams.forEach((stream, i) => {
    const link = list.children[i].firstElementChild;
    const [air, text] = reachable ? words.air(stream, stream.level?.on_air ?? null) : ["unknown", ""];
    link.href = address(stream);
    link.dataset.air = air;
    link.querySelector(".name").textContent = stream.title;
    link.querySelector(".air-words").textContent = text;
    if (stream.name === station?.name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  });
}

/** What the lock screen shows. */
function renderSession() {
  const session = navigator.mediaSession;
  if (!session || !station || !window.MediaMetadata) return;
  session.playbackState = player.active ? "playing" : player.state === "paused" ? "paused" : "none";
  const artist = station.signal === "live" ? "Live" : "No signal";
  if (session.metadata?.title === station.title && session.metadata.artist === artist) return;
  session.metadata = new MediaMetadata({
    title: station.title,
    artist,
    album: "Outpost",
    artwork: [{ src: "/assets/icon.png", sizes: "512x512", type: "image/png" }],
  });
}

/** With the pass one came with. */
const address = ({ name }) => `/${name}${location.search}`;

/** Follows the address: /{stream}, or / for the first. */
function choose() {
  const streams = server.status?.streams ?? [];
  const name = location.pathname.split("/")[1];
  const chosen = streams.find((stream) => stream.name === name) ?? streams[0] ?? null;
  const fresh = chosen !== null && chosen.name !== station?.name;
  if (fresh) levels = new Levels(chosen.name);
  if (fresh && chosen.level) levels.poll();
  station = chosen && admitted(chosen);
  if (!station) return;
  player.choose(station);
  if (fresh && station.picture) showPicture(station.picture);
}

/** Whoever opened the page by a signed address plays by the same signature. */
function admitted(stream) {
  const pass = location.search;
  if (!pass.includes("signature=")) return stream;
  const signed = (path) => path && path + pass;
  const { picture, playlist, low_latency, live_ts } = stream;
  return {
    ...stream,
    picture: picture && { ...picture, snapshot: signed(picture.snapshot) },
    playlist: signed(playlist),
    low_latency: signed(low_latency),
    live_ts: signed(live_ts),
  };
}

/** The picture moves at once, unless whoever pays for the data asked to save it. */
function showPicture({ snapshot }) {
  if (snapshot) $("video").poster = `${snapshot}${snapshot.includes("?") ? "&" : "?"}${Date.now()}`;
  else $("video").removeAttribute("poster");
  if (!navigator.connection?.saveData) player.preview();
}

const touchPicture = () => (player.muted && station?.level ? player.unmute() : player.toggle());

/** The picture alone on the screen, with its badge; iPhones show only the video itself. */
function fill() {
  if (document.fullscreenElement) document.exitFullscreen();
  else if ($("screen").requestFullscreen) $("screen").requestFullscreen().catch(() => {});
  else $("video").webkitEnterFullscreen?.();
}

function tune(path) {
  if (path === location.pathname + location.search) return;
  history.pushState(null, "", path);
  choose();
  render();
}

function neighbour(by) {
  const streams = server.status.streams;
  const i = streams.findIndex((stream) => stream.name === station.name);
  tune(address(streams.at((i + by) % streams.length)));
}

let drawn = 0;
let numbered = 0;
let described = 0;

function draw(time) {
  requestAnimationFrame(draw); // stops by itself while the page is hidden
  if (time - drawn < (calm.matches ? 1000 : 30)) return;
  drawn = time;
  const shown = shownTime();
  const level = server.reachable ? levels.at(shown) : null;
  meter.draw(level, time);
  renderLamp(level);
  const live = Math.min(server.now() - UNHEARD, (levels.newest ?? Infinity) + 1000);
  const edge = trace.draw(levels, live, behind() === null ? null : player.date);
  if (time - numbered > 250) {
    numbered = time;
    write("level", words.level(level?.rms ?? null));
  }
  if (time - described < 1000) return;
  described = time;
  meter.describe(level);
  const old = (server.now() - edge) / 1000;
  write("edge-new", old < 5 ? "now" : `${words.length(old)} ago`);
  write("edge-old", `${words.length(old < 5 ? 60 : old + 60)} ago`);
  renderPosition();
}

async function pollStatus() {
  const answered = server.reachable;
  await server.poll();
  choose();
  if (server.restarted !== restarts) player.restart();
  else if (server.reachable && !answered) player.nudge();
  restarts = server.restarted;
  render();
}

$("play").addEventListener("click", () => player.toggle());
$("video").addEventListener("click", touchPicture);
$("unmute").addEventListener("click", () => player.unmute());
$("full").addEventListener("click", fill);
document.addEventListener("fullscreenchange", () => {
  $("full").setAttribute("aria-label", document.fullscreenElement ? "Leave full screen" : "Full screen");
});
$("back").addEventListener("click", () => player.back(BACK));
$("live").addEventListener("click", () => player.live());
$("quick").addEventListener("click", () => player.hurry(player.delay === "quick" ? "ordinary" : "quick"));
$("seek").addEventListener("input", () => {
  held = true;
  renderPlace();
});
$("seek").addEventListener("change", () => {
  held = false;
  player.goTo(Number($("seek").value));
  renderPosition();
});
$("stations").addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  tune(link.getAttribute("href"));
});
addEventListener("popstate", () => {
  choose();
  render();
});
addEventListener("keydown", (event) => {
  if (event.target !== document.body || !station || event.metaKey || event.ctrlKey || event.altKey) return;
  const act = { " ": () => player.toggle(), ArrowLeft: () => player.back(BACK), End: () => player.live() }[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

const commands = {
  play: () => player.play(),
  pause: () => player.pause(),
  stop: () => player.pause(),
  seekbackward: () => player.back(BACK),
  previoustrack: () => neighbour(-1),
  nexttrack: () => neighbour(1),
};
for (const [name, act] of Object.entries(commands)) {
  try {
    navigator.mediaSession?.setActionHandler(name, act);
  } catch {
    // A command this browser does not know.
  }
}

repeat(pollStatus, () => (document.hidden ? 15_000 : 2000));
repeat(() => (document.hidden || !station?.level ? null : levels.poll()), () => 1000);
requestAnimationFrame(draw);
