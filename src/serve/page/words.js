// What people read: pure functions from states to plain words. Nothing here touches the page or the network.

/** "45 s", "2:05", "1:02:05": a length of time in whole seconds. */
export function length(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  const two = (n) => String(n).padStart(2, "0");
  const minutes = Math.floor(s / 60);
  return minutes < 60
    ? `${minutes}:${two(s % 60)}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(s % 60)}`;
}

/** "for 3 minutes": how long something has lasted, where no time of day can be trusted. */
function lasting(seconds) {
  const steps = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];
  const [unit, name] = steps.find(([unit]) => seconds >= unit) ?? [1, "second"];
  const n = Math.max(0, Math.floor(seconds / unit));
  return `for ${n} ${name}${n === 1 ? "" : "s"}`;
}

const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };

/** "14:03:25": a time of day. */
export const time = new Intl.DateTimeFormat([], { ...CLOCK, second: "2-digit" }).format;

/** "14:03": the same without seconds. */
export const clock = new Intl.DateTimeFormat([], CLOCK).format;

/** "14:03", or with the day if that is not today. Both are milliseconds on the server's clock. */
function day(then, now) {
  const date = new Date(then);
  const today = date.toDateString() === new Date(now).toDateString();
  return `${today ? "" : `${date.toLocaleDateString([], { day: "numeric", month: "short" })}, `}${clock(date)}`;
}

/** A place in the window: when that was, if the time of day is known, and how far behind live it is. */
export function place(date, behind) {
  const back = behind < 1 ? "live" : `${length(behind)} back`;
  return date === null ? back : `${time(date)} · ${back}`;
}

/** "14:00", or with the day if that is not today: the heading of an hour, or of quiet hours; `to` is null for now. */
export function heading(from, to, now) {
  const long = (to ?? now) - from > 3_600_000 || new Date(from).getMinutes() > 0;
  return `${day(from, now)}${!long ? "" : to === null ? "–now" : `–${clock(to)}`}`;
}

/** How much happened under a heading: a number by kind. */
export function tally(counts, goesOn) {
  const { transmission, ...others } = counts;
  const told = Object.entries(others).map(([kind, n]) => `${n} × ${kind}`);
  if (transmission) told.unshift(`${transmission} transmission${transmission === 1 ? "" : "s"}`);
  return told.join(" · ") || (goesOn ? "nothing was said yet" : "nothing was said");
}

/** "The last 5 minutes", or from when to when: what of the window is shown. */
export function view({ from, to, live }) {
  if (!live) return to - from < 180_000 ? `${time(from)} – ${time(to)}` : `${clock(from)} – ${clock(to)}`;
  const minutes = (to - from) / 60_000;
  if (minutes < 1.5) return `The last ${Math.round(60 * minutes)} seconds`;
  return `The last ${minutes < 90 ? `${Math.round(minutes)} minutes` : `${(minutes / 60).toFixed(1).replace(".0", "")} hours`}`;
}

/** The heading of the list. */
export function happened({ picture }) {
  return picture ? "What happened" : "Transmissions";
}

const KINDS = { transmission: "Transmission", motion: "Motion" };

/** What a marker is, beside its time: how loud a transmission was, others by their label or kind. */
export function what({ kind, level: loud, label }) {
  if (kind === "transmission") return label ?? (loud === null ? "" : level(loud));
  return label ?? KINDS[kind] ?? kind;
}

/** A row of the list, as it is read aloud. */
export function row(marker, seconds) {
  const { kind, from, to } = marker;
  const name = KINDS[kind] ?? kind;
  const lasts = to === null ? "going on now" : `${Math.max(1, Math.round(seconds))} seconds`;
  return [`${name} at ${time(from)}`, to === from ? "" : lasts, what(marker) === name ? "" : what(marker)].filter(Boolean).join(", ");
}

/** A place on the timeline, as it is read aloud. */
export function pointed(date, marker) {
  return marker ? `${time(date)}, ${KINDS[marker.kind]?.toLowerCase() ?? marker.kind}` : time(date);
}

/** What the lock screen calls what is heard: whoever hears what was is told when. */
export function session(title, heard, away) {
  return heard && away ? `${time(heard.from)} · ${title}` : title;
}

