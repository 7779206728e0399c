// What the page shows of its state: status, controls, events, what is left.

import { clock, element, seconds } from "./captions.js";

export const find = (id) => document.getElementById(id);

const MOST_LINES = 200;
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

// Why the connection cannot be cut, `noCut`: ever, `notNow`: at the moment.
export const shown = { state: "loading", muted: false, noCut: "", notNow: "" };
let vanished = null; // the control that had the focus, and is not there now

// The focus goes to what takes the place of a control that vanishes.
function keepFocus(before) {
  const gone = (control) => control.matches(":disabled, [hidden]");
  if (before !== document.body) vanished = gone(before) ? before : null;
  if (!vanished) return;
  const next = [vanished, find("mute"), find("start")]
    .find((control) => !gone(control));
  if (!next) return;
  vanished = null;
  next.focus();
}

export function enter(next) {
  const before = document.activeElement ?? document.body;
  shown.state = next;
  find("status").textContent = STATES[next];
  find("status").dataset.state = next;
  const idle = next === "ready";
  const calls = ["connecting", "live", "away", "failed"].includes(next);
  find("start").hidden = find("sample").hidden = calls || next === "ending";
  find("start").disabled = find("sample").disabled = !idle;
  for (const id of ["mute", "finalize", "stop"]) find(id).hidden = !calls;
  find("cut").disabled = !calls || shown.noCut !== "" || next === "failed";
  find("apply").disabled = !calls;
  showCuts(shown.notNow);
  keepFocus(before);
}

// `refusal`: why there is no cut now. The button keeps the focus.
export function showCuts(refusal) {
  shown.notNow = refusal;
  const why = find("cut").disabled ? "" : refusal;
  find("cut").setAttribute("aria-disabled", String(why !== ""));
  find("cut-why").textContent = why && `Not now: ${why}.`;
}

export function tellProblem(text) {
  find("problem").textContent = text;
  find("problem").hidden = !text;
}

export function note(ms, text, kind = "") {
  const row = element("li", "", kind);
  row.append(element("span", clock(ms), "when"), element("span", text));
  find("log").prepend(row);
  while (find("log").childElementCount > MOST_LINES) {
    find("log").lastElementChild.remove();
  }
}

export function showMute(on) {
  shown.muted = on;
  find("mute").setAttribute("aria-pressed", String(on));
  find("mute").textContent = on ? "Unmute" : "Mute";
}

// As vendor metrics have them.
export function showCounters(told) {
  find("reconnects").textContent = told.reconnects;
  find("replayed").textContent = seconds(told.replayed_ms);
  find("dropped").textContent = seconds(told.dropped_ms);
  find("dropped").classList.toggle("bad", told.dropped_ms > 0);
}

export function showHello(said) {
  const host = said.runtime === "ten" ? "TEN" : "the stand-in for TEN";
  const service = said.local ? "the local server, offline" : said.service;
  find("service").textContent =
    `openai_asr_python on ${host}, with ${service}`;
  shown.noCut = said.no_cut;
  if (shown.noCut) {
    find("cut-hint").textContent = `Not possible here: ${shown.noCut}.`;
  }
  for (const [name, value] of Object.entries(said.settings)) {
    find(name).value = value;
  }
  find("models").replaceChildren(...said.models.map((name) => {
    const option = document.createElement("option");
    option.value = name;
    return option;
  }));
}

export function showAnswer(text, good) {
  find("answer").textContent = text;
  find("answer").dataset.good = good;
}

export function showOver(report, noReport, files) {
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
}
