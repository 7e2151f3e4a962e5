// The page works without this file. With it: filters answer at once, results grow in place, what is typed is completed,
// pictures can be dropped, a text can be copied, and `/` goes to the search box. No library, no request to anyone but this server.
"use strict";

const say = (text) => { document.getElementById("said").textContent = text; };

async function fetchPage(url) {
  const answer = await fetch(url, { headers: { Accept: "text/html" } });
  if (!answer.ok && answer.status >= 500) throw new Error(String(answer.status));
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

// ---------------------------------------------------------------- filters and pages of results, in place

let asked = 0;

async function show(url, { push = true, focus = null } = {}) {
  const mine = ++asked;
  const results = document.getElementById("results");
  results?.setAttribute("aria-busy", "true");
  try {
    const page = await fetchPage(url);
    if (mine !== asked) return;
    const fresh = page.getElementById("results");
    if (!fresh || !results) { location.assign(url); return; }
    const isShown = document.getElementById("filters-shown").checked;
    results.replaceWith(document.adoptNode(fresh));
    document.getElementById("filters-shown").checked = isShown;
    document.title = page.title;
    if (push) history.pushState({}, "", url);
    enrich(fresh);
    if (focus) focusOn(fresh.querySelector(focus));
    say(document.getElementById("count")?.textContent ?? "");
  } catch {
    location.assign(url);
  }
}

function focusOn(element) {
  if (element?.tagName === "H1") element.tabIndex = -1;
  element?.focus({ preventScroll: true });
}

function addressOf(form) {
  const pairs = [...new FormData(form)].filter(([, value]) => typeof value === "string" && value.trim() !== "");
  return `${form.getAttribute("action")}?${new URLSearchParams(pairs)}`;
}

document.addEventListener("change", (event) => {
  const field = event.target;
  if (!field.closest?.(".facets")) return;
  const value = field.type === "checkbox" || field.type === "radio" ? `[value="${CSS.escape(field.value)}"]` : "";
  show(addressOf(document.getElementById("find")), { focus: `.facets [name="${field.name}"]${value}` });
});

document.addEventListener("submit", (event) => {
  if (event.target.id !== "find" || !document.getElementById("results")) return;
  event.preventDefault();
  show(addressOf(event.target));
});

window.addEventListener("popstate", () => {
  if (document.getElementById("results")) location.reload();
});

async function showMore(link) {
  if (link.getAttribute("aria-busy") === "true") return;
  link.setAttribute("aria-busy", "true");
  try {
    const page = await fetchPage(link.href);
    const hits = document.getElementById("hits");
    const added = [...page.querySelectorAll("#hits > li")].map((hit) => document.adoptNode(hit));
    const before = hits.children.length;
    hits.append(...added);
    const next = page.getElementById("next");
    if (next) { link.href = next.href; link.removeAttribute("aria-busy"); } else { link.remove(); }
    hits.children[before]?.querySelector(".hit-title a")?.focus({ preventScroll: true });
    say(`+ ${added.length}`);
  } catch {
    location.assign(link.href);
  }
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("#next");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  showMore(link);
});

// ---------------------------------------------------------------- one step on, in place: this fits, that does not

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-step], a[data-show]");
  if (!link || !document.getElementById("results") || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  show(link.href, { focus: "h1" });
});

// ---------------------------------------------------------------- why this one: the overlay of the item's page, in its card

async function explain(link) {
  const card = link.closest("li");
  const frame = card.querySelector(".frame");
  const old = card.querySelector(".said");
  if (old) { old.remove(); frame.querySelector(".overlay")?.remove(); link.setAttribute("aria-expanded", "false"); return; }
  if (link.getAttribute("aria-busy") === "true") return;
  link.setAttribute("aria-busy", "true");
  try {
    const page = await fetchPage(link.href);
    const said = page.querySelector("#why .said");
    if (!said) { location.assign(link.href); return; }
    const overlay = page.querySelector("img.overlay");
    if (overlay && frame.querySelector("img")) frame.append(document.adoptNode(overlay));
    card.append(document.adoptNode(said));
    link.setAttribute("aria-expanded", "true");
  } catch {
    location.assign(link.href);
  } finally {
    link.removeAttribute("aria-busy");
  }
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-why]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  explain(link);
});

