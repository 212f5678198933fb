"use strict";
const COLOURS = ["#4269d0", "#efb118", "#e0533d", "#3ca97a", "#a463f2", "#3aa7c9", "#d6619f", "#97bb3c", "#9c6b4e", "#6b7d8c", "#c2912e", "#9a9a9a"];
const FULL = 32767, CELLS = 128, SHOWN = 90, REACH = 14;
const byId = (id) => document.getElementById(id);
const canvas = byId("map"), pen = canvas.getContext("2d"), card = byId("card");
const bytes = (id) => Uint8Array.from(atob(byId(id).textContent), (letter) => letter.charCodeAt(0));

async function unpacked(id) {
  const stream = new Blob([bytes(id)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).text();
}

const points = new Int16Array(bytes("data-positions").buffer), codes = bytes("data-codes"), there = bytes("data-there");
const count = codes.length, hasPicture = (at) => (there[at >> 3] >> (7 - (at & 7))) & 1;
let facts, ids = [], titles = [], view = { scale: 1, x: 0, y: 0 }, matching = null, pinned = -1, hidden = new Set();
let groups = [], cells = emptyCells(), sheets = [], waiting = false, width = 1, height = 1;

function emptyCells() {
  return Array.from({ length: CELLS * CELLS }, () => []);
}
function index() {
  cells = emptyCells();
  for (let at = 0; at < count; at++) cells[cell(points[2 * at + 1]) * CELLS + cell(points[2 * at])].push(at);
}
const cell = (value) => Math.min(CELLS - 1, Math.max(0, Math.floor(((value + FULL) / (2 * FULL + 1)) * CELLS)));
const colour = (number) => COLOURS[number === groups.length - 1 ? COLOURS.length - 1 : number];
const unit = () => (Math.min(width, height) / (2 * FULL)) * view.scale;
const toX = (x) => width / 2 + (x - view.x) * unit(), toY = (y) => height / 2 - (y - view.y) * unit();
const fromX = (x) => view.x + (x - width / 2) / unit(), fromY = (y) => view.y - (y - height / 2) / unit();
const shown = (at) => !hidden.has(codes[at]) && (matching === null || matching[at]);

function inside(left, right, low, high, each) {
  for (let row = cell(low); row <= cell(high); row++)
    for (let column = cell(left); column <= cell(right); column++)
      for (const at of cells[row * CELLS + column]) each(at);
}

function sheet(number) {
  if (!sheets[number]) {
    sheets[number] = new Image();
    sheets[number].onload = redraw;
    sheets[number].src = "data:image/webp;base64," + byId("sheet-" + number).textContent;
  }
  return sheets[number].complete && sheets[number].naturalWidth ? sheets[number] : null;
}

function picture(context, at, x, y, side) {
  const area = facts.across * facts.across, number = Math.floor(at / area);
  if (!hasPicture(at) || number >= facts.sheets) return false;
  const from = sheet(number);
  if (!from) return false;
  const place = at % area, edge = facts.side;
  context.drawImage(from, (place % facts.across) * edge, Math.floor(place / facts.across) * edge, edge, edge, x, y, side, side);
  return true;
}

function redraw() {
  if (waiting || !facts) return; // a window may change before the texts are unpacked
  waiting = true;
  requestAnimationFrame(() => { waiting = false; draw(); });
}

function draw() {
  const style = getComputedStyle(document.body), ratio = devicePixelRatio || 1;
  width = canvas.clientWidth; height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const size = Math.min(7, 1.3 * Math.sqrt(view.scale) * (count < 5000 ? 2.5 : 1));
  const visible = [], left = fromX(-20), right = fromX(width + 20), low = fromY(height + 20), high = fromY(-20);
  pen.globalAlpha = 0.25;
  pen.fillStyle = style.getPropertyValue("--line");
  if (matching !== null || hidden.size) inside(left, right, low, high, (at) => {
    if (!shown(at)) pen.fillRect(toX(points[2 * at]) - size / 2, toY(points[2 * at + 1]) - size / 2, size, size);
  });
  pen.globalAlpha = 0.85;
  const whole = view.scale < 1.5;
  for (const [number, members] of groups.entries()) {
    pen.fillStyle = colour(number);
    for (const at of members) {
      const x = points[2 * at], y = points[2 * at + 1];
      if (!whole && (x < left || x > right || y < low || y > high)) continue;
      if (!shown(at)) continue;
      if (visible.length <= 6 * SHOWN) visible.push(at);
      pen.fillRect(toX(x) - size / 2, toY(y) - size / 2, size, size);
    }
  }
  pen.globalAlpha = 1;
  if (visible.length <= 6 * SHOWN) pictures(visible);
  names(style);
  if (pinned >= 0) ring(pinned, style);
}

function pictures(visible) {
  const side = visible.length > 2 * SHOWN ? 32 : 48, taken = [];
  for (const at of visible) {
    const x = toX(points[2 * at]), y = toY(points[2 * at + 1]);
    if (taken.some((spot) => Math.abs(spot[0] - x) < side && Math.abs(spot[1] - y) < side)) continue;
    if (!picture(pen, at, x - side / 2, y - side / 2, side)) continue;
    taken.push([x, y]);
    pen.strokeStyle = colour(codes[at]);
    pen.lineWidth = 1.5;
    pen.strokeRect(x - side / 2, y - side / 2, side, side);
  }
}

function names(style) {
  const level = view.scale < 3 ? 0 : 1, boxes = [];
  pen.font = "600 13px system-ui, sans-serif";
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.lineWidth = 4;
  pen.lineJoin = "round";
  pen.strokeStyle = style.getPropertyValue("--paper");
  pen.fillStyle = style.getPropertyValue("--ink");
  for (const [x, y, name, depth] of facts.clusters) {
    if (depth !== level) continue;
    const half = pen.measureText(name).width / 2 + 4, at = [toX(x), toY(y)];
    if (at[0] < half - 30 || at[0] > width - half + 30 || at[1] < 0 || at[1] > height) continue;
    const place = Math.min(width - half, Math.max(half, at[0]));
    if (boxes.some((box) => Math.abs(box[0] - place) < box[2] + half && Math.abs(box[1] - at[1]) < 18)) continue;
    boxes.push([place, at[1], half]);
    pen.strokeText(name, place, at[1]);
    pen.fillText(name, place, at[1]);
  }
}

function ring(at, style) {
  pen.strokeStyle = style.getPropertyValue("--ink");
  pen.lineWidth = 2;
  pen.beginPath();
  pen.arc(toX(points[2 * at]), toY(points[2 * at + 1]), 12, 0, 2 * Math.PI);
  pen.stroke();
}

function nearest(x, y) {
  let best = -1, least = REACH * REACH;
  inside(fromX(x - REACH), fromX(x + REACH), fromY(y + REACH), fromY(y - REACH), (at) => {
    if (!shown(at)) return;
    const distance = (toX(points[2 * at]) - x) ** 2 + (toY(points[2 * at + 1]) - y) ** 2;
    if (distance < least) { least = distance; best = at; }
  });
  return best;
}

function tell(at) {
  card.hidden = at < 0;
  canvas.style.cursor = at < 0 ? "grab" : "pointer";
  if (at < 0) return;
  const small = card.querySelector("canvas"), context = small.getContext("2d");
  context.clearRect(0, 0, 96, 96);
  small.hidden = !hasPicture(at) || !facts.sheets;
  const show = () => picture(context, at, 0, 0, 96);
  if (!small.hidden && !show()) sheets[Math.floor(at / facts.across ** 2)]?.addEventListener("load", show, { once: true });
  card.querySelector("b").textContent = titles[at];
  card.querySelector("small").textContent = ids[at] + " · " + facts.groups[codes[at]];
  const x = toX(points[2 * at]), y = toY(points[2 * at + 1]);
  card.style.left = Math.max(4, Math.min(width - card.offsetWidth - 4, x + 16)) + "px";
  card.style.top = Math.max(4, Math.min(height - card.offsetHeight - 4, y + 16)) + "px";
}

function zoom(by, x = width / 2, y = height / 2) {
  const before = [fromX(x), fromY(y)];
  if (by === 0) view = { scale: 1, x: 0, y: 0 };
  else {
    view.scale = Math.min(400, Math.max(0.8, view.scale * by));
    view.x += before[0] - fromX(x);
    view.y += before[1] - fromY(y);
  }
  tell(by === 0 ? -1 : pinned);
  redraw();
}

const fingers = new Map();
let moved = 0;
canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, [event.offsetX, event.offsetY]);
  moved = 0;
});
canvas.addEventListener("pointermove", (event) => {
  const last = fingers.get(event.pointerId);
  if (!last) return tell(pinned >= 0 && nearest(event.offsetX, event.offsetY) < 0 ? pinned : nearest(event.offsetX, event.offsetY));
  const now = [event.offsetX, event.offsetY], other = [...fingers.entries()].find(([id]) => id !== event.pointerId)?.[1];
  fingers.set(event.pointerId, now);
  moved += Math.abs(now[0] - last[0]) + Math.abs(now[1] - last[1]);
  if (other) {
    const span = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1;
    zoom(span(now) / span(last), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  } else {
    view.x -= (now[0] - last[0]) / unit();
    view.y += (now[1] - last[1]) / unit();
    tell(-1);
    redraw();
  }
});
for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => {
  fingers.delete(event.pointerId);
  if (name === "pointerup" && moved < 6) {
    pinned = nearest(event.offsetX, event.offsetY);
    tell(pinned);
    redraw();
  }
});
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), event.offsetX, event.offsetY);
}, { passive: false });
canvas.addEventListener("keydown", (event) => {
  const step = 60 / unit(), keys = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
  if (event.key === "+" || event.key === "-") zoom(event.key === "+" ? 1.5 : 1 / 1.5);
  else if (keys[event.key]) { view.x += keys[event.key][0]; view.y += keys[event.key][1]; redraw(); event.preventDefault(); }
});
byId("zoom").addEventListener("click", (event) => {
  if (event.target.dataset.by) zoom(Number(event.target.dataset.by));
});
byId("search").addEventListener("input", (event) => {
  const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
  matching = words.length ? titles.map((title, at) => {
    const text = (title + " " + ids[at]).toLowerCase();
    return words.every((word) => text.includes(word));
  }) : null;
  byId("matches").textContent = matching ? matching.filter(Boolean).length.toLocaleString("en") + " products" : "near ones are alike";
  redraw();
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-place]");
  if (!button) return;
  pinned = Number(button.dataset.place);
  view = { scale: Math.max(view.scale, 25), x: points[2 * pinned], y: points[2 * pinned + 1] };
  byId("map").scrollIntoView({ block: "nearest" });
  draw();
  tell(pinned);
});
addEventListener("resize", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

async function start() {
  facts = JSON.parse(await unpacked("data-facts"));
  const lines = (await unpacked("data-texts")).split("\n");
  for (const line of lines) {
    const [id, title] = line.split("\t");
    ids.push(id);
    titles.push(title);
  }
  groups = facts.groups.map(() => []);
  for (let at = 0; at < count; at++) groups[codes[at]].push(at);
  for (const [number, name] of facts.groups.entries()) {
    if (!groups[number].length) continue;
    const item = document.createElement("li"), button = document.createElement("button"), dot = document.createElement("span"), size = document.createElement("small");
    dot.className = "dot";
    dot.style.background = colour(number);
    size.textContent = " " + groups[number].length.toLocaleString("en");
    button.type = "button";
    button.setAttribute("aria-pressed", "true");
    button.append(dot, name, size);
    button.addEventListener("click", () => {
      hidden.has(number) ? hidden.delete(number) : hidden.add(number);
      button.setAttribute("aria-pressed", String(!hidden.has(number)));
      redraw();
    });
    item.append(button);
    byId("groups").append(item);
  }
  index();
  draw();
  const wanted = new URLSearchParams(location.hash.slice(1));
  if (wanted.has("place")) document.querySelector(`[data-place="${Number(wanted.get("place"))}"]`)?.click();
  if (wanted.has("zoom")) zoom(Number(wanted.get("zoom")));
  document.body.dataset.ready = "true";
}
start();
