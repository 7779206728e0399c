// The list of what was said. Finals are announced, interims are not.

const ANNOUNCED = 5;

export const seconds = (ms) => `${(ms / 1000).toFixed(ms < 9950 ? 1 : 0)} s`;

export function clock(ms) {
  const all = Math.floor(ms / 1000);
  const part = (value) => String(value).padStart(2, "0");
  return `${part(Math.floor(all / 60))}:${part(all % 60)}`;
}

export function element(kind, text, name = "") {
  const made = document.createElement(kind);
  made.textContent = text;
  if (name) made.className = name;
  return made;
}

function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

export class Captions {
  constructor(find) {
    this.find = find;
    this.clear();
  }

  clear() {
    this.find("finals").replaceChildren();
    this.find("announce").replaceChildren();
    this.first = new Map(); // ms until the first words, by turn
    this.firsts = [];
    this.lasts = [];
    this.turns = new Map(); // {start, end, final}, by turn
    this.showInterim(null);
    this.find("first").textContent = "–";
    this.find("last").textContent = "–";
  }

  get interim() {
    return this.open !== null;
  }

  // A message `asr_result`, as it came; `cut`: there was no connection while
  // it was said.
  add({ body, first_ms: first, end_ms: last }, cut) {
    const { id, text, start_ms: start, duration_ms: duration } = body;
    if (typeof first === "number") this.first.set(id, first);
    this.turns.set(id, { start, end: start + duration, final: body.final });
    if (!body.final) {
      this.showInterim(body);
      return;
    }
    // Also of a turn before that ended without a text.
    this.showInterim(null);
    if (!text.trim()) return;
    this.show(body, last, cut);
    const paragraph = element("p", text);
    this.find("announce").append(paragraph);
    while (this.find("announce").childElementCount > ANNOUNCED) {
      this.find("announce").firstElementChild.remove();
    }
  }

  showInterim(body) {
    this.open = body && body.id;
    const row = this.find("interim");
    row.hidden = !body;
    row.textContent = body ? body.text : "";
    this.follow();
  }

  show({ id, text, start_ms: start }, last, cut) {
    this.find("empty").hidden = true;
    const row = element("li", "");
    row.dataset.turn = id;
    row.append(element("span", clock(start), "when"));
    row.append(element("span", text, "text"));
    const how = element("span", "", "late");
    const first = this.first.get(id);
    if (first !== undefined) {
      how.append(element("span", `first words ${seconds(first)}`));
      this.firsts.push(first);
      this.find("first").textContent = seconds(median(this.firsts));
    }
    if (typeof last === "number") {
      how.append(element("span", `final ${seconds(last)}`));
      this.lasts.push(last);
      this.find("last").textContent = seconds(median(this.lasts));
    }
    if (cut) how.append(element("span", "said without a connection", "kept"));
    row.append(how);
    this.find("finals").append(row);
    this.first.delete(id);
    this.follow();
  }

  // Keep to the end, unless somebody reads further up.
  follow() {
    const box = this.find("scroll");
    if (box.scrollHeight - box.scrollTop - box.clientHeight < 160) {
      box.scrollTop = box.scrollHeight;
    }
    this.find("empty").hidden ||= this.open !== null;
  }
}