// ---------------------------------------------------------------- a part of a picture: draw a frame over it

let drawn = null;
const isDrawing = () => document.querySelector("details.detail")?.open;

document.addEventListener("pointerdown", (event) => {
  const picture = event.target.closest?.("[data-region]");
  if (!picture || !isDrawing() || event.button !== 0) return;
  event.preventDefault();
  const marquee = document.createElement("span");
  marquee.className = "marquee";
  picture.append(marquee);
  drawn = { picture, marquee, box: picture.getBoundingClientRect(), x: event.clientX, y: event.clientY };
  picture.setPointerCapture(event.pointerId);
});

function shares(event) {
  const { box } = drawn;
  const across = (value) => Math.min(1, Math.max(0, (value - box.left) / box.width));
  const down = (value) => Math.min(1, Math.max(0, (value - box.top) / box.height));
  const [left, right] = [across(drawn.x), across(event.clientX)].sort((a, b) => a - b);
  const [top, bottom] = [down(drawn.y), down(event.clientY)].sort((a, b) => a - b);
  return [left, top, right - left, bottom - top];
}

document.addEventListener("pointermove", (event) => {
  if (!drawn) return;
  const [left, top, width, height] = shares(event).map((share) => `${100 * share}%`);
  Object.assign(drawn.marquee.style, { left, top, width, height });
});

document.addEventListener("pointerup", (event) => {
  if (!drawn) return;
  const part = shares(event);
  const key = drawn.picture.dataset.region;
  drawn.marquee.remove();
  drawn = null;
  if (part[2] > 0.03 && part[3] > 0.03) location.assign(`${document.body.dataset.root}/search?region=${key}:${part.map((share) => share.toFixed(4)).join(",")}`);
});

document.addEventListener("pointercancel", () => { drawn?.marquee.remove(); drawn = null; });

// While a frame can be drawn, a click on the picture draws and does not open it.
document.addEventListener("click", (event) => {
  if (event.target.closest?.("[data-region]") && isDrawing()) event.preventDefault();
});
document.addEventListener("dragstart", (event) => {
  if (event.target.closest?.("[data-region]") && isDrawing()) event.preventDefault();
});

// ---------------------------------------------------------------- copying

async function copy(button) {
  const text = button.dataset.copyText ?? document.querySelector(button.dataset.copy).textContent;
  try {
    await navigator.clipboard.writeText(text.trim());
  } catch {
    return;
  }
  const before = button.textContent;
  button.textContent = button.dataset.done;
  say(button.dataset.done);
  setTimeout(() => { button.textContent = before; }, 2000);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button[data-copy], button[data-copy-text]");
  if (button) copy(button);
});

// ---------------------------------------------------------------- searching with a picture

function searchWith(files) {
  const form = document.querySelector(".by-image form");
  const image = [...files].find((file) => file.type.startsWith("image/"));
  if (!form || !image) return;
  const field = form.querySelector("input[type=file]");
  const carrier = new DataTransfer();
  carrier.items.add(image);
  field.files = carrier.files;
  form.requestSubmit();
}

const carriesFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
let depth = 0;
document.addEventListener("dragenter", (event) => { if (carriesFile(event) && document.querySelector(".by-image")) { depth += 1; document.body.classList.add("dropping"); } });
document.addEventListener("dragleave", (event) => { if (carriesFile(event) && --depth <= 0) { depth = 0; document.body.classList.remove("dropping"); } });
document.addEventListener("dragover", (event) => { if (carriesFile(event)) event.preventDefault(); });
document.addEventListener("drop", (event) => {
  if (!carriesFile(event)) return;
  event.preventDefault();
  depth = 0;
  document.body.classList.remove("dropping");
  searchWith(event.dataTransfer.files);
});
document.addEventListener("paste", (event) => {
  if (event.clipboardData?.files.length) searchWith(event.clipboardData.files);
});
document.addEventListener("change", (event) => {
  if (event.target.matches?.(".by-image input[type=file]") && event.target.files.length) event.target.form.requestSubmit();
});

