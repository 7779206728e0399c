// The time axis: its lanes, what is under the pointer, and how one moves in it.

const axis = find("axis");
const canvas = find("canvas");
const tip = find("tip");
const RULER = 24;
const OVERVIEW = 18;
const GAP = 8;
const LABEL = 17;
// From this width on the lanes' names stand beside them, in px.
const WIDE = 640;
const GUTTER = 104;
// Room for half a mark at both ends.
const MARGIN = 8;

for (const call of calls) {
  call.shape = bytesOf(call.shape);
}

function lanesOf() {
  const lanes = [];
  calls.forEach((call, index) => {
    const add = (name, height, ...drawings) => {
      lanes.push({ name: call.label ? `${call.label} ${name}` : name, call, height, drawings });
    };
    // Two runs have the same sound.
    if (call.shape.length && index === 0) {
      add("Sound", 72, drawSpeech, drawSound);
    } else if (call.speech.length) {
      add("Speech", 16, drawSpeech);
    }
    add("Turns", 30, drawTurns);
    add("Text came", 20, drawTexts);
    add("Connection", 24, drawConnections);
    if (call.bands.length) add("Audio", 20, drawBands);
    add("Events", 24, drawMarks);
  });
  return lanes;
}

const lanes = lanesOf();
let width = 0;
let left = 0;
let named = false;
let overviewTop = 0;
const x = (ms) => ((ms - view.from) / (view.to - view.from)) * width;
const place = (pixel) => view.from + (pixel / Math.max(1, width)) * (view.to - view.from);

function layOut() {
  const all = axis.clientWidth;
  named = all >= WIDE;
  left = named ? GUTTER : MARGIN;
  width = all - left - MARGIN;
  let top = RULER + GAP;
  for (const lane of lanes) {
    lane.top = top + (named ? 0 : LABEL);
    top = lane.top + lane.height + GAP;
  }
  overviewTop = top;
  const height = top + OVERVIEW;
  const ratio = Math.min(3, window.devicePixelRatio || 1);
  canvas.width = Math.round(all * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.height = `${height}px`;
  canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
  readColours();
  draw();
}

const STEPS = [100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 18e5, 36e5];

function drawRuler(pen) {
  const enough = (view.to - view.from) * 76 / Math.max(1, width);
  const step = STEPS.find((each) => each >= enough) || 36e5 * Math.ceil(enough / 36e5);
  pen.textBaseline = "middle";
  for (let at = Math.ceil(view.from / step) * step; at <= view.to; at += step) {
    const where = x(at);
    pen.fillStyle = colours.line;
    pen.fillRect(where, RULER - 4, 1, overviewTop - RULER);
    const text = step < 1000 ? clock(at) : clock(at).replace(/\.\d$/, "");
    const room = pen.measureText(text).width;
    pen.fillStyle = colours.muted;
    pen.fillText(text, Math.min(Math.max(0, where - room / 2), width - room), 9);
  }
}

function drawOverview(pen) {
  const all = (ms) => (ms / total) * width;
  const top = overviewTop + 3;
  const high = OVERVIEW - 6;
  pen.fillStyle = colours.line;
  pen.fillRect(0, top, width, high);
  pen.fillStyle = colours["turn-edge"];
  for (const turn of calls[0].turns) {
    pen.fillRect(all(turn[1]), top + 3, Math.max(1, all(turn[2] - turn[1])), high - 6);
  }
  for (const call of calls) {
    for (const [kind, at] of call.marks) {
      if (kind !== "bad" && kind !== "warn") continue;
      pen.fillStyle = colours[kind];
      pen.fillRect(all(at) - 1, top, 2, high);
    }
  }
  pen.strokeStyle = colours.fg;
  pen.lineWidth = 1.5;
  const from = Math.min(all(view.from), width - 4);
  pen.strokeRect(from + 0.75, overviewTop + 0.75, Math.max(4, all(view.to) - from) - 1.5, OVERVIEW - 1.5);
  pen.fillStyle = colours.cursor;
  pen.fillRect(all(cursor.at) - 1, overviewTop, 2, OVERVIEW);
}

function draw() {
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, left + width + MARGIN, overviewTop + OVERVIEW);
  pen.font = "12px system-ui, sans-serif";
  pen.textBaseline = "middle";
  for (const lane of lanes) {
    pen.fillStyle = colours.muted;
    if (named) pen.fillText(lane.name, 0, lane.top + lane.height / 2);
  }
  pen.save();
  pen.translate(left, 0);
  pen.beginPath();
  pen.rect(-MARGIN, 0, width + 2 * MARGIN, overviewTop + OVERVIEW);
  pen.clip();
  drawRuler(pen);
  for (const lane of lanes) {
    if (!named) {
      pen.fillStyle = colours.muted;
      pen.textBaseline = "middle";
      pen.fillText(lane.name, 0, lane.top - LABEL / 2);
    }
    for (const drawing of lane.drawings) drawing(pen, lane.call, lane, x, width);
  }
  pen.fillStyle = colours.cursor;
  pen.fillRect(x(cursor.at) - 1, RULER - 4, 2, overviewTop - RULER);
  drawOverview(pen);
  pen.restore();
  axis.dataset.view = `${Math.round(view.from)}-${Math.round(view.to)}`;
}