/** How far behind live one listens, and for whoever went back, when that was. */
export function behind(seconds, date) {
  if (seconds === null) return "";
  return `${date === null ? "" : `${time(date)} · `}${length(seconds)} behind live`;
}

/** Why a moment cannot be gone to. */
export function gone(date, oldest) {
  return `${time(date)} has left the window, which goes back to ${time(oldest)}`;
}

export function listeners({ listeners, picture }) {
  return `${listeners || "Nobody"} ${picture ? "watching" : "listening"}`;
}

/** What the large button offers while nothing plays. */
export function invitation(station) {
  return `${station?.picture ? "Watch" : "Listen to"} ${station?.title ?? "the radio"}`;
}

/** What lies upon the picture, or "": a slate speaks for itself. */
export function badge(state, signal, away) {
  if (state === "paused") return "Paused";
  if (state !== "playing" || signal !== "live") return "";
  return away ? "Delayed" : "Live";
}

/** The server's words go on where a colon ends, so they begin with a small letter; names keep their own. */
function capital(words) {
  return /^[a-z]+ /.test(words) ? words[0].toUpperCase() + words.slice(1) : words;
}

function sentence(words) {
  return /[.!?]$/.test(words) ? capital(words) : `${capital(words)}.`;
}

/** The number beside the bar, whose scale ends at -60 dBFS: below that one silence is like another. */
export function level(rms) {
  if (rms === null) return "– dB";
  return rms < -60 ? "< −60 dB" : `${Math.round(rms)} dB`.replace("-", "−");
}

/** The lamp: what the station is doing, as [state for the colour, words]. A camera is on air while it is there. */
export function air({ signal, picture }, onAir) {
  if (picture) signal = picture.signal;
  if (signal === "starting") return ["unknown", "Starting"];
  if (signal !== "live") return ["lost", picture ? "No picture" : "No signal"];
  if (picture) return ["on", "Live"];
  if (onAir === null) return ["unknown", "Level not known"];
  return onAir ? ["on", "On air"] : ["quiet", "Quiet"];
}

// Said only where the server names no cause of its own.
const CAUSES = {
  "no-device": (device) => `The ${device} is not connected.`,
  busy: (device) => `Another program is using the ${device}.`,
  stalled: (device) => `The ${device} is there but delivers nothing.`,
  failed: (device) => `The ${device} has failed.`,
};

/** What stands in the way of listening, as [text, detail], or null when nothing does. */
export function notice({ reachable, station, synchronised, now }) {
  if (!reachable) return ["Outpost does not answer", "This page keeps trying by itself."];
  if (!station) return ["Nothing found yet: plug in a sound card or a camera", "It appears here by itself."];
  if (station.signal === "live" && station.health?.advice) {
    const [heard, helps] = station.health.advice.split(": ");
    return [capital(heard), helps ? sentence(helps) : ""];
  }
  if (station.signal === "live") return null;
  const { picture } = station;
  if (station.signal === "starting") return [`The ${picture ? "camera" : "radio"} is starting`, station.cause ? sentence(station.cause) : ""];
  const then = Date.parse(station.signal_since);
  const when = synchronised ? `since ${day(then, now)}` : lasting((now - then) / 1000);
  const seen = picture && picture.signal !== "live";
  const lost = seen ? "No picture from the camera" : picture ? "No sound" : "No signal from the radio";
  return [`${lost} ${when}`, station.cause ? sentence(station.cause) : CAUSES[station.signal]?.(seen ? "camera" : "sound card") ?? ""];
}

const STATES = {
  idle: "Tap to listen",
  connecting: "Connecting…",
  playing: "Playing",
  paused: "Paused",
  error: "Connection lost, trying again…",
  unable: "This browser cannot play HLS. Try another player below.",
  locked: "This station needs a key: ask whoever runs this box for an address",
  expired: "This address has expired: ask whoever runs this box for a new one",
};

/** What the player is doing, in one short line. */
export function player(state, station, { muted }, moment = null) {
  if (state === "idle" && moment !== null) return `Tap to hear ${time(moment)}`;
  if (state === "playing" && muted && station?.level) return "Playing without sound";
  if (state === "idle" && station?.picture) return "Tap to watch";
  return STATES[state];
}