// ---------------------------------------------------------------- keyboard

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest?.("input, textarea, select, [contenteditable]");
  if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    const box = document.getElementById("q");
    box?.focus();
    box?.select();
  }
});

// ---------------------------------------------------------------- completion while typing
// The editable combobox of the ARIA Authoring Practices: the focus stays in the field, the arrows choose from a list.

function completing(field) {
  const list = document.createElement("ul");
  const kinds = JSON.parse(field.dataset.kinds);
  let request = null, timer = 0, active = -1, typed = "";
  Object.assign(list, { id: "completions", className: "completions", hidden: true });
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", field.dataset.list);
  field.form.append(list);
  for (const [name, value] of [["role", "combobox"], ["aria-autocomplete", "list"], ["aria-expanded", "false"],
    ["aria-controls", list.id], ["aria-haspopup", "listbox"]]) field.setAttribute(name, value);

  function close() {
    clearTimeout(timer);
    request?.abort();
    list.hidden = true;
    active = -1;
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  }

  function point(number) {
    list.children[active]?.setAttribute("aria-selected", "false");
    active = number;
    const option = list.children[active];
    field.value = option ? option.firstChild.textContent : typed;
    if (!option) { field.removeAttribute("aria-activedescendant"); return; }
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    field.setAttribute("aria-activedescendant", option.id);
  }

  function option({ text, kind, language }, number) {
    const item = document.createElement("li");
    item.id = `completion-${number}`;
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", "false");
    for (const [content, tag] of [[text, language], [kinds[kind] ?? "", null]]) {
      const part = document.createElement("span");
      part.textContent = content;
      if (tag) part.lang = tag;
      item.append(part);
    }
    return item;
  }

  async function ask() {
    typed = field.value;
    request?.abort();
    if (typed.trim().length < 2 && !/[^\u0000-\u024f]/.test(typed)) { close(); return; }
    request = new AbortController();
    const body = JSON.stringify({ q: typed.slice(0, 200), language: document.documentElement.lang });
    try {
      const answer = await fetch(field.dataset.complete, { method: "POST", body, signal: request.signal,
        cache: "no-store", referrerPolicy: "no-referrer", headers: { "Content-Type": "application/json" } });
      if (!answer.ok) { close(); return; }
      const { completions } = await answer.json();
      if (field.value !== typed || document.activeElement !== field) return;
      active = -1;
      field.removeAttribute("aria-activedescendant");
      list.replaceChildren(...completions.map(option));
      list.hidden = completions.length === 0;
      field.setAttribute("aria-expanded", String(!list.hidden));
    } catch {
      // Stopped by the next letter, or the service is not reached: the field is a field all the same.
    }
  }

  field.addEventListener("input", (event) => {
    clearTimeout(timer);
    if (!event.isComposing) timer = setTimeout(ask, 80);
  });
  field.addEventListener("compositionend", () => { timer = setTimeout(ask, 80); });
  field.addEventListener("keydown", (event) => {
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (event.isComposing) return;
    if (event.key in steps && list.hidden) { event.preventDefault(); ask(); return; }
    if (list.hidden) return;
    if (event.key in steps) {
      event.preventDefault();
      const places = list.children.length + 1;
      point((active + 1 + steps[event.key] + places) % places - 1);
    } else if (event.key === "Escape") {
      event.preventDefault();
      point(-1);
      close();
    } else if (event.key === "Tab") close();
  });
  field.addEventListener("blur", close);
  field.form.addEventListener("submit", close);
  list.addEventListener("pointerdown", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    const chosen = event.target.closest("li");
    if (!chosen) return;
    field.value = chosen.firstChild.textContent;
    field.form.requestSubmit();
  });
}

for (const field of document.querySelectorAll("input[data-complete]")) completing(field);

// ---------------------------------------------------------------- once per content

function enrich(root) {
  // Browsers give the clipboard to pages on https and on this machine only.
  if (!navigator.clipboard) for (const button of root.querySelectorAll("button[data-copy], button[data-copy-text]")) button.hidden = true;
  const next = root.querySelector("#next");
  if (next) next.textContent = next.dataset.more;
}

enrich(document);
