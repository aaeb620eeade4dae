// Tables for the parts of the page that are pure: its words, the levels and the log it keeps, its addresses.
// tests/page.rs opens this in Chromium and reads the outcome. Local time is UTC there.

import * as address from "/assets/address.js";
import { Levels } from "/assets/feed.js";
import { Log, moment, rows } from "/assets/log.js";
import * as words from "/assets/words.js";

const now = Date.parse("2026-11-20T15:00:00Z");
const station = (signal, signal_since, cause = null) => ({ signal, signal_since, cause, picture: null });
const camera = (picture, signal = picture) => ({ ...station(signal, "2026-11-20T14:03:10Z"), picture: { signal: picture } });
const notice = (station, rest = {}) => words.notice({ reachable: true, synchronised: true, now, station, ...rest });

// Steps of 100 ms: -30 dBFS on air, then silence, which ends at `end`.
const levels = new Levels("radio");
const at = (time) => levels.at(Date.parse(time));
levels.add({ step_ms: 100, end: "2026-11-20T12:00:00.300Z", rms_dbfs: [-30, null, -60], peak_dbfs: [-20, null, -50], on_air: [1, 0, 0] });
const loud = { rms: -30, peak: -20, onAir: true };
const silent = { rms: -120, peak: -120, onAir: false };
const quiet = { rms: -60, peak: -50, onAir: false };

// What was said: three transmissions, the last of them going on, and a door between them; in seconds after 14:00.
const day = Date.parse("2026-11-20T14:00:00Z");
const instant = (seconds) => ({ wall: new Date(day + 1000 * seconds).toISOString() });
const marker = (id, kind, from, to, rest = {}) =>
  ({ id, kind, from: instant(from), to: to === null ? null : instant(to), level_dbfs: null, label: null, ...rest });
const log = new Log();
log.replace([
  marker("a", "transmission", 0, 5, { level_dbfs: -20 }),
  marker("c", "transmission", 20, 26),
  marker("ill", "health", 8, 9, { label: "hum" }),
  marker("b", "door", 10, 10, { label: "garage" }),
  marker("d", "transmission", 40, null),
]);
const said = (name, seconds) => log[name](day + 1000 * seconds)?.id ?? null;
const near = (seconds, reach) => log.nearest(day + 1000 * seconds, 1000 * reach)?.id ?? null;
const between = (from, to) => log.between(day + 1000 * from, day + 1000 * to).map(({ id }) => id);
const at14 = (text) => moment(text, Date.parse("2026-11-20T14:30:00Z"));
const pass = "?expires=60&signature=ab";
const listing = (list, oldest, now) => {
  const log = new Log();
  log.replace(list);
  return rows(log.listed, Date.parse(oldest), Date.parse(now)).map(({ from, to, counts, marker }) =>
    marker?.id ?? `${words.heading(from, to, Date.parse(now))}: ${words.tally(counts, to === null)}`);
};
const transmission = { kind: "transmission", from: day, to: day + 6000, level: -20.2, label: null };

