// Puts what the server tells and what the player does before the listener's eyes and thumb.

import * as address from "./address.js";
import * as choices from "./choices.js";
import { command, offerTracks } from "./commands.js";
import { Follower, Levels, Server, repeat } from "./feed.js";
import { List } from "./list.js";
import { Listening } from "./listening.js";
import { LEAD, Log, moment } from "./log.js";
import { Meter, Trace } from "./meter.js";
import { Player } from "./player.js";
import { Timeline } from "./timeline.js";
import * as words from "./words.js";

const BACK = 30; // seconds per press
const LEAST_WINDOW = 20; // seconds: less is not worth a line to seek on
const STILL = 5000; // ms that a still is shown among the stations
const UNHEARD = 1300; // ms: the newest level may be this old when the next poll brings more, so the meter runs smoothly

const $ = (id) => document.getElementById(id);
document.querySelector(".home").href = `/${address.pass(location.search)}`;
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const server = new Server();
const player = new Player($("audio"), $("video"), render);
const meter = new Meter($("meter"));
const trace = new Trace($("trace"));
let station = null; // the chosen one, as the status last described it
let levels = new Levels("");
let log = new Log();
let follower = null; // who keeps the log
const listening = new Listening(player, () => log);
listening.skipping = choices.get("skip") === "yes";
const timeline = new Timeline($("timeline"), { act: hear, describe: words.pointed });
const list = new List($("list"), $("rows"), {
  act: (what, marker) => (what === "share" ? share(marker.from - LEAD) : go(() => listening.hear(marker))),
  link: (marker) => address.clip(station, marker, location.search),
});
let asked = address.momentIn(location.search); // the moment one was sent to, until something is played
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
  write("sentence", status || state !== "idle" ? words.player(state, station, player, asked) : "Connecting…");
  $("play").dataset.act = player.active ? "pause" : "listen";
  $("play").setAttribute("aria-label", player.active ? "Pause" : words.invitation(station));
  $("play").disabled = !station;
  $("quick").hidden = !station?.low_latency;
  $("quick").setAttribute("aria-pressed", player.delay === "quick");
  $("skip").setAttribute("aria-pressed", listening.skipping);
  renderScreen();
  renderPosition();
  renderPast();
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
  $("problems").hidden = !status.problems.length;
  write("problems", status.problems.join("\n"));
  renderStations(status, reachable);
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
  document.documentElement.toggleAttribute("data-picture", picture !== null);
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
  write("behind", words.behind(seconds, away ? player.date : null));
  $("back").disabled = !player.seekable;
  $("live").disabled = !away;
  renderPlace();
  $("live").setAttribute("aria-label", away ? "Back to live" : "Live");
  const badge = words.badge(player.state, station?.picture?.signal, away);
  $("badge").hidden = badge === "";
  $("badge").dataset.live = badge === "Live" ? "yes" : "no";
  write("badge", badge);
}

/** Where the window begins, ms on the server's clock; what is not listed yet counts. */
const oldest = () => server.now() - 1000 * (station.window.seconds + 2 * station.target_seconds);

/** What happened: the timeline, the list, and what can be gone to. */
function renderPast() {
  if (!station) return;
  log.forget(oldest());
  const { heard } = listening;
  if (log.playable === $("next").disabled) offerTracks(acts, log.playable);
  for (const id of ["previous", "next", "replay"]) $(id).disabled = !log.playable;
  $("skip").hidden = !station.level;
  list.update(log, { oldest: oldest(), now: server.now(), heard, playing: player.active });
  timeline.show({ log, oldest: oldest(), live: server.now(), playhead: behind() === null ? asked : player.date });
  $("wider").disabled = timeline.widest;
  $("whole").setAttribute("aria-pressed", timeline.widest);
  $("closer").disabled = timeline.closest;
  write("past-title", words.view(timeline.view));
  write("log-title", words.happened(station));
  renderSession(heard);
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
  // Older than the levels we have: the log knows it, too.
  const logged = log.version && player.state === "playing" ? listening.heard !== null : null;
  const [air, text] = known ? words.air(station, level?.onAir ?? logged) : ["unknown", server.reachable ? "Looking for the station" : "Out of reach"];
  if ($("air").dataset.air !== air) $("air").dataset.air = air;
  write("air-words", text);
}

