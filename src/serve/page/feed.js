// What the server tells: its status, its clock, the levels of the last minutes, and what happens. No page, no sound.

const KEPT_STEPS = 9600; // 16 minutes of 100 ms steps; what was before that the log knows
const SILENCE = -120; // dBFS

async function json(path) {
  const response = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(5000) });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

/** Runs `task` again and again, `interval()` ms after each end; at once when the page is shown again. */
export function repeat(task, interval) {
  let timer = 0;
  let running = false;
  const run = async () => {
    if (running) return;
    clearTimeout(timer);
    running = true;
    try {
      await task();
    } finally {
      running = false;
      timer = setTimeout(run, interval());
    }
  };
  document.addEventListener("visibilitychange", () => document.hidden || run());
  addEventListener("online", run);
  run();
  return run;
}

/** The server's status, its wall clock, and whether it answers. */
export class Server {
  status = null;
  reachable = true; // innocent until two answers in a row are missing
  #missed = 0;
  #ahead = 0; // server's clock minus ours, milliseconds

  async poll() {
    const asked = Date.now();
    try {
      const status = await json("/api/v1/status");
      // The answer was written about half way between asking and hearing.
      this.#ahead = Date.parse(status.now) - (asked + Date.now()) / 2;
      this.status = status;
      this.#missed = 0;
    } catch {
      this.#missed += 1;
    }
    this.reachable = this.#missed < 2;
  }

  /** The server's wall clock, in milliseconds. */
  now() {
    return Date.now() + this.#ahead;
  }
}

/** The levels of one station, kept for as long as one can seek back. */
export class Levels {
  step = 100; // milliseconds
  newest = null; // end of the newest step, milliseconds on the server's clock
  #steps = new Map(); // number of the step since 1970 -> { rms, peak, onAir }
  #stream;

  constructor(stream) {
    this.#stream = stream;
  }

  async poll() {
    try {
      this.add(await json(`/api/v1/streams/${this.#stream}/levels`));
    } catch {
      // The status poll says when the server does not answer; the meter just stands still.
    }
  }

  add({ step_ms, end, rms_dbfs, peak_dbfs, on_air }) {
    const time = Date.parse(end);
    if (!Number.isFinite(time) || !rms_dbfs.length) return;
    // The server's clock was set: what we kept is dated wrongly.
    if (this.newest && (time < this.newest - 5000 || time > this.newest + 3_600_000)) this.#steps.clear();
    this.step = step_ms;
    this.newest = time;
    const last = Math.round(time / step_ms);
    for (let back = 0; back < rms_dbfs.length; back += 1) {
      const i = rms_dbfs.length - 1 - back;
      // JSON has no minus infinity: digital silence may arrive as null.
      this.#steps.set(last - back, { rms: rms_dbfs[i] ?? SILENCE, peak: peak_dbfs[i] ?? SILENCE, onAir: Boolean(on_air[i]) });
    }
    for (const step of this.#steps.keys()) {
      if (step <= last - KEPT_STEPS) this.#steps.delete(step);
    }
  }

  /** The level heard at `time` (milliseconds on the server's clock), or null where none is known. */
  at(time) {
    const step = Math.ceil(time / this.step);
    // A step may fall between two roundings; its neighbour is as good.
    return this.#steps.get(step) ?? this.#steps.get(step - 1) ?? null;
  }
}

const RECENT = 30_000; // ms: while nobody tells, what is not older than this is asked for each time

/** Keeps a log as the server's: lists all, is told what changes from there on, and asks while it is not told. */
export class Follower {
  #path;
  #log;
  #source = null; // who tells; null: all is to be listed
  #told = false; // what changes is told now
  #asking = null; // the answer that is awaited

  constructor(stream, log) {
    [this.#path, this.#log] = [`/api/v1/streams/${stream}/markers`, log];
  }

  /** Ends. The next poll begins anew, as after a time in which nothing was heard, or when dates were corrected. */
  close() {
    this.#source?.close();
    this.#source = this.#asking = null;
    this.#told = false;
  }

  #follow(revision) {
    const source = this.#source = new EventSource(`${this.#path}/events?since=${revision}`);
    const on = (event, act) => source.addEventListener(event, ({ data }) => {
      this.#told = true;
      act(JSON.parse(data));
    });
    on("revision", () => {});
    on("marker", (marker) => this.#log.add([marker]));
    on("removed", ({ id }) => this.#log.remove(id));
    on("reset", () => {
      this.close();
      this.poll();
    });
    source.addEventListener("error", () => {
      this.#told = false;
      // Tried again by the browser, unless it was somebody else who answered.
      if (source.readyState === EventSource.CLOSED) this.close();
    });
  }

  /** Lists all, or what may have been missed; `now` is the server's clock, ms. */
  async poll(now) {
    if (this.#told || this.#asking) return;
    const asking = this.#asking = {};
    const whole = !this.#source;
    try {
      const list = await json(whole ? this.#path : `${this.#path}?from=${new Date(now - RECENT).toISOString()}`);
      if (asking !== this.#asking) return;
      if (whole) {
        this.#log.replace(list.markers);
        this.#follow(list.revision);
      } else if (!this.#told) this.#log.add(list.markers);
    } catch {
      // The status poll says when the server does not answer.
    } finally {
      if (asking === this.#asking) this.#asking = null;
    }
  }
}
