// The data of the page, and which part of the call is in view. Times are ms of
// the call's audio. What a log says is shown as text only, never as HTML.

const calls = JSON.parse(document.getElementById("data").textContent);
const total = Math.max(1, ...calls.map((call) => call.total));
const find = (id) => document.getElementById(id);
const SHORTEST_VIEW = 500;

const view = { from: 0, to: total };
const cursor = { at: 0 };
// Called after view or cursor have changed.
const watchers = [];
const changed = () => watchers.forEach((watcher) => watcher());

function clock(ms) {
  const tenths = Math.round(ms / 100);
  const seconds = Math.floor(tenths / 10);
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = `${two(seconds % 60)}.${tenths % 10}`;
  return hours ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}

function look(from, to) {
  const span = Math.min(total, Math.max(Math.min(SHORTEST_VIEW, total), to - from));
  view.from = Math.min(Math.max(0, from), total - span);
  view.to = view.from + span;
  changed();
}

// Around a place that stays where it is.
function zoom(factor, around) {
  const share = (around - view.from) / (view.to - view.from);
  const span = Math.min(
    total,
    Math.max(Math.min(SHORTEST_VIEW, total), (view.to - view.from) * factor),
  );
  look(around - share * span, around + (1 - share) * span);
}

const pan = (ms) => look(view.from + ms, view.to + ms);

function centre() {
  return cursor.at >= view.from && cursor.at <= view.to
    ? cursor.at
    : (view.from + view.to) / 2;
}

// Brings a place into view, with what follows it.
function show(at) {
  const span = view.to - view.from;
  if (at < view.from || at > view.from + 0.9 * span) {
    look(at - 0.1 * span, at + 0.9 * span);
  }
}

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  return bytes;
}

// The last of sorted entries that begins at or before a place, or -1.
function lastBefore(entries, at, start) {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (start(entries[middle]) <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