function renderStations({ streams, found }, reachable) {
  const list = $("stations").querySelector("ul");
  $("found").hidden = !found;
  write("written", found ?? "");
  document.documentElement.toggleAttribute("data-found", found);
  $("stations").hidden = !found && streams.length < 2;
  if (list.children.length !== streams.length) {
    const blank = $("stations").querySelector("template").content;
    list.replaceChildren(...streams.map(() => blank.cloneNode(true)));
  }
  streams.forEach((stream, i) => {
    const link = list.children[i].firstElementChild;
    const [air, text] = reachable ? words.air(stream, stream.level?.on_air ?? null) : ["unknown", ""];
    link.href = address.station(stream, location.search);
    link.dataset.air = air;
    link.querySelector(".name").textContent = stream.title;
    link.querySelector(".air-words").textContent = text;
    link.ariaCurrent = stream.name === station?.name ? "page" : null;
    if (found) renderFound(...link.querySelectorAll("meter, img"), stream);
  });
}

/** How loud it is and what it shows, so that one sees which is which. */
function renderFound(meter, image, { level, picture }) {
  meter.hidden = !level;
  meter.value = level?.rms_dbfs ?? -60;
  image.hidden = !picture?.snapshot;
  if (!image.hidden && Date.now() - (image.dataset.at ?? 0) > STILL) image.src = `${picture.snapshot}?${(image.dataset.at = Date.now())}`;
}

/** What the lock screen shows. */
function renderSession(heard) {
  const session = navigator.mediaSession;
  if (!session || !station || !window.MediaMetadata) return;
  session.playbackState = player.active ? "playing" : player.state === "paused" ? "paused" : "none";
  const artist = station.signal !== "live" ? "No signal" : $("live").disabled ? "Live" : "Recorded";
  const title = words.session(station.title, heard, !$("live").disabled);
  if (session.metadata?.title === title && session.metadata.artist === artist) return;
  session.metadata = new MediaMetadata({
    title,
    artist,
    album: "Outpost",
    artwork: [{ src: "/assets/icon.png", sizes: "512x512", type: "image/png" }],
  });
}

/** Follows the address: /{stream}, or / for the one last listened to, else the first. */
function choose() {
  const streams = server.status?.streams ?? [];
  const find = (name) => streams.find((stream) => stream.name === name);
  const chosen = find(location.pathname.split("/")[1]) ?? find(choices.get("station")) ?? streams[0] ?? null;
  const fresh = chosen !== null && chosen.name !== station?.name;
  if (fresh) {
    choices.set("station", chosen.name);
    levels = new Levels(chosen.name);
    log = new Log();
    follower?.close();
    follower = new Follower(chosen.name, log);
    follower.poll();
    timeline.follow();
  }
  if (fresh && chosen.level) levels.poll();
  station = chosen && address.admitted(chosen, location.search);
  if (!station) return;
  player.choose(station);
  if (fresh) sent();
  if (fresh && station.picture) showPicture(station.picture);
}

/** Shows the moment one was sent to, or says that it is gone. */
function sent() {
  if (asked === null) return;
  if (asked < oldest()) {
    tell(words.gone(asked, oldest()));
    asked = null;
  } else {
    timeline.centre(asked);
  }
}

/** The picture moves at once, unless whoever pays for the data asked to save it. */
function showPicture({ snapshot }) {
  if (snapshot) $("video").poster = `${snapshot}${snapshot.includes("?") ? "&" : "?"}${Date.now()}`;
  else $("video").removeAttribute("poster");
  if (!navigator.connection?.saveData) player.preview(asked);
}

/** Plays from a moment, or the marker there. */
function hear(date, marker) {
  asked = null;
  if (marker) listening.hear(marker);
  else player.hear(date);
}

/** Listens to what one was sent to, or as one did before. */
function toggle() {
  if (asked === null || player.active) return player.toggle();
  if (asked < oldest()) return sent();
  hear(asked, null);
}

let telling = 0;

/** Says something for a moment. */
function tell(text) {
  write("told", text);
  clearTimeout(telling);
  telling = setTimeout(() => write("told", ""), 4000);
}

/** Gives others a moment: by what the phone has for that, else on the clipboard, else to read. */
async function share(date) {
  const url = new URL(address.moment(station, date, location.search), location).href;
  try {
    if (navigator.share) return await navigator.share({ title: `${words.time(date)} · ${station.title}`, url });
    await navigator.clipboard.writeText(url);
    tell("The link is on the clipboard");
  } catch (error) {
    if (error.name !== "AbortError") tell(url); // who closes what the phone offers has not asked for more
  }
}

