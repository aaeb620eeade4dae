// What happened, as a list to tap on, the newest first. Of ten thousand rows those near the screen are made.

import { rows } from "./log.js";
import * as words from "./words.js";

const TALL = { said: 52, hour: 44 }; // CSS pixels, as in style.css
const SPARE = 400; // CSS pixels made above and below what is seen

export class List {
  #element;
  #template;
  #rows = [];
  #tops = [0]; // where each row begins, and the last ends
  #made = new Map(); // row elements on the page, by key
  #version = "";
  #log = null;
  #now = 0;
  #state = {};
  #link;

  /** `act(what, marker)` is told what was tapped: "hear" or "share"; `link(marker)` is where it is downloaded. */
  constructor(element, template, { act, link }) {
    [this.#element, this.#template, this.#link] = [element, template, link];
    element.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      const row = target.closest("li");
      const marker = row && this.#rows.find(({ marker }) => marker?.id === row.dataset.id)?.marker;
      if (button && marker) act(button.dataset.act, marker);
    });
    document.addEventListener("scroll", () => this.#show(), { passive: true, capture: true });
    addEventListener("resize", () => this.#show());
  }

  /** Shows `log` from `oldest` on; `heard` is the marker one listens to, or null. */
  update(log, { oldest, now, heard, playing }) {
    this.#state = { heard: heard?.id, playing };
    this.#now = now;
    const version = [log.version, Math.floor(now / 60_000)].join();
    if (log !== this.#log || version !== this.#version) {
      [this.#log, this.#version] = [log, version];
      this.#arrange(log.version ? rows(log.listed, oldest, now) : []);
    }
    this.#show(true);
  }

  #arrange(found) {
    const tall = (row) => (row.marker ? TALL.said : TALL.hour);
    const before = this.#anchor();
    this.#rows = found;
    this.#tops = [0];
    for (const row of found) this.#tops.push(this.#tops.at(-1) + tall(row));
    this.#element.style.height = `${this.#tops.at(-1)}px`;
    // Whoever reads further down goes on reading there when something new comes above.
    if (!before) return;
    const at = found.findIndex(({ marker }) => marker?.id === before.id);
    if (at < 0 || this.#tops[at] === before.top) return;
    this.#scroller.scrollBy({ top: this.#tops[at] - before.top, behavior: "instant" });
  }

  get #scroller() {
    const own = this.#element.parentElement;
    return own.scrollHeight > own.clientHeight + 1 && getComputedStyle(own).overflowY === "auto" ? own : document.scrollingElement;
  }

  /** What of the list is on the screen: from and to, in its own pixels. */
  #seen() {
    const { top } = this.#element.getBoundingClientRect();
    const frame = this.#element.parentElement.getBoundingClientRect();
    const scrolled = this.#scroller === this.#element.parentElement;
    return [(scrolled ? frame.top : 0) - top, (scrolled ? frame.bottom : innerHeight) - top];
  }

  /** The first marker's row wholly on the screen, if the list's own beginning is not. */
  #anchor() {
    const [from] = this.#seen();
    if (from <= 0) return null;
    const i = this.#rows.findIndex(({ marker }, i) => marker && this.#tops[i] >= from);
    return i < 0 ? null : { id: this.#rows[i].marker.id, top: this.#tops[i] };
  }

  /** Brings the row of the marker before `time` into sight, or the oldest. */
  scrollTo(time) {
    const earlier = this.#rows.findIndex(({ marker, from }) => marker && from <= time);
    const i = earlier < 0 ? this.#rows.length - 1 : earlier;
    const [from, to] = this.#seen();
    const top = this.#tops[i] - from - (to - from) / 3;
    this.#scroller.scrollBy({ top, behavior: "instant" });
    this.#show();
  }

  /** Makes the rows near the screen; `again` writes those anew that were there. */
  #show(again = false) {
    const [from, to] = this.#seen();
    const wanted = new Map();
    let i = this.#tops.findIndex((top) => top > from - SPARE) - 1;
    for (i = Math.max(0, i); i < this.#rows.length && this.#tops[i] < to + SPARE; i += 1) {
      const { marker, from } = this.#rows[i];
      wanted.set(marker?.id ?? `hour-${from}`, i);
    }
    for (const [key, row] of this.#made) {
      if (wanted.has(key)) continue;
      row.remove();
      this.#made.delete(key);
    }
    let last = null;
    for (const [key, i] of wanted) {
      const known = this.#made.get(key);
      const row = known ?? this.#make(this.#rows[i]);
      this.#made.set(key, row);
      // In order of the page, for those who go from row to row by keyboard or ear.
      const next = last ? last.nextElementSibling : this.#element.firstElementChild;
      if (next !== row) this.#element.insertBefore(row, next);
      last = row;
      if (again || !known) this.#fill(row, this.#rows[i], i);
    }
  }

  #make({ marker }) {
    const row = this.#template.content.querySelector(marker ? ".said" : ".hour").cloneNode(true);
    if (marker) row.dataset.id = marker.id;
    return row;
  }

  #fill(row, { marker, from, to, counts }, i) {
    const put = (where, text) => {
      const element = row.querySelector(where);
      if (element.textContent !== text) element.textContent = text;
    };
    row.style.transform = `translateY(${this.#tops[i]}px)`;
    row.setAttribute("aria-setsize", this.#rows.length);
    row.setAttribute("aria-posinset", i + 1);
    if (!marker) {
      put("b", words.heading(from, to, this.#now));
      put("span", words.tally(counts, to === null));
      return;
    }
    const { heard, playing } = this.#state;
    const on = marker.to === null;
    const seconds = ((marker.to ?? this.#now) - marker.from) / 1000;
    row.dataset.kind = marker.kind;
    row.dataset.on = on ? "yes" : "no";
    if (heard === marker.id) row.dataset.heard = playing ? "yes" : "paused";
    else delete row.dataset.heard;
    put(".when", words.time(marker.from));
    put(".long", on ? "now" : words.length(Math.max(1, seconds)));
    put(".what", words.what(marker));
    row.querySelector(".loud i").style.width = `${Math.min(100, Math.max(4, 100 + 2 * (marker.level ?? -60)))}%`;
    const button = row.querySelector(".hear");
    button.setAttribute("aria-label", words.row(marker, seconds));
    button.ariaCurrent = heard === marker.id ? "true" : null;
    const link = row.querySelector("a");
    link.href = this.#link(marker);
    link.hidden = on; // what is not over cannot be cut out yet
  }
}