const cases = [
  ["before all", said("heard", -10), null],
  ["a little before it begins", said("heard", -0.3), "a"],
  ["within", said("heard", 4), "a"],
  ["its end is heard out", said("heard", 5.2), "a"],
  ["between two", said("heard", 7), null],
  ["a door is not heard", said("heard", 10), null],
  ["going on", said("heard", 400), "d"],
  ["on from the first", said("next", -0.3), "c"],
  ["on to the first", said("next", -5), "a"],
  ["on from silence", said("next", 30), "d"],
  ["on from the last", said("next", 41), null],
  ["back from within", said("previous", 22), "a"],
  ["back from silence", said("previous", 30), "c"],
  ["back from the first", said("previous", 2), null],
  ["back from the end of all", said("previous", 1e9), "c"],
  ["once more, within", said("last", 22), "c"],
  ["once more, after it", said("last", 30), "c"],
  ["once more, before all", said("last", -5), null],
  ["a thumb beside it", near(6.5, 2), "a"],
  ["a thumb too far away", near(7.5, 2), null],
  ["a thumb on the nearer of two", near(16, 10), "c"],
  ["drawn, with what reaches in", between(4, 20), ["a", "ill", "b", "c"]],
  ["drawn, with what goes on", between(100, 200), ["d"]],
  ["health is not listed", log.listed.map(({ id }) => id), ["a", "b", "c", "d"]],

  ["under its hour, the newest first",
    listing([marker("a", "transmission", 0, 5), marker("m", "motion", 60, 70), marker("b", "transmission", 3600, 3605)],
      "2026-11-20T14:00:00Z", "2026-11-20T15:20:00Z"),
    ["15:00: 1 transmission", "b", "14:00: 1 transmission · 1 × motion", "m", "a"]],
  ["an hour in which nothing was said",
    listing([marker("a", "transmission", 0, 5), marker("b", "transmission", 7200, 7205)], "2026-11-20T14:00:00Z", "2026-11-20T16:20:00Z"),
    ["16:00: 1 transmission", "b", "15:00: nothing was said", "14:00: 1 transmission", "a"]],
  ["hours, before and after",
    listing([marker("a", "transmission", 0, 5)], "2026-11-20T11:20:00Z", "2026-11-20T17:20:00Z"),
    ["15:00–now: nothing was said yet", "14:00: 1 transmission", "a", "11:20–14:00: nothing was said"]],
  ["nothing at all", listing([], "2026-11-20T14:05:00Z", "2026-11-20T14:20:00Z"), ["14:05–now: nothing was said yet"]],
  ["yesterday", listing([marker("a", "transmission", 0, 5)], "2026-11-20T14:00:00Z", "2026-11-21T00:20:00Z")[1].endsWith(", 14:00: 1 transmission"), true],

  ["a time", at14("14:05"), Date.parse("2026-11-20T14:05:00Z")],
  ["with seconds", at14(" 9:05:30 "), Date.parse("2026-11-20T09:05:30Z")],
  ["as others write it", at14("14.05"), Date.parse("2026-11-20T14:05:00Z")],
  ["on a number pad", at14("1405"), Date.parse("2026-11-20T14:05:00Z")],
  ["later than now is yesterday", at14("14:31"), Date.parse("2026-11-19T14:31:00Z")],
  ["no time", at14("25:00"), null],
  ["no time at all", at14("noon"), null],
  ["nothing written", at14(""), null],

  ["a link to a moment", address.moment({ name: "radio" }, Date.parse("2026-11-20T14:03:22.468Z"), "?at=1"), "/radio?at=2026-11-20T14:03:22.4Z"],
  ["a link with a pass", address.moment({ name: "radio" }, day, pass), `/radio?at=2026-11-20T14:00:00.0Z&${pass.slice(1)}`],
  ["a link is read", address.momentIn("?at=2026-11-20T14:03:22.4Z&expires=1"), Date.parse("2026-11-20T14:03:22.4Z")],
  ["no link", address.momentIn("?at=tomorrow"), null],
  ["nothing asked", address.momentIn(""), null],
  ["a pass goes along, the moment does not", address.station({ name: "tower" }, `?at=x&${pass.slice(1)}`), `/tower${pass}`],
  ["no pass", address.station({ name: "tower" }, "?at=x"), "/tower"],
  ["a file", address.clip({ name: "radio" }, { id: "18e-2" }, pass), "/radio/clip?marker=18e-2&download&expires=60&signature=ab"],

  ["a row", words.row(transmission, 6), "Transmission at 14:00:00, 6 seconds, −20 dB"],
  ["a row of now", words.row({ ...transmission, to: null, level: null }, 2), "Transmission at 14:00:00, going on now"],
  ["an instant", words.row({ kind: "door", from: day, to: day, label: "garage" }, 0), "door at 14:00:00, garage"],
  ["motion", words.row({ kind: "motion", from: day, to: day + 2000, label: null }, 2), "Motion at 14:00:00, 2 seconds"],
  ["on the timeline", words.pointed(day, transmission), "14:00:00, transmission"],
  ["on the timeline, nothing", words.pointed(day, null), "14:00:00"],
  ["half a minute", words.view({ from: day, to: day + 30_000, live: true }), "The last 30 seconds"],
  ["five minutes", words.view({ from: day, to: day + 300_000, live: true }), "The last 5 minutes"],
  ["an hour and a half", words.view({ from: day, to: day + 5_400_000, live: true }), "The last 1.5 hours"],
  ["from when to when", words.view({ from: day, to: day + 300_000, live: false }), "14:00 – 14:05"],
  ["to the second", words.view({ from: day, to: day + 30_000, live: false }), "14:00:00 – 14:00:30"],
  ["live, on a lock screen", words.session("Attic", transmission, false), "Attic"],
  ["what was, on a lock screen", words.session("Attic", transmission, true), "14:00:00 · Attic"],
  ["behind", words.behind(7, null), "7 s behind live"],
  ["behind, on purpose", words.behind(125, day), "14:00:00 · 2:05 behind live"],
  ["not known how far", words.behind(null, null), ""],
  ["a moment to hear", words.player("idle", station("live", ""), {}, day), "Tap to hear 14:00:00"],
  ["what has left", words.gone(day, day + 60_000), "14:00:00 has left the window, which goes back to 14:01:00"],
  ["what ails it, and what helps", notice({ ...station("live"), health: { state: "hum", advice: "only hum is heard: is the lead plugged in at the radio?" } }), ["Only hum is heard", "Is the lead plugged in at the radio?"]],
  ["it is well", notice({ ...station("live"), health: { state: "well", advice: null } }), null],

  ["no time", words.length(0), "0 s"],
  ["below a minute", words.length(59.4), "59 s"],
  ["rounded up to a minute", words.length(59.6), "1:00"],
  ["minutes", words.length(125), "2:05"],
  ["hours", words.length(3725), "1:02:05"],
  ["never negative", words.length(-3), "0 s"],

  ["a place in the window", words.place(Date.parse("2026-11-20T14:03:25.4Z"), 125), "14:03:25 · 2:05 back"],
  ["a place without a clock", words.place(null, 30), "30 s back"],
  ["the end of the window", words.place(Date.parse("2026-11-20T14:03:25Z"), 0.4), "14:03:25 · live"],

  ["nobody", words.listeners({ listeners: 0, picture: null }), "Nobody listening"],
  ["one", words.listeners({ listeners: 1, picture: null }), "1 listening"],
  ["two before a camera", words.listeners({ listeners: 2, picture: {} }), "2 watching"],
  ["a radio invites", words.invitation({ title: "Tower", picture: null }), "Listen to Tower"],
  ["a camera invites", words.invitation({ title: "Yard", picture: {} }), "Watch Yard"],

  ["live", words.badge("playing", "live", false), "Live"],
  ["thirty seconds back", words.badge("playing", "live", true), "Delayed"],
  ["a slate speaks for itself", words.badge("playing", "no-device", false), ""],
  ["paused in full screen", words.badge("paused", "live", true), "Paused"],
  ["not yet", words.badge("connecting", "live", false), ""],

  ["a level", words.level(-23.4), "−23 dB"],
  ["full scale", words.level(0), "0 dB"],
  ["silence", words.level(-120), "< −60 dB"],
  ["no level", words.level(null), "– dB"],

  ["on air", words.air(station("live"), true), ["on", "On air"]],
  ["quiet", words.air(station("live"), false), ["quiet", "Quiet"]],
  ["level unknown", words.air(station("live"), null), ["unknown", "Level not known"]],
  ["lost beats on air", words.air(station("stalled"), true), ["lost", "No signal"]],
  ["starting", words.air(station("starting"), false), ["unknown", "Starting"]],
  ["a camera is on air while it is there", words.air(camera("live"), false), ["on", "Live"]],
  ["a camera that is away", words.air(camera("no-device"), null), ["lost", "No picture"]],
  ["a camera without its sound", words.air(camera("live", "no-device"), null), ["on", "Live"]],

  ["all is well", notice(station("live", "2026-11-20T14:03:10Z")), null],
  ["server gone", notice(station("live", ""), { reachable: false }), ["Outpost does not answer", "This page keeps trying by itself."]],
  ["no stream", notice(null), ["Nothing found yet: plug in a sound card or a camera", "It appears here by itself."]],
  ["today", notice(station("no-device", "2026-11-20T14:03:10Z")), ["No signal from the radio since 14:03", "The sound card is not connected."]],
  ["the server's cause is better", notice(station("busy", "2026-11-20T14:03:10Z", "held by arecord (812)"))[1], "Held by arecord (812)."],
  ["another day", notice(station("failed", "2026-11-18T23:59:00Z"))[0].includes("18"), true],
  ["no time of day without a clock", notice(station("stalled", "2026-11-20T14:57:00Z"), { synchronised: false })[0], "No signal from the radio for 3 minutes"],
  ["one of them", notice(station("stalled", "2026-11-20T14:00:00Z"), { synchronised: false })[0], "No signal from the radio for 1 hour"],
  ["no camera", notice(camera("no-device")), ["No picture from the camera since 14:03", "The camera is not connected."]],
  ["a camera without sound", notice(camera("live", "busy")), ["No sound since 14:03", "Another program is using the sound card."]],
  ["a camera that starts", notice(camera("starting")), ["The camera is starting", ""]],

  ["playing unheard", words.player("playing", { level: {} }, { muted: true }), "Playing without sound"],
  ["there is nothing to hear", words.player("playing", { level: null }, { muted: true }), "Playing"],
  ["to listen", words.player("idle", station("live", ""), {}), "Tap to listen"],
  ["to watch", words.player("idle", camera("live"), {}), "Tap to watch"],
  ["no HLS here", words.player("unable", null, {}), "This browser cannot play HLS. Try another player below."],
  ["no pass", words.player("locked", station("live", ""), {}), "This station needs a key: ask whoever runs this box for an address"],
  ["a pass of yesterday", words.player("expired", station("live", ""), {}), "This address has expired: ask whoever runs this box for a new one"],
  ["paused", words.player("paused", null, {}), "Paused"],

  ["before what is known", at("2026-11-20T11:59:59.900Z"), null],
  ["inside the first step", at("2026-11-20T12:00:00.050Z"), loud],
  ["a step's end belongs to it", at("2026-11-20T12:00:00.100Z"), loud],
  ["null is silence", at("2026-11-20T12:00:00.150Z"), silent],
  ["the newest", at("2026-11-20T12:00:00.300Z"), quiet],
  ["long after the newest", at("2026-11-20T12:00:01Z"), null],
];

