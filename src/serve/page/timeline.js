// The window as a picture: what happened in it, and where in it one listens; to drag, to widen and to tap on.

import { clock, time } from "./words.js";

const LEAST = 30_000; // ms shown at most closely
const FIRST = 300_000; // ms shown before anybody chose
const CROWD = 10_000; // ms: with so much in a column of three pixels, transmissions are not told apart
const FINGER = 14; // CSS pixels a tap may miss by
const STEPS = [5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800, 86_400]; // seconds between ticks
const COLOURS = ["accent", "text", "soft", "line", "motion", "mark"];

export class Timeline {
  #canvas;
  #context;
  #colours;
  #drawn = "";
  #scene = null; // what is shown, as last told
  #span = FIRST;
  #end = null; // the right edge where somebody dragged it to; null: it follows
  #cursor = null; // where the keyboard points
  #fingers = new Map(); // those on it, by pointer: { x, first }
  #moved = false;
  #act;
  #describe;

  /** `act(date, marker)` hears what was tapped, `describe(date, marker)` is how that is told. */
  constructor(canvas, { act, describe }) {
    [this.#canvas, this.#act, this.#describe] = [canvas, act, describe];
    this.#context = canvas.getContext("2d");
    const read = () => {
      const style = getComputedStyle(canvas);
      this.#colours = Object.fromEntries(COLOURS.map((name) => [name, style.getPropertyValue(`--${name}`)]));
      this.#drawn = "";
    };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", read);
    read();
    new ResizeObserver(() => {
      canvas.width = canvas.clientWidth * devicePixelRatio;
      canvas.height = canvas.clientHeight * devicePixelRatio;
      this.#drawn = "";
      this.draw();
    }).observe(canvas);
    const on = (event, act) => canvas.addEventListener(event, act);
    on("pointerdown", (event) => this.#touch(event));
    on("pointermove", (event) => this.#drag(event));
    on("pointerup", (event) => this.#lift(event));
    on("pointercancel", (event) => this.#fingers.delete(event.pointerId));
    on("keydown", (event) => this.#key(event));
    on("blur", () => this.#point(null));
  }

  /**
   * Takes what there is to show: log, oldest, live, and the date one listens to or null; all in milliseconds on the
   * server's clock.
   */
  show(scene) {
    this.#scene = scene;
    this.draw();
  }

  /** Shows where one listens, and goes along with it. */
  follow() {
    this.#end = null;
    this.#point(null);
  }

  /** Shows `date` in the middle. */
  centre(date) {
    this.#end = date + this.#span / 2;
    this.draw();
  }

  /** Shows that many times as much. */
  zoom(by, at = this.#edge() - (this.#end === null ? 0 : this.#span / 2)) {
    const edge = this.#edge();
    const span = Math.min(Math.max(this.#span * by, LEAST), this.#whole());
    if (this.#end !== null) this.#end = at + ((edge - at) * span) / this.#span;
    this.#span = span;
    this.draw();
  }

  /** Shows the whole window, or the last minutes again. */
  whole() {
    this.#span = this.widest ? FIRST : this.#whole();
    this.follow();
  }

  /** Whether more, and less, can be shown. */
  get widest() {
    return this.#scene !== null && this.#span >= this.#whole();
  }

  get closest() {
    return this.#span <= LEAST;
  }

  /** What is shown: from when to when, and whether that is live. */
  get view() {
    const to = this.#edge();
    return { from: to - this.#reach, to, live: to === this.#scene.live };
  }

  /** Milliseconds shown. */
  get #reach() {
    return Math.min(this.#span, this.#whole());
  }

  #whole() {
    return this.#scene ? Math.max(LEAST, this.#scene.live - this.#scene.oldest) : FIRST;
  }

  /** The date at the right edge: live if where one listens can be seen then, too. */
  #edge() {
    const { live, oldest, playhead } = this.#scene;
    const span = this.#reach;
    if (this.#end !== null) return Math.min(Math.max(this.#end, oldest + span), live);
    return playhead !== null && playhead < live - span * 0.9 ? Math.max(playhead + span / 3, oldest + span) : live;
  }

  #dateAt(x) {
    return this.#edge() - (1 - x / this.#canvas.clientWidth) * this.#reach;
  }

  #near(date) {
    return this.#scene.log.nearest(date, (FINGER * this.#reach) / this.#canvas.clientWidth);
  }

  #touch({ pointerId, offsetX, button }) {
    if (!this.#scene || button) return;
    this.#canvas.setPointerCapture(pointerId);
    if (!this.#fingers.size) this.#moved = false;
    this.#fingers.set(pointerId, { x: offsetX, first: offsetX });
  }

  #drag({ pointerId, offsetX }) {
    const finger = this.#fingers.get(pointerId);
    if (!finger) return;
    const before = finger.x;
    finger.x = offsetX;
    if (Math.abs(offsetX - finger.first) > 6) this.#moved = true;
    if (!this.#moved) return;
    const [other] = [...this.#fingers.values()].filter((it) => it !== finger);
    if (other) {
      const apart = (x) => Math.max(24, Math.abs(x - other.x));
      this.#end ??= this.#edge();
      this.zoom(apart(before) / apart(offsetX), this.#dateAt(other.x));
    } else {
      this.#pan(((before - offsetX) * this.#reach) / this.#canvas.clientWidth);
    }
  }

  #lift({ pointerId, offsetX }) {
    const tapped = this.#fingers.delete(pointerId) && !this.#moved && !this.#fingers.size;
    if (!tapped) return;
    const date = this.#dateAt(offsetX);
    this.#act(date, this.#near(date));
  }

  #pan(by) {
    const edge = this.#edge() + by;
    this.#end = edge >= this.#scene.live ? null : Math.max(edge, this.#scene.oldest + this.#reach);
    // At live it would jump back to where one listens, away from the thumb.
    if (this.#end === null && this.#edge() < this.#scene.live) this.#end = this.#scene.live;
    this.draw();
  }

  #key(event) {
    if (!this.#scene || event.ctrlKey || event.metaKey || event.altKey) return;
    const { live, oldest, playhead } = this.#scene;
    const at = this.#cursor ?? playhead ?? live;
    const to = {
      ArrowLeft: () => at - this.#reach / 30, ArrowRight: () => at + this.#reach / 30,
      Home: () => oldest, End: () => live,
    }[event.key];
    if (to) this.#point(Math.min(Math.max(to(), oldest), live));
    else if (event.key === "+") this.zoom(0.5, at);
    else if (event.key === "-") this.zoom(2, at);
    else if (event.key === "Enter" && this.#cursor !== null) this.#act(this.#cursor, this.#near(this.#cursor));
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #point(date) {
    this.#cursor = date;
    if (!this.#scene) return;
    const edge = this.#edge();
    if (date > edge) this.#end = date + this.#reach / 10;
    else if (date !== null && date < edge - this.#reach) this.#end = date + this.#reach * 0.9;
    const { live, oldest, playhead } = this.#scene;
    const at = date ?? playhead ?? live;
    this.#canvas.setAttribute("aria-valuenow", Math.round((100 * (at - oldest)) / this.#whole()));
    this.#canvas.setAttribute("aria-valuetext", this.#describe(at, this.#near(at)));
    this.draw();
  }

  /** Draws what differs from what is drawn. */
  draw() {
    if (!this.#scene || !this.#canvas.width) return;
    const { log, live, oldest, playhead } = this.#scene;
    const { width, height } = this.#canvas;
    const [edge, span] = [this.#edge(), this.#reach];
    const pixel = span / width;
    const state = [edge, playhead, this.#cursor, oldest].map((date) => date && Math.round(date / pixel));
    const drawn = [log.version, span, ...state].join();
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    const start = edge - span;
    const c = this.#context;
    const dot = devicePixelRatio;
    const colour = this.#colours;
    const x = (date) => (date - start) / pixel;
    const [top, floor] = [14 * dot, height - 22 * dot];
    c.clearRect(0, 0, width, height);
    c.fillStyle = colour.line;
    c.fillRect(Math.max(0, x(oldest)), floor, Math.min(width, x(live)) - Math.max(0, x(oldest)), dot);
    this.#ticks(c, start, edge, x, height);
    const shown = log.between(start, edge);
    const column = 3 * dot * pixel;
    if (column > CROWD) this.#columns(c, shown, start, column, [top, floor]);
    for (const marker of shown) {
      const left = x(marker.from);
      const wide = Math.max(x(marker.to ?? live) - left, 2 * dot);
      const block = (name, y, tall) => {
        c.fillStyle = colour[name];
        c.fillRect(left, y, wide, tall);
      };
      if (marker.kind === "transmission") {
        if (column > CROWD) continue;
        const tall = (floor - top) * (marker.level === null ? 0.8 : Math.min(1, Math.max(0.2, 1 + marker.level / 50)));
        c.globalAlpha = playhead !== null && marker.from > playhead ? 0.55 : 1; // not heard yet
        block("accent", floor - tall, tall);
        c.globalAlpha = 1;
      } else if (marker.kind === "motion") {
        block("motion", floor + 2 * dot, 4 * dot);
      } else if (marker.kind === "gap") {
        block("line", top, floor - top);
      } else if (marker.kind === "health") {
        block("mark", 2 * dot, 3 * dot);
      } else {
        c.fillStyle = colour.mark;
        c.beginPath();
        c.moveTo(left, 4 * dot);
        c.lineTo(left + 5 * dot, 9 * dot);
        c.lineTo(left, 14 * dot);
        c.lineTo(left - 5 * dot, 9 * dot);
        c.fill();
        c.fillRect(left, 14 * dot, dot, floor - 14 * dot);
      }
    }
    if (this.#cursor !== null) this.#line(c, x(this.#cursor), colour.soft, floor, dot);
    if (playhead !== null) this.#line(c, x(playhead), colour.text, floor, 2 * dot);
  }

  /** Where transmissions stand too close to be told apart: how much of the time somebody spoke. */
  #columns(c, shown, start, column, [top, floor]) {
    const spoken = new Float64Array(Math.ceil(this.#canvas.width / (3 * devicePixelRatio)) + 1);
    const live = this.#scene.live;
    for (const { from, to } of shown.filter(({ kind }) => kind === "transmission")) {
      for (let at = Math.max(from, start), next; at < (to ?? live); at = next) {
        const i = Math.floor((at - start) / column);
        next = Math.min(to ?? live, start + (i + 1) * column + 1);
        spoken[i] += next - at;
      }
    }
    c.fillStyle = this.#colours.accent;
    spoken.forEach((ms, i) => {
      const tall = ms && Math.max(0.06, Math.min(1, ms / column)) * (floor - top);
      c.fillRect(3 * devicePixelRatio * i, floor - tall, 2 * devicePixelRatio, tall);
    });
  }

  #line(c, x, colour, floor, wide) {
    c.fillStyle = colour;
    c.fillRect(x - wide / 2, 0, wide, floor);
    c.beginPath();
    c.arc(x, 3 * wide, 2.2 * wide, 0, 7);
    c.fill();
  }

  #ticks(c, start, edge, x, height) {
    const dot = devicePixelRatio;
    const wish = ((edge - start) / 1000 / this.#canvas.clientWidth) * 84;
    const step = 1000 * (STEPS.find((seconds) => seconds >= wish) ?? STEPS.at(-1));
    const shift = new Date(edge).getTimezoneOffset() * 60_000; // so that hours are those on the wall
    c.font = `${12 * dot}px system-ui, sans-serif`;
    c.textAlign = "center";
    for (let at = Math.ceil((start - shift) / step) * step + shift; at < edge; at += step) {
      c.fillStyle = this.#colours.line;
      c.fillRect(x(at), height - 20 * dot, dot, 5 * dot);
      c.fillStyle = this.#colours.soft;
      const text = step < 60_000 ? time(at) : clock(at);
      const half = c.measureText(text).width / 2;
      if (x(at) > half && x(at) < c.canvas.width - half) c.fillText(text, x(at), height - 3 * dot);
    }
  }
}
