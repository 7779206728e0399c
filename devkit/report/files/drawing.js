// How each lane is drawn. `x` maps a place to pixels; a lane has its top and
// height. Everything differs in shape or pattern as well as in colour.

const style = getComputedStyle(document.documentElement);
const colours = {};
const NAMES = [
  "fg", "muted", "line", "sound", "speech", "turn", "turn-edge", "turn-fg",
  "early", "early-fg", "interim", "final", "connection", "connection-fg",
  "outage", "replayed", "dropped", "warn", "bad", "mark", "cursor", "hit",
];
function readColours() {
  for (const name of NAMES) {
    colours[name] = style.getPropertyValue(`--${name}`).trim();
  }
}

function hatch(pen, left, top, width, height, colour, back) {
  pen.save();
  pen.beginPath();
  pen.rect(left, top, width, height);
  pen.clip();
  if (back) {
    pen.globalAlpha = 0.25;
    pen.fillStyle = colour;
    pen.fill();
    pen.globalAlpha = 1;
  }
  pen.strokeStyle = colour;
  pen.lineWidth = 1.5;
  pen.beginPath();
  const first = left - height - (left - height) % 6;
  const last = Math.min(left + width, pen.canvas.width);
  for (let at = Math.max(first, -height); at < last; at += 6) {
    pen.moveTo(at, top + height);
    pen.lineTo(at + height, top);
  }
  pen.stroke();
  pen.restore();
}

function fitting(pen, text, room) {
  const wide = pen.measureText(text).width;
  if (wide <= room) return text;
  const kept = [...text].slice(0, Math.floor(text.length * room / wide) - 1);
  return kept.length > 1 ? `${kept.join("").trimEnd()}…` : "";
}

function write(pen, text, left, top, width, height, colour) {
  if (width < 44) return;
  pen.save();
  pen.beginPath();
  pen.rect(left, top, width, height);
  pen.clip();
  pen.fillStyle = colour;
  pen.textBaseline = "middle";
  pen.fillText(fitting(pen, text, width - 10), left + 5, top + height / 2 + 0.5);
  pen.restore();
}

// What is in view of stretches; at least so wide that it is seen.
function* stretches(entries, x, start, end, right) {
  for (const entry of entries) {
    const left = x(start(entry));
    const width = Math.max(2, x(end(entry)) - left);
    if (left > right) continue;
    if (left + width < 0) continue;
    const shown = Math.max(left, -1);
    yield [entry, shown, Math.min(left + width, right + 1) - shown];
  }
}

function drawSound(pen, call, lane, x, width) {
  const { shape, step } = call;
  const middle = lane.top + lane.height / 2;
  pen.fillStyle = colours.sound;
  const perPixel = (view.to - view.from) / (width * step);
  for (let pixel = 0; pixel < width; pixel += 1) {
    const first = Math.floor(view.from / step + pixel * perPixel);
    const last = Math.max(first + 1, Math.ceil(first + perPixel));
    let loudest = 0;
    for (let i = Math.max(0, first); i < last && i < shape.length; i += 1) {
      if (shape[i] > loudest) loudest = shape[i];
    }
    // Half dB above -100 dBFS; drawn by a root of the size, so that a
    // quiet voice is seen and a nearly mute microphone looks like one.
    const size = 10 ** ((loudest / 2 - 100) / 28);
    const high = Math.max(0.5, size * lane.height / 2);
    pen.fillRect(pixel, middle - high, 1, 2 * high);
  }
}

function drawSpeech(pen, call, lane, x, width) {
  const bars = stretches(call.speech, x, (s) => s[0], (s) => s[1], width);
  for (const [, left, wide] of bars) {
    pen.globalAlpha = 0.14;
    pen.fillStyle = colours.speech;
    pen.fillRect(left, lane.top, wide, lane.height);
    pen.globalAlpha = 1;
    pen.fillRect(left, lane.top + lane.height - 3, wide, 3);
  }
}

