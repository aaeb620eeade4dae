// Going from one transmission to the next, and over the silence between them.

import { LEAD } from "./log.js";

const WORTH = 1000; // ms: less silence than this is not worth a jump

export class Listening {
  /** Silence is skipped. */
  skipping = false;
  #player;
  #log;

  /** `log()` is that of the station one listens to. */
  constructor(player, log) {
    [this.#player, this.#log] = [player, log];
  }

  /** What is heard at the moment, or was when paused; or null. */
  get heard() {
    const date = this.#date;
    return date === null ? null : this.#log().heard(date);
  }

  get #date() {
    return this.#player.seekable ? this.#player.date : null;
  }

  hear(marker) {
    this.#player.hear(marker.from - LEAD);
  }

  /** Who hears nothing yet stands at the end of all there is. */
  previous() {
    const marker = this.#log().previous(this.#date ?? Infinity);
    if (marker) this.hear(marker);
  }

  next() {
    const date = this.#date;
    const marker = date === null ? null : this.#log().next(date);
    if (marker) this.hear(marker);
    else this.#player.live();
  }

  /** What was said last, once more. */
  replay() {
    const marker = this.#log().last(this.#date ?? Infinity);
    if (marker) this.hear(marker);
  }

  /** Goes on, where it is quiet, to the next transmission; where there is none, waits for it live. To be called often. */
  step() {
    const [player, date] = [this.#player, this.#date];
    if (!this.skipping || player.state !== "playing" || date === null || this.#log().heard(date)) return;
    const { place } = player;
    const next = this.#log().next(date);
    const quiet = 1000 * ((place?.end ?? 0) - (place?.at ?? 0));
    if (quiet < WORTH) return;
    if (!next || next.from - LEAD - date > quiet) player.live();
    else if (next.from - LEAD - date > WORTH) player.jump(next.from - LEAD);
  }
}
