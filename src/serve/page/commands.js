// What is done by keyboard, lock screen and headset: the same as by the buttons.

const KEYS = {
  " ": "toggle", ArrowLeft: "back", ArrowRight: "ahead", End: "live", l: "live", n: "next", p: "previous",
  r: "replay", s: "skip", "+": "closer", "=": "closer", "-": "wider", "/": "find", "?": "keys",
};

/** Those that write or choose need their keys themselves. */
function isTaken(target, key) {
  if (target.closest("dialog, input, textarea, select")) return true;
  return key === " " && target.closest("button, a") !== null;
}

/** Lets the lock screen and headsets do something, or nothing (null). */
function offer(name, act) {
  try {
    navigator.mediaSession?.setActionHandler(name, act);
  } catch {
    // A command this browser does not know.
  }
}

/** Offers the way from one transmission to the next where there are some. */
export function offerTracks({ previous, next }, playable) {
  offer("previoustrack", playable ? previous : null);
  offer("nexttrack", playable ? next : null);
}

/** Lets keys and the lock screen do `acts`, where there is a station: `station()`. */
export function command(acts, station) {
  addEventListener("keydown", (event) => {
    if (!station() || event.metaKey || event.ctrlKey || event.altKey) return;
    const act = acts[KEYS[event.key]];
    if (!act || isTaken(event.target, event.key)) return;
    event.preventDefault();
    act();
  });
  const { play, pause, back, ahead } = acts;
  const session = { play, pause, stop: pause, seekbackward: back, seekforward: ahead };
  for (const [name, act] of Object.entries(session)) offer(name, act);
}