function drawTurns(pen, call, lane, x, width) {
  const bars = stretches(call.turns, x, (t) => t[1], (t) => t[2], width);
  for (const [turn, left, wide] of bars) {
    const whole = turn[4] === "final";
    const now = cursor.at >= turn[1] && cursor.at < turn[2];
    const bar = new Path2D();
    bar.roundRect(left, lane.top, wide, lane.height, Math.min(4, wide / 2));
    pen.fillStyle = whole ? colours.turn : colours.early;
    pen.fill(bar);
    if (!whole) hatch(pen, left, lane.top, wide, 5, colours.bad, false);
    pen.strokeStyle = turn.found
      ? colours.hit : whole ? colours["turn-edge"] : colours.bad;
    pen.lineWidth = now || turn.found ? 2.5 : 1;
    pen.stroke(bar);
    const text = turn[3] || turn[4];
    write(pen, text, Math.max(left, 0), lane.top, wide - Math.max(0, -left),
      lane.height, whole ? colours["turn-fg"] : colours["early-fg"]);
  }
}

function drawTexts(pen, call, lane, x, width) {
  const middle = lane.top + lane.height / 2;
  const ends = new Map(call.turns.map((turn) => [turn[0], turn[2]]));
  for (const [at, final, , number] of call.texts) {
    const left = x(at);
    if (final) {
      // From the end of the speech to its text: how late it was.
      const from = Math.max(x(ends.get(number)), -20);
      if (left > -20 && from < width && left > from) {
        pen.fillStyle = colours.final;
        pen.globalAlpha = 0.45;
        pen.fillRect(from, middle - 1, Math.min(left, width) - from, 2);
        pen.globalAlpha = 1;
      }
    }
    if (left < -8 || left > width + 8) continue;
    if (final) {
      pen.fillStyle = colours.final;
      pen.beginPath();
      pen.moveTo(left, middle - 6);
      pen.lineTo(left + 6, middle);
      pen.lineTo(left, middle + 6);
      pen.lineTo(left - 6, middle);
      pen.fill();
    } else {
      pen.fillStyle = colours.interim;
      pen.fillRect(left - 1, middle - 5, 2, 10);
    }
  }
}

function drawConnections(pen, call, lane, x, width) {
  const gaps = stretches(call.outages, x, (o) => o[0], (o) => o[1], width);
  for (const [, left, wide] of gaps) {
    hatch(pen, left - 1, lane.top, Math.max(4, wide), lane.height, colours.outage, true);
  }
  const bars = stretches(call.connections, x, (c) => c[0], (c) => c[1], width);
  for (const [one, left, wide] of bars) {
    const top = lane.top + 4;
    const high = lane.height - 8;
    pen.fillStyle = colours.connection;
    pen.fillRect(left, top, Math.max(2, wide - 1), high);
    write(pen, `connection ${one[2]}`, Math.max(left, 0), top,
      wide - Math.max(0, -left), high, colours["connection-fg"]);
  }
}

function drawBands(pen, call, lane, x, width) {
  const bands = stretches(call.bands, x, (b) => b[1], (b) => b[2], width);
  for (const [band, left, wide] of bands) {
    if (band[0] === "dropped") {
      pen.fillStyle = colours.dropped;
      pen.fillRect(left, lane.top + 3, wide, lane.height - 6);
    } else {
      hatch(pen, left, lane.top + 3, wide, lane.height - 6, colours.replayed, true);
    }
  }
}

function drawMarks(pen, call, lane, x, width) {
  for (const [kind, at] of call.marks) {
    const left = x(at);
    if (left < -8 || left > width + 8) continue;
    const down = kind === "finalize";
    const up = kind === "finalize_end";
    const half = down || up ? 4.5 : 6;
    // They often are at one place.
    const middle = lane.top + lane.height / 2 + (down ? -6 : up ? 6 : 0);
    pen.beginPath();
    if (kind === "config") {
      pen.rect(left - 4, middle - 4, 8, 8);
    } else if (kind === "info") {
      pen.arc(left, middle, 3.5, 0, 7);
    } else {
      const way = down ? -1 : 1;
      pen.moveTo(left, middle - way * half);
      pen.lineTo(left + half, middle + way * half);
      pen.lineTo(left - half, middle + way * half);
      pen.closePath();
    }
    const trouble = kind === "bad" || kind === "warn";
    pen.fillStyle = pen.strokeStyle = trouble ? colours[kind] : colours.mark;
    if (down || kind === "info") {
      pen.lineWidth = 1.5;
      pen.stroke();
    } else {
      pen.fill();
    }
  }
}
