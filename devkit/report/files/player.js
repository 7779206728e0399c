// Playback, the cursor, and what follows it.

const audio = find("audio");
const playButton = find("play");
const follow = find("follow");
const rows = [...document.querySelectorAll("tr.turn")].map((row) => ({
  row,
  start: Number(row.dataset.start),
  end: Number(row.dataset.end),
  words: [...row.querySelectorAll(".w")],
}));
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let current = null;
let spoken = null;

function seek(at) {
  cursor.at = Math.min(Math.max(0, at), total);
  // Behind its last sample there is nothing to play.
  if (audio) audio.currentTime = cursor.at / 1000;
  show(cursor.at);
  arrived();
}

function play() {
  if (!audio) return;
  if (cursor.at >= total - 50) seek(0);
  audio.play().catch(() => {});
}

function toggle() {
  if (!audio) return;
  if (audio.paused) play();
  else audio.pause();
}

// What the cursor has come to.
function arrived() {
  const at = cursor.at;
  find("clock").value = clock(at);
  const here = about(at);
  find("here").textContent = here;
  axis.setAttribute("aria-valuenow", (at / 1000).toFixed(1));
  axis.setAttribute("aria-valuetext", `${clock(at)}. ${here}`);
  const now = rows.find((each) => at >= each.start && at < each.end) || null;
  if (now !== current) {
    if (current) {
      current.row.removeAttribute("aria-current");
      current.row.classList.remove("current");
    }
    current = now;
    if (now) {
      now.row.setAttribute("aria-current", "true");
      now.row.classList.add("current");
      if (audio && !audio.paused && follow.checked) keepInSight(now.row);
    }
  }
  const word = now && now.words.find(
    (each) => at >= Number(each.dataset.s) && at < Number(each.dataset.e),
  );
  if (word !== spoken) {
    if (spoken) spoken.classList.remove("now");
    if (word) word.classList.add("now");
    spoken = word;
  }
  changed();
}

function keepInSight(row) {
  // Only while the list is looked at: else the axis would be scrolled away.
  const box = row.getBoundingClientRect();
  const list = row.parentElement.getBoundingClientRect();
  if (list.top < innerHeight * 0.6 && (box.bottom > innerHeight || box.top < 0)) {
    row.scrollIntoView({ block: "center", behavior: calm.matches ? "auto" : "smooth" });
  }
}

// What those had on their screens who read along: the last text that had come.
function about(at) {
  const said = calls.map((call) => {
    const index = lastBefore(call.texts, at, (text) => text[0]);
    if (index < 0) return call.label ? `${call.label}: no text yet` : "No text had come yet.";
    const [, final, text] = call.texts[index];
    const name = call.label ? `${call.label}, ` : "Text by then, ";
    return `${name}${final ? "final" : "interim"}: ${text}`;
  });
  return said.join("  ·  ");
}

let wasPlaying = false;

function step() {
  if (!audio.paused) {
    cursor.at = Math.min(total, audio.currentTime * 1000);
    if (follow.checked) show(cursor.at);
    arrived();
    requestAnimationFrame(step);
  }
}

if (audio) {
  audio.controls = false;
  audio.addEventListener("play", () => {
    if (!wasPlaying) requestAnimationFrame(step);
    wasPlaying = true;
    playButton.setAttribute("aria-label", "Pause");
    playButton.classList.add("playing");
  });
  audio.addEventListener("pause", () => {
    wasPlaying = false;
    playButton.setAttribute("aria-label", "Play");
    playButton.classList.remove("playing");
  });
  audio.addEventListener("ended", () => {
    cursor.at = total;
    arrived();
  });
  playButton.addEventListener("click", toggle);
  find("speed").addEventListener("change", (event) => {
    audio.playbackRate = Number(event.target.value);
  });
}

const KEYS = {
  ArrowLeft: (event) => seek(cursor.at - (event.shiftKey ? 10000 : 1000)),
  ArrowRight: (event) => seek(cursor.at + (event.shiftKey ? 10000 : 1000)),
  ArrowDown: () => seek(cursor.at - 1000),
  ArrowUp: () => seek(cursor.at + 1000),
  PageUp: () => pan(view.from - view.to),
  PageDown: () => pan(view.to - view.from),
  Home: () => seek(0),
  End: () => seek(total),
  "+": () => zoom(0.5, centre()),
  "=": () => zoom(0.5, centre()),
  "-": () => zoom(2, centre()),
  0: () => look(0, total),
  " ": toggle,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const busy = event.target.closest("input, select, button, a, summary");
  // Arrows scroll the page, but on the axis they move the cursor.
  const mine = event.target === axis || (!busy && ["+", "=", "-", "0", " "].includes(event.key));
  const act = KEYS[event.key];
  if (!mine || !act) return;
  event.preventDefault();
  act(event);
});

for (const link of document.querySelectorAll("a.jump")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    seek(Number(link.dataset.at));
    if (link.dataset.play) play();
    else axis.focus();
  });
}
for (const { row, start } of rows) {
  row.addEventListener("click", (event) => {
    if (event.target.closest("a, details") || String(getSelection())) return;
    seek(start);
    play();
  });
}

find("no-script").hidden = true;
find("player").hidden = false;
new ResizeObserver(layOut).observe(axis);
for (const query of ["(prefers-color-scheme: dark)", "(prefers-contrast: more)"]) {
  matchMedia(query).addEventListener("change", layOut);
}
layOut();
arrived();
