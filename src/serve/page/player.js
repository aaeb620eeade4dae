// Sound and picture: an <audio>, or a <video> for stations with pictures (only <audio> plays on behind every lock
// screen), fed by Apple's own HLS or by hls.js, and brought back whenever it stops without being told to.

// Only Apple's players tell the date of what is playing, and only they play on behind the lock screen.
const HLS = "application/vnd.apple.mpegurl";
const APPLE = "getStartDate" in HTMLMediaElement.prototype && document.createElement("audio").canPlayType(HLS) !== "";

const BACKOFF = [1000, 2000, 4000, 8000, 15000]; // ms before each further attempt

const LIBRARIES = { ordinary: "/assets/hls.light.min.js", quick: "/assets/hls.min.js" }; // only the larger one plays sound beside a picture
const loading = {};

function hlsLibrary(delay) {
  loading[delay] ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = LIBRARIES[delay];
    script.onload = () => resolve(window.Hls);
    script.onerror = () => {
      script.remove();
      delete loading[delay]; // so that the next attempt asks again
      reject(new Error("hls.js did not load"));
    };
    document.head.append(script);
  });
  return loading[delay];
}

export class Player {
  /** idle, connecting, playing, paused, error (trying again); and for good: unable, locked, expired. */
  state = "idle";
  /** ordinary, or quick: as close behind live as the station offers. */
  delay = "ordinary";

  #audio;
  #video;
  #media; // the one of the two that plays the station
  #changed;
  #hls = null;
  #station = null;
  #wanted = false; // the listener wants sound
  #interrupted = false; // the phone took the sound away: a call, another program
  #following = true; // at the live edge, and to be kept there; false once the listener went back
  #moving = false; // the playhead advances
  #reached = { position: 0, at: 0 }; // where the playhead last advanced, and when (performance.now)
  #stopped = 0; // when the listener paused
  #attempts = 0;
  #retry = 0; // timer of the next attempt; 0 when none is due
  #attempt = null; // what that attempt will do
  #aim = null; // the moment to begin at, until its place is known
  #mended = 0; // when a decoding error was last mended
  #visit = 0; // which connection this is, so that a slow answer to an old one is dropped