function find(text) {
  const date = moment(text, server.now());
  if (date === null) return tell("Write a time of day as 14:05");
  if (date < oldest() - 60_000) return tell(words.gone(date, oldest()));
  timeline.centre(date);
  list.scrollTo(date + 999);
}

function skip() {
  listening.skipping = !listening.skipping;
  choices.set("skip", listening.skipping ? "yes" : "no");
  render();
}

function go(act) {
  asked = null;
  timeline.follow();
  act();
  renderPast();
}

const touchPicture = () => (player.muted && station?.level ? player.unmute() : toggle());

/** The picture alone on the screen, with its badge; iPhones show only the video itself. */
function fill() {
  if (document.fullscreenElement) document.exitFullscreen();
  else if ($("screen").requestFullscreen) $("screen").requestFullscreen().catch(() => {});
  else $("video").webkitEnterFullscreen?.();
}

function tune(path) {
  if (path === location.pathname + location.search) return;
  history.pushState(null, "", path);
  asked = null;
  choose();
  render();
}

let drawn = 0;
let described = 0;
let past = 0;

function draw(time) {
  requestAnimationFrame(draw); // stops by itself while the page is hidden
  if (time - drawn < (calm.matches ? 1000 : 30)) return;
  drawn = time;
  const shown = shownTime();
  const level = server.reachable ? levels.at(shown) : null;
  meter.draw(level, time);
  renderLamp(level);
  const live = Math.min(server.now() - UNHEARD, (levels.newest ?? Infinity) + 1000);
  trace.draw(levels, live, behind() === null ? null : player.date);
  if (time - past > 250) {
    past = time;
    write("level", words.level(level?.rms ?? null));
    renderPast();
  }
  if (time - described < 1000) return;
  described = time;
  meter.describe(level);
  renderPosition();
}

async function pollStatus() {
  const { status: before, reachable } = server;
  await server.poll();
  const after = server.status;
  choose();
  const restarted = before && after.uptime_seconds < before.uptime_seconds;
  if (restarted) player.restart();
  else if (server.reachable && !reachable) player.nudge();
  // What happened is another list then, or dated anew.
  if (restarted || (before && after.clock !== before.clock)) follower?.close();
  render();
}

document.addEventListener("fullscreenchange", () => {
  $("full").setAttribute("aria-label", document.fullscreenElement ? "Leave full screen" : "Full screen");
});
const acts = {
  previous: () => go(() => listening.previous()),
  next: () => go(() => listening.next()),
  replay: () => go(() => listening.replay()),
  back: () => go(() => player.back(BACK)),
  ahead: () => go(() => player.back(-BACK)),
  live: () => go(() => player.live()),
  skip,
  share: () => share(asked ?? player.date ?? server.now()),
  keys: () => $("help").showModal(),
  closer: () => timeline.zoom(0.5),
  wider: () => timeline.zoom(2),
  whole: () => timeline.whole(),
};
const taps = {
  ...acts,
  play: toggle,
  video: touchPicture,
  full: fill,
  unmute: () => player.unmute(),
  quick: () => player.hurry(player.delay === "quick" ? "ordinary" : "quick"),
};
for (const [id, act] of Object.entries(taps)) $(id)?.addEventListener("click", act);
$("volume").value = player.volume = choices.get("volume") ?? 1;
$("volume").addEventListener("input", ({ target: { value } }) => {
  player.volume = value;
  choices.set("volume", value);
});
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
$("find").addEventListener("submit", (event) => {
  event.preventDefault();
  if (station) find($("time").value);
});
command({ ...acts, toggle, play: () => (player.active ? null : toggle()), pause: () => player.pause(), find: () => $("time").focus() }, () => station);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden || !player.active) follower?.close();
});

repeat(pollStatus, () => (document.hidden ? 15_000 : server.status?.found ? 1000 : 2000));
repeat(() => (document.hidden || !station?.level ? null : levels.poll()), () => 1000);
repeat(() => (document.hidden && !player.active ? null : follower?.poll(server.now())), () => (document.hidden ? 15_000 : 800));
setInterval(() => {
  listening.step();
  if (document.hidden) renderSession(listening.heard);
}, 250);
requestAnimationFrame(draw);
