// Where things are: stations, moments, recordings, and the pass one came with, which goes along. Pure.

/** The pass in an address's query, with its `?`; empty if there is none. */
export function pass(query) {
  const words = query.replace(/^\?/, "").split("&").filter((word) => /^(expires|signature)=/.test(word));
  return words.length ? `?${words.join("&")}` : "";
}

/** The same path with the pass. */
function signed(path, query) {
  const words = pass(query);
  return path && path + (path.includes("?") ? words.replace("?", "&") : words);
}

export function station({ name }, query) {
  return signed(`/${name}`, query);
}

/** The page at a moment, to the tenth of a second. */
export function moment({ name }, date, query) {
  const told = new Date(Math.floor(date / 100) * 100).toISOString().replace(/00Z$/, "Z");
  return signed(`/${name}?at=${told}`, query);
}

/** The moment an address leads to, or null. */
export function momentIn(query) {
  const date = Date.parse(new URLSearchParams(query).get("at") ?? "");
  return Number.isFinite(date) ? date : null;
}

/** A transmission as a file. */
export function clip({ name }, { id }, query) {
  return signed(`/${name}/clip?marker=${encodeURIComponent(id)}&download`, query);
}

/** Whoever opened the page by a signed address plays by the same signature. */
export function admitted(stream, query) {
  const { picture, playlist, low_latency, live_ts } = stream;
  return {
    ...stream,
    picture: picture && { ...picture, snapshot: signed(picture.snapshot, query) },
    playlist: signed(playlist, query),
    low_latency: signed(low_latency, query),
    live_ts: signed(live_ts, query),
  };
}
