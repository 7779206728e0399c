// Search: rows and events that have the words stay, the others are hidden.

const search = find("search");
const words = find("words");
const found = find("found");
const findables = [...document.querySelectorAll(".findable")].map((element) => ({
  element,
  text: element.textContent.toLowerCase(),
  at: Number((element.querySelector("[data-at]") || element).dataset.at || 0),
}));
let hits = [];
let next = 0;

function filter() {
  const wanted = words.value.trim().toLowerCase();
  hits = findables.filter(({ element, text }) => {
    const has = !wanted || text.includes(wanted);
    element.hidden = !has;
    return has;
  });
  for (const call of calls) {
    for (const turn of call.turns) {
      turn.found = Boolean(wanted) && turn[3].toLowerCase().includes(wanted);
    }
  }
  next = 0;
  found.value = wanted ? `${hits.length} of ${findables.length}` : "";
  mark(wanted);
  changed();
}

// Where the browser can, the words themselves are marked, too.
function mark(wanted) {
  if (!globalThis.CSS || !CSS.highlights) return;
  CSS.highlights.delete("found");
  if (!wanted) return;
  const ranges = [];
  for (const { element } of hits) {
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node && ranges.length < 2000; node = walker.nextNode()) {
      const text = node.data.toLowerCase();
      // Lower case may be longer, and then the places are others.
      if (text.length !== node.data.length) continue;
      for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
        const range = new Range();
        range.setStart(node, at);
        range.setEnd(node, at + wanted.length);
        ranges.push(range);
      }
    }
  }
  CSS.highlights.set("found", new Highlight(...ranges));
}

words.addEventListener("input", filter);
search.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!words.value.trim() || !hits.length) return;
  const hit = hits[next % hits.length];
  next += 1;
  found.value = `${((next - 1) % hits.length) + 1} of ${hits.length}`;
  seek(hit.at);
  hit.element.scrollIntoView({ block: "center" });
});
search.hidden = false;
