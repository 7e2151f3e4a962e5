"use strict";
// Edits the kinds and boxes of pages, and downloads corrections.jsonl: the pages that are changed here, and those that
// were corrected before, as they were.
const SVG = "http://www.w3.org/2000/svg";
const bar = document.getElementById("bar");
const draw = document.getElementById("draw");
const state = document.getElementById("state");
bar.hidden = false;

function choice(template, value) {
  const select = document.getElementById(template).content.firstElementChild.cloneNode(true);
  select.value = value;
  return select;
}

function changed(page) {
  page.classList.add("changed");
  const count = document.querySelectorAll(".sheet > .changed").length;
  state.textContent = count === 1 ? "1 page is changed" : `${count} pages are changed`;
}

function listBox(page, rect, row) {
  const select = choice("box-kinds", rect.getAttribute("class"));
  row.querySelector(".kind").replaceChildren(select);
  // Of many boxes, the one is drawn thick whose row has the pointer or the focus.
  for (const [event, on] of [["pointerenter", true], ["focusin", true], ["pointerleave", false], ["focusout", false]]) {
    row.addEventListener(event, () => rect.toggleAttribute("data-now", on));
  }
  rect.addEventListener("click", () => select.focus());
  select.addEventListener("change", () => {
    rect.setAttribute("class", select.value);
    rect.style.display = select.value ? "" : "none";
    row.querySelector(".swatch").className = `swatch ${select.value}`;
    changed(page);
  });
}

function addBox(page, box) {
  const kind = document.getElementById("new-kind").value;
  const rect = document.createElementNS(SVG, "rect");
  rect.setAttribute("class", kind);
  const row = document.createElement("li");
  row.className = "box";
  row.innerHTML = '<span class="swatch"></span><span class="kind"></span>';
  row.querySelector(".swatch").classList.add(kind);
  page.querySelector(".page svg:last-child").append(rect);
  page.querySelector(".rows").append(row);
  place(rect, box);
  listBox(page, rect, row);
  return rect;
}

function place(rect, [left, top, right, bottom]) {
  rect.dataset.box = [left, top, right, bottom].map((share) => share.toFixed(5)).join(" ");
  rect.setAttribute("x", left);
  rect.setAttribute("y", top);
  rect.setAttribute("width", right - left);
  rect.setAttribute("height", bottom - top);
}

function correctedBox(rect) {
  const box = { kind: rect.getAttribute("class"), box: rect.dataset.box.split(" ").map(Number) };
  // A box that was drawn here has none.
  const tilt = Number(rect.dataset.tilt || 0);
  return tilt ? { ...box, tilt } : box;
}

function pointOn(svg, event) {
  const area = svg.getBoundingClientRect();
  const clamp = (share) => Math.min(1, Math.max(0, share));
  return [clamp((event.clientX - area.left) / area.width), clamp((event.clientY - area.top) / area.height)];
}

for (const page of document.querySelectorAll(".sheet > li")) {
  const kind = choice("page-kinds", page.dataset.kind);
  page.querySelector(".rows .kind").replaceChildren(kind);
  kind.addEventListener("change", () => { page.dataset.kind = kind.value; changed(page); });
  const rects = page.querySelectorAll("rect");
  page.querySelectorAll(".rows .box").forEach((row, number) => listBox(page, rects[number], row));
  const svg = page.querySelector(".page svg:last-child");
  let start = null, rect = null;
  svg.addEventListener("pointerdown", (event) => {
    if (draw.getAttribute("aria-pressed") !== "true") return;
    start = pointOn(svg, event);
    rect = null;
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", (event) => {
    if (!start) return;
    const end = pointOn(svg, event);
    const box = [Math.min(start[0], end[0]), Math.min(start[1], end[1]), Math.max(start[0], end[0]), Math.max(start[1], end[1])];
    if (box[2] - box[0] < 0.005 || box[3] - box[1] < 0.005) return;
    rect = rect || addBox(page, box);
    place(rect, box);
    changed(page);
  });
  svg.addEventListener("pointerup", () => { start = null; });
}

draw.addEventListener("click", () => {
  const on = draw.getAttribute("aria-pressed") !== "true";
  draw.setAttribute("aria-pressed", String(on));
  document.body.classList.toggle("drawing", on);
});

document.getElementById("download").addEventListener("click", () => {
  const before = JSON.parse(document.getElementById("corrected").textContent);
  const corrections = new Map(before.map((one) => [one.key, one]));
  for (const page of document.querySelectorAll(".sheet > .changed")) {
    const { key, kind } = page.dataset;
    const boxes = [...page.querySelectorAll("rect")].filter((rect) => rect.getAttribute("class")).map(correctedBox);
    corrections.set(key, { key, kind, boxes });
  }
  const lines = [...corrections.values()].map((one) => JSON.stringify(one));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.map((line) => `${line}\n`).join("")], { type: "application/jsonl" }));
  link.download = "corrections.jsonl";
  link.click();
});