// It is over, something else comes, and something goes.
const version = log.version;
log.add([marker("d", "transmission", 40, 44), marker("e", "transmission", 50, 52)]);
cases.push(["over", said("heard", 45), null], ["the next came", said("next", 45), "e"], ["another version", log.version > version, true]);
const settled = log.version;
log.add([marker("e", "transmission", 50, 52)]);
log.remove("nobody");
cases.push(["what is known changes nothing", log.version, settled]);
log.remove("e");
cases.push(["removed", said("next", 45), null]);
log.forget(day + 15_000);
cases.push(["what left the window is forgotten", log.markers.map(({ id }) => id), ["c", "d"]]);

// More arrives: old steps stay. Then the clock is set: they go.
levels.add({ step_ms: 100, end: "2026-11-20T12:00:00.400Z", rms_dbfs: [-60, -10], peak_dbfs: [-50, -3], on_air: [0, 1] });
cases.push(["kept", at("2026-11-20T12:00:00.050Z"), loud]);
cases.push(["added", at("2026-11-20T12:00:00.400Z"), { rms: -10, peak: -3, onAir: true }]);
levels.add({ step_ms: 100, end: "1970-01-01T00:10:00Z", rms_dbfs: [-60], peak_dbfs: [-50], on_air: [0] });
cases.push(["forgotten", at("2026-11-20T12:00:00.050Z"), null]);
cases.push(["dated anew", at("1970-01-01T00:10:00Z"), quiet]);
levels.add({ step_ms: 100, end: "not a date", rms_dbfs: [-1], peak_dbfs: [-1], on_air: [0] });
cases.push(["rubbish is left out", levels.newest, Date.parse("1970-01-01T00:10:00Z")]);

const wrong = cases
  .map(([name, got, want]) => [name, JSON.stringify(got), JSON.stringify(want)])
  .filter(([, got, want]) => got !== want)
  .map(([name, got, want]) => `${name}: ${got}, not ${want}`);
document.getElementById("outcome").textContent = wrong.length ? wrong.join("\n") : `${cases.length} cases hold`;
