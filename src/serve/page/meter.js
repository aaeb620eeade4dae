// The level, drawn: a bar with peak hold, and the trace of the last minute. It knows dBFS and pixels, nothing else.

const FLOOR = -60; // dBFS at the left end of the scale
const HOLD = 1500; // ms a peak stands still
const FALL = 20; // dB/s at which it then sinks
const SETTLE = 70; // ms, time constant of the bar between the 100 ms steps

const share = (db) => Math.min(1, Math.max(0, 1 - db / FLOOR));

/** The bar. */
export class Meter {
  #element;
  #fill;
  #peak;
  #level = FLOOR;
  #held = FLOOR;
  #heldAt = 0;
  #drawn = 0;

  constructor(element) {
    this.#element = element;
    this.#fill = element.querySelector(".fill");
    this.#peak = element.querySelector(".peak");
  }

  /** Shows `level` ({ rms, peak } in dBFS, or null for none) at `time` (milliseconds, monotonic). */
  draw(level, time) {
    const past = time - this.#drawn;
    this.#drawn = time;
    const rms = Math.max(FLOOR, level?.rms ?? FLOOR);
    const peak = Math.max(FLOOR, level?.peak ?? FLOOR);
    this.#level += (rms - this.#level) * (1 - Math.exp(-past / SETTLE));
    if (peak >= this.#held) [this.#held, this.#heldAt] = [peak, time];
    else if (time - this.#heldAt > HOLD) this.#held = Math.max(peak, this.#held - (FALL * past) / 1000);
    this.#fill.style.transform = `translateX(${(share(this.#level) - 1) * 100}%)`;
    this.#peak.style.transform = `translateX(${share(this.#held) * 100}%)`;
    this.#peak.style.opacity = this.#held > FLOOR ? 1 : 0;
    this.#element.dataset.db = level ? level.rms.toFixed(1) : "";
    this.#element.dataset.peak = level ? level.peak.toFixed(1) : "";
  }

  /** Tells the same in words, for those who do not see the bar: seldom, as it may be read aloud. */
  describe(level) {
    this.#element.setAttribute("aria-valuenow", level ? Math.max(FLOOR, Math.min(0, level.rms)).toFixed(0) : FLOOR);
    this.#element.setAttribute("aria-valuetext", level ? `${level.rms.toFixed(0)} decibels` : "no level");
  }
}

const SPAN = 60_000; // ms shown
const BAR = 500; // ms per bar

/** The last minute as bars, louder is taller, the bright ones on air, and a line where one is listening. */
export class Trace {
  #canvas;
  #context;
  #colours;

  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    const read = () => {
      const style = getComputedStyle(canvas);
      this.#colours = Object.fromEntries(["accent", "quiet", "text"].map((name) => [name, style.getPropertyValue(`--${name}`)]));
    };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", read);
    read();
    new ResizeObserver(() => {
      canvas.width = canvas.clientWidth * devicePixelRatio;
      canvas.height = canvas.clientHeight * devicePixelRatio;
    }).observe(canvas);
  }

  /**
   * Draws the minute that ends at `live`; if `playhead` (or null) lies further back, the minute around it.
   * Times are milliseconds on the server's clock.
   */
  draw(levels, live, playhead) {
    const edge = playhead !== null && playhead < live - SPAN * 0.9 ? playhead + SPAN / 4 : live;
    const { width, height } = this.#canvas;
    const c = this.#context;
    const wide = (width * BAR) / SPAN;
    const x = (time) => width - ((edge - time) / SPAN) * width;
    c.clearRect(0, 0, width, height);
    for (let bar = Math.ceil((edge - SPAN) / BAR); bar * BAR < edge; bar += 1) {
      let loudest = null;
      for (let time = bar * BAR + levels.step; time <= (bar + 1) * BAR; time += levels.step) {
        const level = levels.at(time);
        if (level && (!loudest || level.rms > loudest.rms)) loudest = level;
      }
      if (!loudest) continue;
      const tall = Math.max(wide * 0.6, share(loudest.rms) * height);
      c.fillStyle = loudest.onAir ? this.#colours.accent : this.#colours.quiet;
      c.globalAlpha = playhead !== null && bar * BAR > playhead ? 0.45 : 1; // not heard yet
      c.beginPath();
      c.roundRect(x(bar * BAR) + wide * 0.15, (height - tall) / 2, wide * 0.7, tall, wide);
      c.fill();
    }
    c.globalAlpha = 1;
    if (playhead !== null) {
      c.fillStyle = this.#colours.text;
      c.fillRect(x(playhead) - devicePixelRatio, 0, 2 * devicePixelRatio, height);
    }
  }
}
