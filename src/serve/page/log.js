// What happened when: one station's markers, in order, and what of them is heard at a time. Pure: no page, no network.
// Instants are milliseconds on the server's clock.

/** Heard of what lies before what was tapped, so that its first syllable is whole, ms. */
export const LEAD = 300;
/** Heard after the end before silence is skipped, ms. */
const TAIL = 300;
/** Stretches that lie over each other are looked for as far back as this many. */
const DEEP = 32;

/** Kinds that are listened to, or looked at, one after the other; of the others some are told, and all are drawn. */
const PLAYED = new Set(["transmission", "motion"]);
const UNLISTED = new Set(["health", "gap"]);

/** A marker as the server writes it, in our units. */
function read({ id, kind, from, to, level_dbfs, label }) {
  return { id, kind, from: Date.parse(from.wall), to: to && Date.parse(to.wall), level: level_dbfs, label };
}

/** Where in `sorted` the first stands that begins after `time`. */
function after(sorted, time) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle].from <= time) low = middle + 1;
    else high = middle;
  }
  return low;
}

export class Log {
  /** Changes with every change; 0 until the list has come. */
  version = 0;
  /** All markers, by their beginnings. */
  markers = [];
  /** Those that are listed. */
  listed = [];
  #played = [];
  #known = new Map(); // by id

  /** Takes the server's list for all there is. */
  replace(list) {
    this.#known = new Map(list.map((marker) => [marker.id, read(marker)]));
    this.#sort();
  }

  /** Takes what is new, or has changed, since. */
  add(list) {
    const same = (a, b) => a?.to === b.to && a.from === b.from && a.level === b.level && a.label === b.label;
    const changed = list.map(read).filter((marker) => !same(this.#known.get(marker.id), marker));
    if (!changed.length) return;
    for (const marker of changed) this.#known.set(marker.id, marker);
    this.#sort();
  }

  remove(id) {
    if (this.#known.delete(id)) this.#sort();
  }

  /** Forgets what ended before the window begins. */
  forget(oldest) {
    const over = ({ to }) => to !== null && to < oldest;
    if (!this.markers.length || !over(this.markers[0])) return; // mostly the first is the first to go
    for (const marker of this.markers) if (over(marker)) this.#known.delete(marker.id);
    this.#sort();
  }

  #sort() {
    this.markers = [...this.#known.values()].filter(({ from }) => Number.isFinite(from)).sort((a, b) => a.from - b.from);
    this.listed = this.markers.filter(({ kind }) => !UNLISTED.has(kind));
    this.#played = this.markers.filter(({ kind }) => PLAYED.has(kind));
    this.version += 1;
  }

  /** There is something to go to. */
  get playable() {
    return this.#played.length > 0;
  }

  /** What is heard at `time`, or null where it is quiet. */
  heard(time) {
    for (let i = after(this.#played, time + LEAD), least = i - DEEP; i > 0 && i > least; i -= 1) {
      const marker = this.#played[i - 1];
      if (marker.to === null || marker.to + TAIL > time) return marker;
    }
    return null;
  }

  /** The newest that has begun at `time`; a moment before it begins counts as within. */
  last(time) {
    return this.#played[after(this.#played, time + LEAD) - 1] ?? null;
  }

  /** The one to go back to: before the one that is heard, or the last that was. */
  previous(time) {
    const i = after(this.#played, time + LEAD) - 1;
    return this.#played[this.heard(time) ? i - 1 : i] ?? null;
  }

  /** The one to go on to. */
  next(time) {
    return this.#played[after(this.#played, time + LEAD)] ?? null;
  }

  /** Those that are drawn between two instants. */
  between(from, to) {
    const end = after(this.markers, to);
    let start = Math.max(0, after(this.markers, from) - DEEP);
    while (start < end && this.markers[start].to !== null && this.markers[start].to < from) start += 1;
    return this.markers.slice(start, end);
  }

  /** The listed one nearest to `time`, no further away than `reach`; or null. */
  nearest(time, reach) {
    const away = ({ from, to }) => Math.max(0, from - time, time - (to ?? Infinity));
    const end = after(this.listed, time + reach);
    const near = this.listed.slice(Math.max(0, end - DEEP), end).filter((marker) => away(marker) <= reach);
    return near.sort((a, b) => away(a) - away(b) || b.from - a.from)[0] ?? null;
  }
}

/**
 * The rows of the list, the newest first: under a heading for each hour what happened in it, or that nothing did.
 * Hours in which nothing happened share a heading. A row is { from, marker }; a heading { from, to, counts by kind, marker: null }.
 */
export function rows(listed, oldest, now) {
  const found = [];
  let until = null; // what is above is told already; null: it goes on
  const quiet = (from) => from < (until ?? now) && found.push({ from, to: until, counts: {}, marker: null });
  for (let i = listed.length; i > 0; ) {
    const from = new Date(listed[i - 1].from).setMinutes(0, 0, 0); // by the phone's clock on the wall
    const end = i;
    while (i > 0 && listed[i - 1].from >= from) i -= 1;
    quiet(Math.max(oldest, from + 3_600_000));
    const counts = {};
    for (const { kind } of listed.slice(i, end)) counts[kind] = (counts[kind] ?? 0) + 1;
    found.push({ from, to: from + 3_600_000, counts, marker: null });
    for (let k = end; k > i; k -= 1) found.push({ from: listed[k - 1].from, marker: listed[k - 1] });
    until = from;
  }
  quiet(oldest);
  return found;
}

/**
 * The moment that "14:05", "14:05:30", "14.05" or "1405" means: the latest such time of day that is not after `now`.
 * Null if it means none.
 */
export function moment(text, now) {
  const digits = /^\s*(\d{1,2})[:.\s]?(\d{2})(?:[:.\s]?(\d{2}))?\s*$/.exec(text);
  if (!digits) return null;
  const [hours, minutes, seconds] = digits.slice(1).map((it) => Number(it ?? 0));
  if (hours > 23 || minutes > 59 || seconds > 59) return null;
  const date = new Date(now);
  date.setHours(hours, minutes, seconds, 0);
  if (date.getTime() > now) date.setDate(date.getDate() - 1);
  return date.getTime();
}
