// A picture of the last half minute: sound, turns, and when nobody listened.

const SPAN_MS = 30_000;
const STEP_MS = 60;

export class Strip {
  constructor(canvas) {
    this.canvas = canvas;
    this.clear();
  }

  clear() {
    this.ms = 0; // of the call's audio
    this.peaks = [];
    this.away = []; // {start, end}, where end is null while it goes on
  }

  hear(ms, peak) {
    this.ms += ms;
    const slot = Math.floor(this.ms / STEP_MS);
    this.peaks[slot] = Math.max(this.peaks[slot] ?? 0, peak);
  }

  lose() {
    this.away.push({ start: this.ms, end: null });
  }

  regain() {
    const last = this.away.at(-1);
    if (last && last.end === null) last.end = this.ms;
  }

  // Was there no connection at any moment between these, in ms of the audio?
  wasAway(start, end) {
    return this.away.some((away) =>
      away.start < end && start < (away.end ?? this.ms));
  }

  draw(turns) {
    const { canvas } = this;
    const scale = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = canvas;
    if (canvas.width !== Math.round(width * scale)) {
      canvas.width = Math.round(width * scale);
    }
    if (canvas.height !== Math.round(height * scale)) {
      canvas.height = Math.round(height * scale);
    }
    const style = getComputedStyle(canvas);
    const color = (name) => style.getPropertyValue(name);
    const pen = canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    const from = Math.max(0, this.ms - SPAN_MS);
    const x = (ms) => ((ms - from) / SPAN_MS) * width;
    const tall = height - 14;
    pen.fillStyle = color("--strip-away");
    for (const { start, end } of this.away) {
      const until = end ?? this.ms;
      pen.fillRect(x(start), 0, Math.max(2, x(until) - x(start)), height);
    }
    pen.fillStyle = color("--strip-sound");
    const first = Math.floor(from / STEP_MS);
    const wide = Math.max(1.5, (STEP_MS / SPAN_MS) * width - 1.5);
    for (let slot = first; slot < this.peaks.length; slot += 1) {
      const high = Math.max(2, Math.sqrt(this.peaks[slot] ?? 0) * tall);
      pen.beginPath();
      pen.roundRect(x(slot * STEP_MS), (tall - high) / 2, wide, high, 1);
      pen.fill();
    }
    for (const { start, end, final } of turns) {
      pen.fillStyle = color(final ? "--strip-turn" : "--strip-open");
      pen.beginPath();
      pen.roundRect(x(start), height - 8, Math.max(4, x(end) - x(start)), 6, 3);
      pen.fill();
    }
  }
}
