// Tables for the parts of the page that are pure: its words, and the levels it keeps. tests/page.rs opens this in
// Chromium and reads the outcome. Local time is UTC there.

import { Levels } from "/assets/feed.js";
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

const cases = [
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
  ["no stream", notice(null), ["No stations yet", "The configuration of this box names no stream."]],
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