  constructor(audio, video, changed) {
    [this.#audio, this.#video, this.#media] = [audio, video, audio];
    this.#changed = changed;
    const on = (event, act) => {
      for (const media of [audio, video]) media.addEventListener(event, () => media === this.#media && act());
    };
    on("timeupdate", () => this.#advance());
    for (const event of ["durationchange", "canplay", "timeupdate"]) on(event, () => !this.#hls && this.#arrive());
    on("waiting", () => this.#still());
    on("pause", () => this.#outsidePause());
    on("ended", () => this.#wanted && this.#again());
    on("error", () => this.#wanted && !this.#hls && this.#askWhy());
    addEventListener("online", () => this.nudge());
    document.addEventListener("visibilitychange", () => document.hidden || this.#returned());
    setInterval(() => this.#watch(), 1000);
    if (!APPLE) hlsLibrary(this.delay).catch(() => {}); // early, so that the first tap starts at once
  }

  /** Tunes to a station of the status; plays on if something was playing. */
  choose(station) {
    const same = this.#station?.playlist === station.playlist;
    this.#station = station;
    if (same) return this.#load();
    if (!station.low_latency) this.delay = "ordinary";
    this.#release();
    const { muted } = this;
    this.#media = station.picture ? this.#video : this.#audio;
    if (muted && !station.picture) this.#wanted = false; // whoever looked on in silence has not asked for a radio
    this.#media.muted = muted && station.picture !== null;
    if (this.#wanted) this.#connect();
    else this.#settle("idle");
  }

  /** Plays on with another delay. */
  hurry(delay) {
    this.delay = delay;
    if (this.active) this.#connect();
    else this.#release();
    this.#changed();
  }

  /** Shows the picture without sound, which browsers allow before the first tap; from a moment on, or live. */
  preview(date = null) {
    if (this.#wanted) return;
    this.#media.muted = true;
    this.#begin(date);
  }

  /** There is sound, and it is not to be heard yet. */
  get muted() {
    return this.active && this.#media.muted;
  }

  /** How loud, from 0 to 1, where the page may say so: phones leave it to their own keys. */
  set volume(share) {
    this.#audio.volume = this.#video.volume = share;
  }

  unmute() {
    this.#media.muted = false;
    this.#changed();
  }

  play() {
    this.#media.muted = false;
    if (!this.#held) return this.live(); // never played, taken away, or left the window
    if (this.lag > 2 * this.#station.target_seconds) this.#following = false; // goes on where it was paused
    this.#resume();
  }

  /** Plays from a moment on, which a listener has asked for; one that is not there yet is live. */
  hear(date) {
    this.#media.muted = false;
    const waits = !this.active;
    if ((!waits || this.#held) && this.jump(date)) return waits && this.#resume();
    this.delay = "ordinary"; // the other window is short
    this.#begin(date);
  }

  /** Goes to a moment within what is at hand; says whether it is. */
  jump(date) {
    const { place } = this;
    const position = this.positionOf(date);
    if (!place || position === null) return false;
    if (position < place.start && this.delay === "quick") return false;
    if (position > place.end && !this.active) return false; // it came while we asked for nothing
    this.goTo(position);
    return true;
  }

  #begin(date = null) {
    this.#wanted = true;
    this.#interrupted = false;
    this.#connect(date);
  }

  #resume() {
    this.#wanted = true;
    this.#hls?.startLoad();
    this.#start();
    this.#settle("connecting");
  }

  /** Paused by the listener, and still within the window. */
  get #held() {
    const fresh = performance.now() - this.#stopped < 800 * this.#station.window.seconds;
    return this.state === "paused" && !this.#interrupted && this.#loaded && fresh;
  }

  pause() {
    this.#wanted = false;
    this.#interrupted = false;
    this.#stopped = performance.now();
    this.#cancelRetry();
    this.#hls?.stopLoad(); // a paused phone asks for nothing
    this.#media.pause();
    this.#moving = false;
    this.#settle(this.#loaded ? "paused" : "idle");
  }

  /** Playing, or trying to: what one can do now is pause. */
  get active() {
    return this.#wanted && !this.#interrupted;
  }

  toggle() {
    if (this.active) this.pause();
    else this.play();
  }

  /** There is something to go back to. */
  get seekable() {
    return ["connecting", "playing", "paused"].includes(this.state) && this.#media.seekable.length > 0;
  }

  /** Goes back by so many seconds, at most to the beginning of the window. */
  back(seconds) {
    const place = this.place;
    if (place) this.goTo(place.at - seconds);
  }

  /** Where the window begins and live is, and what is heard between them, in seconds of the player's; or null. */
  get place() {
    if (!this.seekable) return null;
    const [start, end, at] = [this.#media.seekable.start(0), this.#edge(), this.#media.currentTime];
    if (end === null) return null;
    const first = Math.min(start + this.#station.target_seconds, end); // what is older will be gone when it has arrived
    return { start: first, end: Math.max(end, at), at: Math.max(first, at) };
  }

  /** Goes to a place within the window. */
  goTo(position) {
    const place = this.place;
    if (!place) return;
    this.#following = position > place.end - this.#station.target_seconds;
    this.#seek(Math.min(Math.max(position, place.start), place.end));
  }

  /** Returns to the live edge, and plays. */
  live() {
    if (!this.active) return this.#begin();
    this.#following = true;
    const edge = this.#edge();
    if (edge !== null) this.#seek(edge);
  }

  /** Starts over: the server was restarted. */
  restart() {
    if (this.active) this.#connect(this.#kept);
    else this.#release();
  }

  /** There is reason to hope: does now what was to be tried later. */
  nudge() {
    if (!this.#retry) return;
    this.#cancelRetry();
    this.#attempt();
  }

  /** Seconds between the playhead and where a listener who follows live would be, or null. */
  get lag() {
    const edge = this.#edge();
    if (edge === null || !this.#loaded) return null;
    // hls.js asks for nothing while paused, so its edge stands still.
    const paused = this.state === "paused" && this.#hls ? (performance.now() - this.#stopped) / 1000 : 0;
    return edge + paused - this.#media.currentTime;
  }

  /** Wall time of what is heard, in milliseconds on the server's clock, or null if unknown. */
  get date() {
    return this.#loaded && this.#media.currentTime ? this.dateAt(this.#media.currentTime) : null;
  }

  /** Wall time of a place in the window, or null if unknown. */
  dateAt(position) {
    const from = this.#dated((it) => it.position <= position);
    return from && from.date + 1000 * (position - from.position);
  }

  /** The place of a wall time, or null if unknown; it may lie outside of the window. */
  positionOf(date) {
    const from = this.#dated((it) => it.date <= date);
    if (!from) return null;
    // Where time was lost there are dates that nothing has: what comes next is the nearest.
    return Math.min(from.position + (date - from.date) / 1000, from.next ?? Infinity);
  }

  /** The last place whose date is told and for which `holds` is true, else the first: { position, date, next }. */
  #dated(holds) {
    if (!this.#hls) {
      const date = this.#media.getStartDate?.().getTime();
      return Number.isFinite(date) ? { position: 0, date } : null;
    }
    const fragments = this.#hls.latestLevelDetails?.fragments ?? [];
    const told = (i) => ({ position: fragments[i].start, date: fragments[i].programDateTime });
    let [low, high] = [0, fragments.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (holds(told(middle))) low = middle;
      else high = middle;
    }
    const known = fragments.length > 0 && Number.isFinite(told(low).date);
    return known ? { ...told(low), next: fragments[low + 1]?.start } : null;
  }

  /** Estimated seconds behind live where the playlist carries no dates, or null. */
  get latency() {
    return this.#hls?.latency || null;
  }

  get #loaded() {
    return this.#hls !== null || this.#media.hasAttribute("src");
  }

  get #playlist() {
    return this.delay === "quick" ? this.#station.low_latency : this.#station.playlist;
  }

  #edge() {
    if (this.#hls) return this.#hls.liveSyncPosition;
    const range = this.#media.seekable;
    return range.length ? range.end(range.length - 1) : null;
  }

  #seek(position) {
    this.#media.currentTime = position;
    this.#reached = { position, at: performance.now() };
  }

  /** Whoever went back stays there. */
  get #kept() {
    return this.#aim ?? (this.#following ? null : this.date);
  }

  /** Opens the playlist, at a moment or live. */
  async #connect(date = null) {
    this.#release();
    const visit = this.#visit;
    this.#aim = date;
    this.#following = true;
    this.#reached = { position: 0, at: performance.now() };
    this.#settle("connecting");
    if (APPLE) return this.#useBrowser();
    try {
      const Hls = await hlsLibrary(this.delay);
      if (visit !== this.#visit) return;
      if (Hls.isSupported()) this.#useHls(Hls);
      else if (this.#media.canPlayType(HLS)) this.#useBrowser();
      else this.#giveUp("unable");
    } catch {
      if (visit === this.#visit) this.#again();
    }
  }

  #useBrowser() {
    this.#media.src = this.#playlist;
    this.#start();
  }

  #useHls(Hls) {
    const hls = new Hls({
      liveDurationInfinity: true, // lock screens then say "live" instead of a length
      backBufferLength: 60, // seconds; hls.js keeps everything otherwise, all day
      frontBufferFlushThreshold: 60, // likewise what lies ahead of where one went back to
      // The time and the markers come otherwise; a text track for them would load what the policy forbids.
      enableDateRangeMetadataCues: false,
      enableID3MetadataCues: false,
      enableEmsgMetadataCues: false,
    });
    this.#hls = hls;
    hls.on(Hls.Events.ERROR, (_, error) => error.fatal && this.#fatal(Hls, error));
    hls.attachMedia(this.#media);
    hls.once(Hls.Events.LEVEL_LOADED, () => this.#arrive());
    this.#start(); // now, since some browsers allow it only for a moment after the tap
    this.#load();
  }

  /** Begins at the moment that was asked for, now that its place can be told. */
  #arrive() {
    const position = this.#aim === null ? null : this.positionOf(this.#aim);
    if (position === null || this.#edge() === null) return;
    this.#aim = null;
    const first = this.#hls?.latestLevelDetails.fragmentStart ?? this.#media.seekable.start(0);
    if (position >= this.#edge()) return; // live, which it is about to be
    this.#following = false;
    const begin = Math.max(position, first + this.#station.target_seconds);
    if (this.#hls) this.#hls.startLoad(begin);
    else this.#seek(begin);
  }

  /** Gives hls.js the playlist once three target durations are listed (RFC 8216, 6.3.3): less would run dry. */
  #load() {
    if (!this.#hls || this.#hls.url) return;
    const { target_seconds, window } = this.#station;
    if (window.seconds > 2.5 * target_seconds) this.#hls.loadSource(this.#playlist); // the first segment may be shorter
  }

  #fatal(Hls, error) {
    if (this.#isDenied(error.response?.code)) return;
    const now = performance.now();
    if (error.type === Hls.ErrorTypes.MEDIA_ERROR && now - this.#mended > 10_000) {
      this.#mended = now;
      this.#hls.recoverMediaError();
      this.#start();
    } else {
      this.#again(error.type === Hls.ErrorTypes.NETWORK_ERROR);
    }
  }

  #start() {
    this.#media.play().catch((error) => {
      // AbortError: we ourselves loaded something else meanwhile.
      if (error.name === "NotAllowedError") this.pause(); // a tap is needed
      else if (error.name === "NotSupportedError" && !this.#hls) this.#askWhy();
    });
  }

  /** The browser's own player does not tell. Who may have keys may have the endless stream. */
  async #askWhy() {
    const visit = this.#visit;
    const { status } = await fetch(this.#station.live_ts, { method: "HEAD", cache: "no-store" }).catch(() => ({}));
    if (visit === this.#visit && this.#wanted && !this.#isDenied(status)) this.#again();
  }

  #isDenied(status) {
    const denied = status === 401 || status === 403;
    // A pass good no longer is not handed on to keys, which answer as if there were none.
    if (denied) this.#giveUp(this.#playlist.includes("signature=") ? "expired" : "locked");
    return denied;
  }

  /** Tries again after a while; `gently` keeps what is buffered and the place in the window. */
  #again(gently = false) {
    if (this.#retry) return;
    const wait = BACKOFF[Math.min(this.#attempts, BACKOFF.length - 1)];
    const resume = gently && this.#attempts < 3 && this.#hls?.levels.length > 0;
    const kept = this.#kept;
    this.#attempts += 1;
    this.#attempt = () => {
      this.#retry = 0;
      if (!resume) return this.#connect(kept);
      this.#hls.startLoad();
      if (!this.#moving) this.#settle("connecting");
    };
    // Some chance in it, so that all listeners do not return to a restarted box in the same instant.
    this.#retry = setTimeout(this.#attempt, wait * (0.75 + Math.random() / 2));
    if (!this.#moving) this.#settle("error");
  }

  #cancelRetry() {
    clearTimeout(this.#retry);
    this.#retry = 0;
  }

  #giveUp(state) {
    this.#wanted = false;
    this.#release();
    this.#settle(state);
  }

  #release() {
    this.#visit += 1;
    this.#cancelRetry();
    this.#hls?.destroy();
    this.#hls = null;
    this.#moving = false;
    if (!this.#media.hasAttribute("src")) return;
    this.#media.removeAttribute("src");
    this.#media.load();
  }

  #advance() {
    const position = this.#media.currentTime;
    if (!this.#wanted || this.#media.paused || position === this.#reached.position) return;
    this.#reached = { position, at: performance.now() };
    this.#moving = true;
    this.#attempts = 0;
    this.#settle("playing");
  }

  #still() {
    this.#moving = false;
    if (this.active) this.#settle(this.#retry ? "error" : "connecting");
  }

  #outsidePause() {
    // Our own pauses have cleared #wanted; loading something new has already started it again.
    if (!this.#wanted || !this.#media.paused || this.#media.ended || this.#retry) return;
    this.#interrupted = true;
    this.#moving = false;
    this.#settle("paused");
  }

  #returned() {
    if (this.#wanted && this.#interrupted) this.live();
    else this.nudge();
  }

  /** Once a second: an element that stands still without an error, or drifts off behind live, is helped. */
  #watch() {
    if (!this.active || this.#media.paused || this.#retry) return;
    const target = this.#station.target_seconds;
    const patience = 1000 * Math.max(10, 5 * target); // the server may hold a first playlist for 3 targets
    if (performance.now() - this.#reached.at > patience) {
      this.#moving = false;
      this.#again();
    } else if (this.#following && this.#moving && this.lag > (this.delay === "quick" ? 1 : 3) * target) {
      this.live(); // each stall adds to the delay; whoever follows live gets it back
    }
  }

  #settle(state) {
    if (state === this.state) return;
    this.state = state;
    this.#changed();
  }
}
