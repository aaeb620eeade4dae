// Plays `?url=` in `?player=`, with `&low=1` at low latency; `look()` tells how it goes.
'use strict';

const asked = new URLSearchParams(location.search);
const [player, url, low] = [asked.get('player'), asked.get('url'), asked.has('low')];
const video = document.querySelector('video');
const faults = [];
/** Seconds behind the live edge, as the player reckons. */
let behind = () => null;

const LIBRARY = {
  hls: '/node_modules/hls.js/dist/hls.min.js',
  shaka: '/node_modules/shaka-player/dist/shaka-player.compiled.js',
  videojs: '/node_modules/video.js/dist/video.min.js',
};

const START = {
  hls() {
    const hls = new Hls({ lowLatencyMode: low });
    hls.on(Hls.Events.ERROR, (_, { fatal, details, error }) => fatal && faults.push(`${details}: ${error}`));
    hls.loadSource(url);
    hls.attachMedia(video);
    behind = () => hls.latency;
  },
  async shaka() {
    shaka.polyfill.installAll();
    const it = new shaka.Player();
    it.configure({ streaming: { lowLatencyMode: low } });
    const fault = (error) => faults.push(`${error.code} ${JSON.stringify(error.data)}`);
    // Severity 1 is what it recovers from.
    it.addEventListener('error', ({ detail }) => detail.severity === 2 && fault(detail));
    await it.attach(video);
    behind = () => it.getStats().liveLatency;
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
    size: [element.videoWidth, element.videoHeight],
    brightness: element.videoWidth ? brightness(element) : null,
    decoded: element.webkitAudioDecodedByteCount,
    behind: behind(),
  };
};

const script = document.createElement('script');
script.src = LIBRARY[player];
script.onload = () => START[player]();
script.onerror = () => faults.push(`${script.src} does not load`);
document.head.append(script);
