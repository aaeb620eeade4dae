// Notes how old each picture of the test card is when it is shown. All times are those of performance.now(), in
// milliseconds: the same clock for what is captured and for what is shown.
'use strict';

/** Between two pictures of the card. */
const PERIOD = 1000 / 30;

const strip = new OffscreenCanvas(128, 1).getContext('2d', { willReadFrequently: true });

/** The counter in the lowest twelfth of the card: 32 blocks, the highest bit on the left; null if it cannot be read. */
function counter(picture, width, height) {
  const rows = height / 12;
  strip.drawImage(picture, 0, height - rows * 0.75, width, rows / 2, 0, 0, 128, 1);
  const { data } = strip.getImageData(0, 0, 128, 1);
  let value = 0;
  for (let block = 0; block < 32; block++) {
    // Of each block the middle two of four pixels, as green alone: it is black or white.
    const level = (data[16 * block + 5] + data[16 * block + 9]) / 2;
    if (level > 86 && level < 168) return null;
    value = value * 2 + (level >= 168 ? 1 : 0);
  }
  return value;
}

/** When picture number 0 was captured, between these two. */
const zero = { least: -Infinity, most: Infinity };

const age = ([number, at]) => at - (zero.least + number * PERIOD);

/** Asks for a still picture: it is captured after the asking, and before it is here. */
async function calibrate(path) {
  const asked = performance.now();
  const reply = await fetch(path, { cache: 'no-store' });
  const picture = await createImageBitmap(await reply.blob());
  const here = performance.now();
  const number = counter(picture, picture.width, picture.height);
  zero.least = Math.max(zero.least, asked - number * PERIOD);
  zero.most = Math.min(zero.most, here - number * PERIOD);
}

/** What was shown while notes were taken, by their title: the picture's number, and when. */
const notes = {};
let title = null;
/** How many were shown since the last start, how many could not be read, and for how long one stood at most. */
let count = 0;
let unreadable = 0;
const longest = {};
let last = null;

let video;
let hls;
const faults = [];

function look(_, { expectedDisplayTime }) {
  video.requestVideoFrameCallback(look);
  count++;
  if (title === null) return;
  if (last !== null) longest[title] = Math.max(longest[title] ?? 0, expectedDisplayTime - last);
  last = expectedDisplayTime;
  const number = counter(video, video.videoWidth, video.videoHeight);
  if (number === null) unreadable++;
  else (notes[title] ??= []).push([number, expectedDisplayTime]);
}

window.figure = {
  calibrate,
  /** From now on the pictures of this element are looked at. */
  watch(element) {
    video = element;
    video.requestVideoFrameCallback(look);
  },
  /** Plays `url` by hls.js as it is, in an element of its own. */
  async play(library, url) {
    if (!video) {
      const script = Object.assign(document.createElement('script'), { src: library });
      document.head.append(script);
      await new Promise((done, failed) => Object.assign(script, { onload: done, onerror: failed }));
      const element = document.createElement('video');
      document.body.replaceChildren(Object.assign(element, { muted: true, width: 320, height: 180 }));
      this.watch(element);
    }
    hls?.destroy();
    hls = new Hls();
    hls.on(Hls.Events.ERROR, (_, { details, fatal }) => faults.push(`${details}${fatal ? ', fatal' : ''}`));
    hls.loadSource(url);
    hls.attachMedia(video);
    video.play().catch((error) => faults.push(String(error)));
  },
  /** What is shown now counts anew. */
  restart() {
    count = 0;
  },
  get count() {
    return count;
  },
  /** Notes what is shown from now on, under this title; null ends it. */
  note(as) {
    title = as;
    last = null;
  },
  /** The ages, taken as old as they may be; how the player sees it; and by which protocol it came. */
  tell() {
    const media = performance.getEntriesByType('resource').findLast(({ name }) => /m4s|ts$/.test(name));
    return {
      ages: Object.fromEntries(Object.entries(notes).map(([title, shown]) => [title, shown.map(age)])),
      doubt: zero.most - zero.least,
      unreadable,
      longest,
      faults,
      player: hls ? hls.latency * 1000 : null,
      target: hls ? hls.targetLatency * 1000 : null,
      protocol: media?.nextHopProtocol,
    };
  },
};
