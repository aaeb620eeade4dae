// Plays `?url=` in `?player=`, with `&low=1` at low latency; `look()` tells how it goes.
'use strict';

const asked = new URLSearchParams(location.search);
const [player, low] = [asked.get('player'), asked.has('low')];
// Under a name of its own, as on a page of its own: the six connections that a browser opens to one are not enough for
// two players of which each has requests held for parts to come.
const url = asked.get('url').replace('127.0.0.1', `${player}.localhost`);
const video = document.querySelector('video');
const faults = [];
/** By how many seconds the times of day that were said in the stream are off those of the playlist. */
const told = [];
/** Seconds behind the live edge, as the player reckons. */
let behind = () => null;
/** What it has, by track: in `element.buffered` stands only what it has of all. */
let buffered = () => null;
/** Segments that it could not have, of which it says no more than that: it asks again, or goes on behind them. */
const misses = [];

const LIBRARY = {
  hls: '/node_modules/hls.js/dist/hls.min.js',
  shaka: '/node_modules/shaka-player/dist/shaka-player.compiled.js',
  videojs: '/node_modules/video.js/dist/video.min.js',
};

/** The time in an ID3 tag was said of the instant `date`, both in milliseconds since 1970. */
function hear(tag, date) {
  const said = /wallclock\0([0-9T:.-]+Z)/.exec(new TextDecoder().decode(tag));
  if (said) {
    told.push((Date.parse(said[1]) - date) / 1000);
  }
}

const START = {
  hls() {
    const hls = new Hls({ lowLatencyMode: low });
    hls.on(Hls.Events.ERROR, (_, { fatal, details, error }) => fatal && faults.push(`${details}: ${error}`));
    hls.on(Hls.Events.FRAG_PARSING_METADATA, (_, { frag, samples }) => {
      samples.forEach(({ data, pts }) => hear(data, frag.programDateTime + (pts - frag.start) * 1000));
    });
    hls.loadSource(url);
    hls.attachMedia(video);
    behind = () => hls.latency;
  },
  async shaka() {
    shaka.polyfill.installAll();
    const it = new shaka.Player();
    it.configure({ streaming: { lowLatencyMode: low }, mediaSource: { dispatchAllEmsgBoxes: true } });
    const fault = (error) => faults.push(`${error.code} ${JSON.stringify(error.data)}`);
    const { Code, Severity } = shaka.util.Error;
    const MISSES = [Code.BAD_HTTP_STATUS, Code.SEGMENT_MISSING];
    it.addEventListener('error', ({ detail }) => {
      if (MISSES.includes(detail.code)) {
        misses.push(`${detail.code} at ${video.currentTime}: ${detail.data}`);
      } else if (detail.severity === Severity.CRITICAL) {
        fault(detail);
      }
    });
    it.addEventListener('emsg', ({ detail: { messageData, startTime } }) => {
      hear(messageData, Number(it.getPlayheadTimeAsDate()) + (startTime - video.currentTime) * 1000);
    });
    await it.attach(video);
    behind = () => it.getStats().liveLatency;
    buffered = () => it.getBufferedInfo();
    await it.load(url).catch(fault);
  },
  videojs() {
    const it = videojs(video, { html5: { vhs: { overrideNative: true, llhls: low } } });
    it.on('error', () => faults.push(`${it.error().code} ${it.error().message}`));
    it.src({ src: url, type: 'application/vnd.apple.mpegurl' });
    behind = () => it.liveTracker.liveCurrentTime() - it.currentTime();
  },
};

/** The mean of what is drawn, 0 to 255. */
function brightness(element) {
  const context = new OffscreenCanvas(32, 18).getContext('2d', { willReadFrequently: true });
  context.drawImage(element, 0, 0, 32, 18);
  const { data } = context.getImageData(0, 0, 32, 18);
  return data.reduce((sum, value, at) => sum + (at % 4 === 3 ? 0 : value), 0) / (data.length * 3 / 4);
}

window.look = () => {
  // video.js moves the element about.
  const element = document.querySelector('video');
  return {
    player,
    faults,
    position: element.currentTime,
    paused: element.paused,
    error: element.error?.message,
    buffered: buffered(),
    size: [element.videoWidth, element.videoHeight],
    brightness: element.videoWidth ? brightness(element) : null,
    decoded: element.webkitAudioDecodedByteCount,
    behind: behind(),
    misses,
    told,
  };
};

const script = document.createElement('script');
script.src = LIBRARY[player];
script.onload = () => START[player]();
script.onerror = () => faults.push(`${script.src} does not load`);
document.head.append(script);
