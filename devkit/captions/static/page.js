// The page: one WebSocket to its server, one call at a time.

import { NoSound, Sound } from "./audio.js";
import { Captions, clock, seconds } from "./captions.js";
import { Strip } from "./strip.js";
import {
  enter,
  find,
  note as noteAt,
  showAnswer,
  showCounters,
  showCuts,
  showHello,
  shown,
  showMute,
  showOver,
  tellProblem,
} from "./view.js";

const FATAL = -1000;
const SOUND_PEAK = 0.02; // -34 dBFS
const SAMPLE_TAIL_MS = 1500;
const EARLY_MOST = 150; // pieces of 20 ms
// A close code of a WebSocket: the connection is gone.
const CLOSED = /^[134]\d{3}$/;
const captions = new Captions(find);
const strip = new Strip(find("strip"));
let socket;
let sound = null;
const note = (text, kind) => noteAt(strip.ms, text, kind);
let lostAt = 0; // performance.now() of the loss; 0: there is none
let lostMs = 0; // of the call's audio at that moment
let loudAt = 0;
let level = 0;
const early = []; // [pcm, peak] of the microphone before the app is there

// -- what is shown ----------------------------------------------------------

function paint() {
  requestAnimationFrame(paint);
  const now = performance.now();
  const hears = sound && !shown.muted && shown.state !== "starting";
  level = hears ? level * 0.9 : 0;
  find("level").style.width = `${Math.min(100, Math.sqrt(level) * 100)}%`;
  const loud = hears && now - loudAt < 250;
  const said = !hears ? (shown.muted && sound ? "muted" : "nothing") :
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
  if (shown.state === "live") enter("away");
}

function regain() {
  if (lostAt) {
    const outage = seconds(performance.now() - lostAt);
    note(`Connected again after ${outage}`, "good");
    strip.regain();
    lostAt = 0;
    find("outage").hidden = true;
  } else if (shown.state === "connecting") {
    note("Connected to the service", "good");
  }
  if (shown.state === "connecting" || shown.state === "away") enter("live");
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
    if (body.current === "disconnected" && shown.state === "live") lose();
  },
};

// -- what the server says ----------------------------------------------------

const SAID = {
  hello(said) {
    showHello(said);
    enter("ready");
  },
  busy() {
    enter("busy");
    tellProblem("Another page has this call. Close it, then load this one " +
      "again.");
  },
  ready() {
    if (shown.state !== "starting") return;
    enter("connecting");
    for (const [pcm, peak] of early.splice(0)) send(pcm, peak);
    sound.begin();
  },
  message(said) {
    MESSAGES[said.name]?.(said);
  },
  answer({ accepted, text, applies, answer_ms: took }) {
    const answer = accepted ?
      `Applied: ${applies}, answered in ${took} ms` : `Refused: ${text}`;
    showAnswer(answer, accepted);
    note(answer, accepted ? "" : "bad");
    if (accepted && shown.state === "failed") {
      tellProblem("");
      enter("live");
    }
  },
  cut({ away_s: away }) {
    const how = away ? `, and new ones are refused for ${away} s` :
      ": the next one is tried at once, or after several cuts within 10 s";
    note(`You cut the connection${how}`, "bad");
    lose();
  },
  cuts({ refusal }) {
    showCuts(refusal);
  },
  refused({ text }) {
    note(`Refused: ${text}`, "bad");
    if (shown.state === "starting") leave(`The call did not start: ${text}`);
  },
  over({ problem, report, no_report: noReport, files }) {
    leave(problem);
    note("The call is over");
    showOver(report, noReport, files);
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
  if (shown.state !== "starting") {
    send(pcm, peak);
    return;
  }
  early.push([pcm, peak]);
  if (early.length > EARLY_MOST) early.shift();
}

function send(pcm, peak) {
  if (socket.readyState !== WebSocket.OPEN) return;
  strip.hear((pcm.byteLength / 2 / sound.rate) * 1000, peak);
  level = Math.max(level, peak);
  if (peak > SOUND_PEAK) loudAt = performance.now();
  socket.send(pcm);
}

async function start(open) {
  tellProblem("");
  early.length = 0;
  enter("starting");
  try {
    sound = await open();
  } catch (error) {
    enter("ready");
    tellProblem(error instanceof NoSound ? error.message :
      `No sound: ${error.message}`);
    return;
  }
  if (shown.state !== "starting") { // the server has ended meanwhile
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
  if (!sound || shown.state === "ending") return;
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
  showMute(!shown.muted);
  sound.mute(shown.muted);
});
find("cut").addEventListener("click", () => {
  if (shown.notNow) return;
  ask({ type: "cut", away_s: Number(find("away").value) });
});
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
    if (shown.state === "busy") return;
    leave("");
    enter("gone");
    tellProblem("The server has ended. Start it again with make captions, " +
      "and open the address that it prints.");
  });
}

enter("loading");
connect();
paint();
