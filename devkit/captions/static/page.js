// The page: one WebSocket to its server, one call at a time.

import { NoSound, Sound } from "./audio.js";
import { Captions, clock, element, seconds } from "./captions.js";
import { Strip } from "./strip.js";

const find = (id) => document.getElementById(id);
const FATAL = -1000;
const SOUND_PEAK = 0.02; // -34 dBFS
const SAMPLE_TAIL_MS = 1500;
const MOST_LINES = 200;
// A close code of a WebSocket: the connection is gone.
const CLOSED = /^[134]\d{3}$/;
const STATES = {
  loading: "Loading",
  ready: "Ready",
  starting: "Starting",
  connecting: "Connecting",
  live: "Connected",
  away: "No connection",
  failed: "Gave up",
  ending: "Ending",
  gone: "Server ended",
  busy: "In use",
};

const captions = new Captions(find);
const strip = new Strip(find("strip"));
let socket;
let sound = null;
let state = "loading";
let muted = false;
let noCut = "";
let lostAt = 0; // performance.now() of the loss; 0: there is none
let lostMs = 0; // of the call's audio at that moment
let loudAt = 0;
let level = 0;

// -- what is shown ----------------------------------------------------------

function enter(next) {
  state = next;
  find("status").textContent = STATES[next];
  find("status").dataset.state = next;
  const idle = next === "ready";
  const calls = ["connecting", "live", "away", "failed"].includes(next);
  find("start").hidden = find("sample").hidden = calls || next === "ending";
  find("start").disabled = find("sample").disabled = !idle;
  for (const id of ["mute", "finalize", "stop"]) find(id).hidden = !calls;
  find("cut").disabled = !calls || noCut !== "" || next === "failed";
  find("apply").disabled = !calls;
}

function tellProblem(text) {
  find("problem").textContent = text;
  find("problem").hidden = !text;
}

function note(text, kind = "") {
  const row = element("li", "", kind);
  row.append(element("span", clock(strip.ms), "when"), element("span", text));
  find("log").prepend(row);
  while (find("log").childElementCount > MOST_LINES) {
    find("log").lastElementChild.remove();
  }
}

function showMute(on) {
  muted = on;
  find("mute").setAttribute("aria-pressed", String(on));
  find("mute").textContent = on ? "Unmute" : "Mute";
}

function showCounters({ reconnects, replayed_ms: again, dropped_ms: lost }) {
  find("reconnects").textContent = reconnects;
  find("replayed").textContent = seconds(again);
  find("dropped").textContent = seconds(lost);
  find("dropped").classList.toggle("bad", lost > 0);
}

function paint() {
  requestAnimationFrame(paint);
  const now = performance.now();
  const hears = sound && !muted && state !== "starting";
  level = hears ? level * 0.9 : 0;
  find("level").style.width = `${Math.min(100, Math.sqrt(level) * 100)}%`;
  const loud = hears && now - loudAt < 250;
  const said = !hears ? (muted && sound ? "muted" : "nothing") :
    loud ? "sound" : "quiet";
  if (find("hears").textContent !== said) find("hears").textContent = said;
  find("ear").dataset.state = said;
  const turn = captions.interim ? "open" : "none";
  if (find("turn").textContent !== turn) find("turn").textContent = turn;
  find("clock").textContent = clock(strip.ms);
  if (lostAt) {
    const text = `No connection for ${seconds(now - lostAt)}. ` +
      `${seconds(strip.ms - lostMs)} of sound since then are kept, and sent ` +
      "when it is back.";
    find("outage-text").textContent = text;
  }
  strip.draw(captions.turns.values());
}

// -- the connection to the service -------------------------------------------

function lose() {
  if (lostAt) return;
  [lostAt, lostMs] = [performance.now(), strip.ms];
  strip.lose();
  find("outage").hidden = false;
  if (state === "live") enter("away");
}

function regain() {
  if (lostAt) {
    const outage = seconds(performance.now() - lostAt);
    note(`Connected again after ${outage}`, "good");
    strip.regain();
    lostAt = 0;
    find("outage").hidden = true;
  } else if (state === "connecting") {
    note("Connected to the service", "good");
  }
  if (state === "connecting" || state === "away") enter("live");
}

const MESSAGES = {
  asr_result(message) {
    const { start_ms: start, duration_ms: duration } = message.body;
    captions.add(message, strip.wasAway(start, start + duration));
  },
  asr_finalize_end({ answer_ms: took }) {
    if (typeof took === "number") note(`Finalize answered in ${took} ms`);
  },
  error({ body }) {
    const fatal = body.code === FATAL;
    note(`${fatal ? "Fatal error" : "Error"}: ${body.message}`, "bad");
    if (fatal) {
      tellProblem(`The extension gave up: ${body.message}. What to do: apply ` +
        "other settings, or stop.");
      enter("failed");
    } else if (CLOSED.test(body.vendor_info?.code ?? "")) {
      lose();
    }
  },
  metrics({ body }) {
    const { connect_delay: connected, vendor_metrics: told } = body.metrics;
    if (connected !== undefined) regain();
    if (told?.reconnects !== undefined) showCounters(told);
  },
  // Only newer bases of TEN send it.
  connection_status_changed({ body }) {
    if (body.current === "connected") regain();
    if (body.current === "disconnected" && state === "live") lose();
  },
};