// What is at a place of a lane, in words.
function* under(lane, at) {
  const near = 6 * (view.to - view.from) / Math.max(1, width);
  const within = (start, end) => at >= start - near && at <= end + near;
  const { call } = lane;
  for (const drawing of lane.drawings) {
    if (drawing === drawTurns) {
      for (const [number, start, end, text, state] of call.turns) {
        if (at >= start && at <= end) {
          yield `${typeof number === "number" ? "Turn" : "Turns"} ${number}${state === "final" ? "" : ` (${state})`}, ${clock(start)} to ${clock(end)}`;
          if (text) yield text;
        }
      }
    } else if (drawing === drawTexts) {
      for (const [when, final, text, number] of call.texts) {
        if (within(when, when)) yield `${clock(when)} ${final ? "final" : "interim"} of turn ${number}: ${text}`;
      }
    } else if (drawing === drawConnections) {
      for (const [start, end, text] of call.outages) if (within(start, end)) yield `${clock(start)} ${text}`;
      for (const [start, end, number, text] of call.connections) {
        if (at >= start && at <= end) yield `connection ${number}, ${clock(start)} to ${clock(end)}, ${text}`;
      }
    } else if (drawing === drawBands) {
      for (const [kind, start, end, text] of call.bands) {
        if (within(start, end)) yield `${kind}: ${clock(start)} to ${clock(end)}. ${text}`;
      }
    } else if (drawing === drawMarks) {
      for (const [, when, text] of call.marks) if (within(when, when)) yield `${clock(when)} ${text}`;
    } else if (drawing === drawSpeech) {
      for (const [start, end] of call.speech) if (at >= start && at <= end) yield `speech, ${clock(start)} to ${clock(end)}`;
    }
  }
}

function point(event) {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left - left, event.clientY - box.top];
}

function showTip(event) {
  const [across, down] = point(event);
  const lane = lanes.find((each) => down >= each.top - 2 && down <= each.top + each.height + 2);
  const said = lane && across >= 0 ? [...under(lane, place(across))] : [];
  tip.hidden = said.length === 0;
  if (tip.hidden) return;
  tip.textContent = said.slice(0, 6).join("\n");
  const wide = Math.min(360, left + width);
  tip.style.maxWidth = `${wide}px`;
  tip.style.left = `${Math.max(0, Math.min(across + left + 12, left + width - tip.offsetWidth))}px`;
  tip.style.top = `${lane.top + lane.height + 6}px`;
}

const pointers = new Map();
let moved = false;
let inOverview = false;

axis.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  const [across, down] = point(event);
  pointers.set(event.pointerId, across);
  axis.setPointerCapture(event.pointerId);
  moved = pointers.size > 1;
  inOverview = down >= overviewTop;
  if (inOverview) lookFromOverview(across);
});

function lookFromOverview(across) {
  const at = (across / width) * total;
  const half = (view.to - view.from) / 2;
  look(at - half, at + half);
}

axis.addEventListener("pointermove", (event) => {
  const [across] = point(event);
  const before = pointers.get(event.pointerId);
  if (before === undefined) {
    showTip(event);
    return;
  }
  tip.hidden = true;
  if (inOverview) {
    lookFromOverview(across);
    return;
  }
  if (!moved && Math.abs(across - before) < 4) return;
  moved = true;
  const others = [...pointers].filter(([id]) => id !== event.pointerId);
  if (others.length) {
    const still = others[0][1];
    const factor = Math.abs(before - still) / Math.max(8, Math.abs(across - still));
    zoom(Math.min(2, Math.max(0.5, factor)), place(still));
  } else {
    pan(place(before) - place(across));
  }
  pointers.set(event.pointerId, across);
});

for (const kind of ["pointerup", "pointercancel"]) {
  axis.addEventListener(kind, (event) => {
    if (!pointers.delete(event.pointerId)) return;
    const [across] = point(event);
    if (kind === "pointerup" && !moved && !inOverview && across >= 0) seek(place(across));
  });
}
axis.addEventListener("pointerleave", () => { tip.hidden = true; });

axis.addEventListener("wheel", (event) => {
  const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
  if (event.ctrlKey || event.metaKey) {
    zoom(1.002 ** event.deltaY, place(point(event)[0]));
  } else if (sideways || event.shiftKey) {
    pan((event.deltaX || event.deltaY) * (view.to - view.from) / width);
  } else {
    return;
  }
  event.preventDefault();
}, { passive: false });

find("zoom-in").addEventListener("click", () => zoom(0.5, centre()));
find("zoom-out").addEventListener("click", () => zoom(2, centre()));
find("zoom-all").addEventListener("click", () => look(0, total));
watchers.push(draw);
