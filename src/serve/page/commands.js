// What is done by keyboard, lock screen and headset: the same as by the buttons.

const KEYS = {
  " ": "toggle", k: "toggle", ArrowLeft: "back", ArrowRight: "ahead", End: "live", l: "live", n: "next", p: "previous",
  r: "replay", s: "skip", "+": "closer", "=": "closer", "-": "wider", "/": "find", "?": "keys",
};

/** Those that write or choose need their keys themselves. */
function isTaken(target, key) {
  if (target.closest("dialog, input, textarea, select")) return true;
  return key === " " && target.closest("button, a") !== null;
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
  const session = {
    play: acts.play,
    pause: acts.pause,
    stop: acts.pause,
    seekbackward: acts.back,
    seekforward: acts.ahead,
    previoustrack: acts.previous,
    nexttrack: acts.next,
  };
  for (const [name, act] of Object.entries(session)) {
    try {
      navigator.mediaSession?.setActionHandler(name, act);
    } catch {
      // A command this browser does not know.
    }
  }
}