// -- what the server says ----------------------------------------------------

const SAID = {
  hello(said) {
    const host = said.runtime === "ten" ? "TEN" : "the stand-in for TEN";
    const service = said.local ? "the local server, offline" : said.service;
    find("service").textContent =
      `openai_asr_python on ${host}, with ${service}`;
    noCut = said.no_cut;
    if (noCut) find("cut-hint").textContent = `Not possible here: ${noCut}.`;
    for (const [name, value] of Object.entries(said.settings)) {
      find(name).value = value;
    }
    find("models").replaceChildren(...said.models.map((name) => {
      const option = document.createElement("option");
      option.value = name;
      return option;
    }));
    enter("ready");
  },
  busy() {
    enter("busy");
    tellProblem("Another page has this call. Close it, then load this one " +
      "again.");
  },
  ready() {
    if (state !== "starting") return;
    enter("connecting");
    sound.begin();
  },
  message(said) {
    MESSAGES[said.name]?.(said);
  },
  answer({ accepted, text, applies, answer_ms: took }) {
    const answer = accepted ?
      `Applied: ${applies}, answered in ${took} ms` : `Refused: ${text}`;
    find("answer").textContent = answer;
    find("answer").dataset.good = accepted;
    note(answer, accepted ? "" : "bad");
    if (accepted && state === "failed") {
      tellProblem("");
      enter("live");
    }
  },
  cut({ connections, away_s: away }) {
    const how = away ? `, for ${away} s` : "";
    note(connections ? `You cut the connection${how}` :
      `No connection to cut; new ones are refused${how}`, "bad");
    if (connections) lose();
  },
  refused({ text }) {
    note(`Refused: ${text}`, "bad");
    if (state === "starting") leave(`The call did not start: ${text}`);
  },
  over({ problem, report, no_report: noReport, files }) {
    leave(problem);
    note("The call is over");
    const box = find("over");
    box.replaceChildren(element("b", "The call is over."), " ");
    const link = (text, place, name = "") => {
      const made = element("a", text, name);
      made.href = place;
      made.target = "_blank";
      made.rel = "noopener";
      box.append(made, " ");
    };
    if (report) link("Open its report", report, "report");
    if (noReport) box.append(`No report: ${noReport} `);
    for (const { name, place } of files) link(name, place);
    box.hidden = false;
  },
};

function leave(problem) {
  sound?.close();
  sound = null;
  strip.regain();
  lostAt = 0;
  find("outage").hidden = true;
  if (problem) tellProblem(problem);
  captions.showInterim(null);
  showMute(false);
  enter("ready");
}

// -- what a person does ------------------------------------------------------

const ask = (wish) => socket.send(JSON.stringify(wish));

function settings() {
  return Object.fromEntries(new FormData(find("settings")));
}

function heard(pcm, peak) {
  if (socket.readyState !== WebSocket.OPEN) return;
  strip.hear((pcm.byteLength / 2 / sound.rate) * 1000, peak);
  level = Math.max(level, peak);
  if (peak > SOUND_PEAK) loudAt = performance.now();
  socket.send(pcm);
}

async function start(open) {
  tellProblem("");
  enter("starting");
  try {
    sound = await open();
  } catch (error) {
    enter("ready");
    tellProblem(error instanceof NoSound ? error.message :
      `No sound: ${error.message}`);
    return;
  }
  if (state !== "starting") { // the server has ended meanwhile
    sound.close();
    sound = null;
    return;
  }
  captions.clear();
  strip.clear();
  find("log").replaceChildren();
  find("answer").textContent = "";
  find("over").hidden = true;
  find("empty").hidden = false;
  showCounters({ reconnects: 0, replayed_ms: 0, dropped_ms: 0 });
  ask({ type: "start", rate: Math.round(sound.rate), settings: settings() });
}

function stop() {
  if (!sound || state === "ending") return;
  sound.mute(true);
  enter("ending");
  ask({ type: "stop" });
}

find("start").addEventListener("click", () => start(() =>
  Sound.ofMicrophone(heard, () => {
    note("The microphone was taken away", "bad");
    stop();
  })));
find("sample").addEventListener("click", () => start(() =>
  Sound.ofFile("sample", heard, () => setTimeout(stop, SAMPLE_TAIL_MS))));
find("stop").addEventListener("click", stop);
find("finalize").addEventListener("click", () => ask({ type: "finalize" }));
find("mute").addEventListener("click", () => {
  showMute(!muted);
  sound.mute(muted);
});
find("cut").addEventListener("click", () =>
  ask({ type: "cut", away_s: Number(find("away").value) }));
find("settings").addEventListener("submit", (event) => {
  event.preventDefault();
  if (find("apply").disabled) return;
  find("answer").textContent = "…";
  ask({ type: "update", settings: settings() });
});

function connect() {
  socket = new WebSocket(new URL("socket", location.href.replace(/^http/, "ws")));
  socket.addEventListener("message", ({ data }) => {
    const said = JSON.parse(data);
    SAID[said.type]?.(said);
  });
  socket.addEventListener("close", () => {
    if (state === "busy") return;
    leave("");
    enter("gone");
    tellProblem("The server has ended. Start it again with make captions, " +
      "and open the address that it prints.");
  });
}

enter("loading");
connect();
paint();
