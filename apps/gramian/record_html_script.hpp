// The two scripts of a recording's page: what a canvas shows of one pane at one instant, and the player around it.
// Used by record_html.cpp only.
#pragma once

#include <string_view>

namespace gramian::app {

/// Decodes the data and draws: `scene(canvas, pane, episode, step)`, `chart(canvas, kind, pane, episode, step)`.
inline constexpr std::string_view kSceneScript = R"page("use strict";
const recording = JSON.parse(document.getElementById("data").textContent);
function decode(pane) {
  pane.steps = pane.x.length;
  pane.x = pane.x.map(v => v / 1000);
  pane.theta = pane.theta.map(v => v / 1000);
  pane.force = pane.action.map(v => v / 100);
  let sum = 0;
  pane.return = pane.reward.map(v => (sum += v) / 1000);
  pane.angle = pane.theta.map(v => Math.abs(v) * 180 / Math.PI);
}
recording.references.forEach(decode);
/// What a pane is compared with: a reference of its own, or the first pane.
const rivalOf = (pane, episode) => recording.references[pane.reference] || episode.panes[0];
for (const episode of recording.episodes) {
  episode.panes.forEach(decode);
  episode.steps = Math.max(1, ...episode.panes.map(p => p.steps));
  const totals = [...episode.panes, ...recording.references].map(p => p.total);
  episode.worst = Math.min(0, ...totals);
  episode.best = Math.max(episode.worst + 1e-9, ...totals);
  if (episode.worst < 0) episode.best = 0; // costs: the best is none
}
// One scale for all episodes, so that their poles compare. Metres from the centre that a scene must show:
const reach = {
  x: Math.max(0.1, ...recording.episodes.map(e => e.track)) + 0.45,
  y: Math.max(0.1, ...recording.episodes.map(e => 2 * e.halfLength)) + 0.2 };

let inks = {};
function readInks() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["text", "muted", "hair", "rail", "cart", "card", "warn",
      "ink-0", "ink-1", "ink-2", "ink-3", "ink-4", "ink-5"]) inks[name] = style.getPropertyValue("--" + name).trim();
}

const lastStep = (pane, step) => Math.max(0, Math.min(Math.floor(step + 1e-6), pane.steps - 1));
const hasEnded = (pane, step) => step > pane.steps - 1 + 1e-6;

/// Cart and pole at a fractional step, turned the short way round.
function poseAt(pane, step) {
  if (pane.steps === 0) return { x: 0, theta: 0, force: 0 };
  const place = Math.max(0, Math.min(step, pane.steps - 1));
  const k = Math.floor(place), next = Math.min(k + 1, pane.steps - 1), part = place - k;
  let turn = pane.theta[next] - pane.theta[k];
  turn -= 2 * Math.PI * Math.round(turn / (2 * Math.PI));
  return { x: pane.x[k] + part * (pane.x[next] - pane.x[k]), theta: pane.theta[k] + part * turn, force: pane.force[k] };
}

/// The canvas cleared, its unit one CSS pixel at the display's own resolution.
function fresh(canvas) {
  const width = canvas.clientWidth, height = canvas.clientHeight, ratio = window.devicePixelRatio || 1;
  const w = Math.round(width * ratio), h = Math.round(height * ratio);
  if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
  const g = canvas.getContext("2d");
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, width, height);
  g.lineCap = "round";
  g.lineJoin = "round";
  return { g, width, height };
}

function stroke(g, ink, width, points) {
  g.strokeStyle = ink;
  g.lineWidth = width;
  g.beginPath();
  points.forEach(([x, y], i) => i ? g.lineTo(x, y) : g.moveTo(x, y));
  g.stroke();
}

function disc(g, ink, x, y, radius) {
  g.fillStyle = ink;
  g.beginPath();
  g.arc(x, y, radius, 0, 2 * Math.PI);
  g.fill();
}

function drawTrack(g, at, track) {
  const y = at(0, -0.24)[1];
  stroke(g, inks.rail, 2, [[at(-track, 0)[0], y], [at(track, 0)[0], y]]);
  for (const side of [-track, track]) stroke(g, inks.rail, 3, [[at(side, 0)[0], y - 12], [at(side, 0)[0], y]]);
  for (let metre = -Math.floor(track); metre <= track; ++metre) {
    stroke(g, inks.rail, 1, [[at(metre, 0)[0], y], [at(metre, 0)[0], y + (metre ? 4 : 8)]]);
  }
}

/// Where the tip was during the last 0.7 s.
function drawTrail(g, at, pane, step, tip, ink) {
  const span = 0.7 / recording.period, first = Math.max(0, step - span), last = Math.min(step, pane.steps - 1);
  let before = null;
  g.lineCap = "butt"; // round ends would overlap and dot the faint line
  for (let s = first; ; s = Math.min(s + 1, last)) {
    const here = at(...tip(poseAt(pane, s)));
    g.globalAlpha = 0.5 * Math.max(0, 1 - (step - s) / span);
    if (before) stroke(g, ink, 2.5, [before, here]);
    before = here;
    if (s >= last) break;
  }
  g.lineCap = "round";
  g.globalAlpha = 1;
}

function drawForce(g, at, pose, scale) {
  if (Math.abs(pose.force) < 0.05) return;
  const side = Math.sign(pose.force), [x, y] = at(pose.x + side * 0.38, 0);
  const end = x + pose.force * 0.75 * scale, head = side * Math.min(6, Math.abs(end - x));
  stroke(g, inks.muted, 2, [[x, y], [end, y]]);
  stroke(g, inks.muted, 2, [[end - head, y - 4], [end, y], [end - head, y + 4]]);
}

function drawCart(g, at, pose, scale) {
  const [left, top] = at(pose.x - 0.3, 0.14);
  g.fillStyle = inks.cart;
  g.beginPath();
  g.roundRect(left, top, 0.6 * scale, 0.27 * scale, 0.06 * scale);
  g.fill();
  for (const wheel of [-0.17, 0.17]) disc(g, inks.cart, ...at(pose.x + wheel, -0.15), 0.085 * scale);
}

function scene(canvas, pane, episode, step, ink) {
  const { g, width, height } = fresh(canvas);
  const scale = Math.min(width / (2 * reach.x), height / (2 * reach.y));
  const at = (x, y) => [width / 2 + x * scale, height / 2 - y * scale];
  const pole = 2 * episode.halfLength, pose = poseAt(pane, step), isEnded = hasEnded(pane, step);
  const tip = p => [p.x + pole * Math.sin(p.theta), pole * Math.cos(p.theta)];
  if (episode.track > 0) drawTrack(g, at, episode.track);
  if (pane.steps === 0) return;
  const rival = recording.references[pane.reference], thickness = Math.max(3, 0.09 * scale);
  if (rival) {
    const beside = poseAt(rival, step);
    g.globalAlpha = 0.3;
    stroke(g, inks.muted, thickness, [at(beside.x, 0), at(...tip(beside))]);
    g.globalAlpha = 1;
  }
  drawTrail(g, at, pane, step, tip, ink);
  if (isEnded) g.globalAlpha = 0.4; else drawForce(g, at, pose, scale);
  if (episode.track > 0) drawCart(g, at, pose, scale); else disc(g, inks.cart, ...at(0, 0), 0.1 * scale);
  stroke(g, ink, thickness, [at(pose.x, 0), at(...tip(pose))]);
  disc(g, ink, ...at(...tip(pose)), thickness * 0.95);
  disc(g, inks.card, ...at(pose.x, 0), Math.max(1.5, thickness * 0.3));
  g.globalAlpha = 1;
  if (isEnded) {
    const [x, y] = at(pose.x, 0), arm = 7;
    stroke(g, inks.warn, 2.5, [[x - arm, y - arm], [x + arm, y + arm]]);
    stroke(g, inks.warn, 2.5, [[x - arm, y + arm], [x + arm, y - arm]]);
  }
}

/// A quantity over the episode: the past strong, the future faint, the teacher (first pane) beneath.
function chart(canvas, kind, pane, episode, step, ink) {
  const { g, width, height } = fresh(canvas), left = 34, top = 6, bottom = height - 7;
  const [low, high, marks] = {
    angle: [180, 0, [[0, "0°"], [90, "90°"], [180, "180°"]]],
    return: [episode.worst, episode.best, [[0, "0"], ...[episode.worst, episode.best].filter(v => v).map(v => [v, v.toFixed(0)])]],
    force: [-1, 1, [[1, "1"], [0, "0"], [-1, "−1"]]] }[kind];
  const across = s => left + (width - left - 3) * s / Math.max(1, episode.steps - 1);
  const up = v => bottom - (bottom - top) * (v - low) / (high - low);
  g.font = "11px system-ui, sans-serif";
  g.textAlign = "right";
  g.textBaseline = "middle";
  for (const [value, text] of marks) {
    stroke(g, inks.hair, 1, [[left, up(value)], [width, up(value)]]);
    g.fillStyle = inks.muted;
    g.fillText(text, left - 6, up(value));
  }
  const trace = (values, from, to) => {
    const points = [];
    for (let k = from; k <= to; ++k) points.push([across(k), up(values[k])]);
    return points;
  };
  const teacher = rivalOf(pane, episode), now = lastStep(pane, step);
  if (teacher !== pane) {
    g.globalAlpha = 0.6;
    stroke(g, inks.muted, 1, trace(teacher[kind], 0, teacher.steps - 1));
  }
  g.globalAlpha = 0.3;
  stroke(g, ink, 1.5, trace(pane[kind], now, pane.steps - 1));
  g.globalAlpha = 1;
  stroke(g, ink, 2, trace(pane[kind], 0, pane.steps ? now : -1));
  stroke(g, inks.muted, 1, [[across(step), top - 4], [across(step), bottom + 4]]);
  if (pane.steps) disc(g, hasEnded(pane, step) ? inks.warn : ink, across(now), up(pane[kind][now]), 3);
}
)page";

/// Controls, keys, time and the table of returns. #episode=2&t=3.5&chart=return opens the page at an instant.
inline constexpr std::string_view kPlayerScript = R"page(
const $ = id => document.getElementById(id);
const make = (parent, tag, attributes = {}, text = "") => {
  const element = parent.appendChild(document.createElement(tag));
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text) element.textContent = text;
  return element;
};
const number = value => value === null ? "–" : value.toFixed(1);
const share = value => value === null ? "–" : value.toFixed(2);
const nameOf = (one, i) => one.name || `Episode ${i + 1}`;
/// Where a return stands between the worst and the best of the episode, in percent.
const percent = (one, sum) => 100 * Math.max(0, Math.min(1, (sum - one.worst) / (one.best - one.worst)));
const inkOf = i => "ink-" + (i + (recording.references.length ? 1 : 0)) % 6; // grey is the teacher's
const timeOf = step => (step + 1) * recording.period;

let index = 0, step = 0, isPlaying = false, before = 0, views = [];
const episode = () => recording.episodes[index];

function makePanes() {
  $("panes").replaceChildren();
  $("panes").style.setProperty("--columns", Math.min(4, episode().panes.length));
  views = episode().panes.map((pane, i) => {
    const card = make($("panes"), "article", { class: "pane", style: `--ink: var(--${inkOf(i)})` });
    make(card, "h2", {}, pane.label);
    const view = { pane, ink: inkOf(i) };
    const stage = make(card, "div", { class: "stage" });
    view.scene = make(stage, "canvas", { class: "scene", role: "img" });
    view.ended = make(stage, "span", { class: "ended" });
    const now = make(card, "div", { class: "now" });
    view.now = make(now, "b");
    make(now, "span", {}, "return");
    const gauge = make(card, "div", { class: "gauge", "aria-hidden": "true" });
    view.gauge = make(gauge, "i");
    make(gauge, "s", { style: `left: calc(${percent(episode(), pane.total)}% - 2px)` });
    const final = make(card, "p", { class: "final" }, "final ");
    make(final, "b", {}, number(pane.total));
    const rival = rivalOf(pane, episode());
    if (rival !== pane) {
      final.append(pane.ratio === null ? ` · ${rival.label} ${number(rival.total)}` : ` · ${share(pane.ratio)} of ${rival.label}`);
    }
    view.chart = make(card, "canvas", { class: "chart", role: "img" });
    view.chart.addEventListener("pointerdown", event => {
      view.chart.setPointerCapture(event.pointerId);
      pick(event);
    });
    view.chart.addEventListener("pointermove", event => { if (event.buttons) pick(event); });
    return view;
  });
}

/// The instant under the pointer in a chart.
function pick(event) {
  const box = event.currentTarget.getBoundingClientRect();
  seek((event.clientX - box.left - 34) / (box.width - 37) * (episode().steps - 1));
}

function draw() {
  for (const { pane, ink, scene: picture, chart: strip, now, ended, gauge } of views) {
    scene(picture, pane, episode(), step, inks[ink]);
    chart(strip, $("chart").value, pane, episode(), step, inks[ink]);
    const sum = hasEnded(pane, step) || step >= pane.steps - 1 ? pane.total : pane.return[lastStep(pane, step)];
    now.textContent = number(sum);
    gauge.style.width = percent(episode(), sum) + "%";
    ended.textContent = hasEnded(pane, step) ? `left the track at ${timeOf(pane.steps - 1).toFixed(2)} s` : "";
  }
  const clock = `${timeOf(Math.floor(step + 1e-6)).toFixed(2)} s of ${timeOf(episode().steps - 1).toFixed(2)} s`;
  $("clock").textContent = clock;
  $("scrubber").value = Math.round(step);
  $("scrubber").setAttribute("aria-valuetext", clock);
}

/// What a picture says to someone who cannot see it; renewed at rest only, not sixty times a second.
function describe() {
  for (const { pane, scene: picture, chart: strip } of views) {
    if (pane.steps === 0) continue;
    const k = lastStep(pane, step), side = pane.theta[k] < 0 ? "left" : "right";
    picture.setAttribute("aria-label", `${pane.label}: cart ${pane.x[k].toFixed(2)} m from the centre, pole ` +
      `${pane.angle[k].toFixed(0)} degrees from upright to the ${side}, return ${number(pane.return[k])}`);
    strip.setAttribute("aria-label", `${pane.label}: ${$("chart").selectedOptions[0].text} over time`);
  }
}

function show() {
  draw();
  $("play").textContent = isPlaying ? "Pause" : step >= episode().steps - 1 ? "Replay" : "Play";
  if (!isPlaying) describe();
}

function seek(to) { step = Math.max(0, Math.min(to, episode().steps - 1)); show(); }

function setPlaying(value) {
  if (value && step >= episode().steps - 1) step = 0;
  isPlaying = value;
  before = performance.now();
  if (isPlaying) requestAnimationFrame(advance);
  show();
}

function advance(time) {
  if (!isPlaying) return;
  step += Math.max(0, time - before) / 1000 / recording.period * Number($("speed").value);
  before = time;
  if (step < episode().steps - 1) { draw(); requestAnimationFrame(advance); return; }
  if (recording.variable && index < recording.episodes.length - 1) { // from start to end of what changes
    choose(index + 1);
    requestAnimationFrame(advance);
    return;
  }
  step = episode().steps - 1;
  setPlaying(false);
}

/// The figure over what changes; its points stand above those of the slider.
function drawCurve() {
  const { values, scores, reference } = recording.variable;
  const { g, width, height } = fresh($("curve")), left = 52, right = 8, top = 12, bottom = height - 20;
  const low = Math.min(0, reference, ...scores), high = Math.max(0, reference, ...scores);
  const across = i => left + (width - left - right) * i / Math.max(1, values.length - 1);
  const up = v => bottom - (bottom - top) * (v - low) / Math.max(1e-9, high - low);
  g.font = "11px system-ui, sans-serif";
  g.textBaseline = "middle";
  g.textAlign = "right";
  g.fillStyle = inks.muted;
  const third = (high - low) / 3 || 1, ten = 10 ** Math.floor(Math.log10(third));
  const unit = ten * [1, 2, 5, 10].find(factor => factor * ten >= third);
  for (let mark = Math.ceil(low / unit); mark * unit <= high; ++mark) {
    stroke(g, inks.hair, 1, [[left, up(mark * unit)], [width - right, up(mark * unit)]]);
    g.fillText(`${Number((mark * unit).toPrecision(6))}`, left - 8, up(mark * unit));
  }
  g.textAlign = "center";
  values.forEach((value, i) => g.fillText(value, Math.min(across(i), width - 14), height - 7));
  g.setLineDash([5, 4]);
  stroke(g, inks.muted, 1.5, [[left, up(reference)], [width - right, up(reference)]]);
  g.setLineDash([]);
  stroke(g, inks["ink-1"], 2.5, scores.map((score, i) => [across(i), up(score)]));
  scores.forEach((score, i) => disc(g, inks["ink-1"], across(i), up(score), i === index ? 7 : 4));
  disc(g, inks.card, across(index), up(scores[index]), 3);
  $("curve").setAttribute("aria-label", scores.map((score, i) => `${values[i]}: ${score.toFixed(1)}`).join(", "));
  const score = $("score");
  score.replaceChildren(recording.variable.figure + " ");
  make(score, "b", {}, number(scores[index]));
  score.append(`, teacher ${number(reference)} (dashed)`);
}

function choose(which) {
  index = Math.max(0, Math.min(which, recording.episodes.length - 1));
  $("episode").value = index;
  $("caption").textContent = episode().caption;
  if (recording.variable) {
    $("value").value = index;
    $("variable").querySelector("output").textContent = recording.variable.values[index];
    $("value").ariaValueText = nameOf(episode(), index);
    drawCurve();
  }
  $("scrubber").max = episode().steps - 1;
  $("previous").disabled = index === 0;
  $("next").disabled = index === recording.episodes.length - 1;
  document.querySelectorAll("#returns tbody tr").forEach((row, i) => {
    if (i === index) row.setAttribute("aria-current", "true"); else row.removeAttribute("aria-current");
  });
  makePanes();
  seek(0);
}

/// Another episode at the same instant: what a slider is for.
function slide(which) {
  const at = step;
  choose(which);
  seek(at);
}

/// A number, and beside it what is known of its share of the teacher's.
function makeCell(row, value, part) {
  const cell = make(row, "td", {}, number(value));
  if (part !== undefined) make(cell, "small", {}, share(part));
}

function makeTable() {
  const episodes = recording.episodes, variable = recording.variable, head = make(make($("returns"), "thead"), "tr");
  const body = make($("returns"), "tbody"), mean = values => values.reduce((a, b) => a + b, 0) / values.length;
  const hasShares = episodes.some(one => one.panes.some(pane => pane.ratio !== null));
  if (!hasShares) $("returns").caption.textContent = "Return of each episode";
  make(head, "th", { scope: "col" }, variable ? variable.name : "Episode");
  if (variable) make(head, "th", { scope: "col" }, variable.figure);
  for (const pane of episodes[0].panes) make(head, "th", { scope: "col" }, pane.label);
  episodes.forEach((one, i) => {
    const row = make(body, "tr"), name = make(row, "th", { scope: "row" });
    make(name, "button", { type: "button" }, nameOf(one, i)).addEventListener("click", () => choose(i));
    if (one.caption) make(name, "small", {}, one.caption);
    if (variable) makeCell(row, variable.scores[i]);
    for (const pane of one.panes) makeCell(row, pane.total, hasShares ? pane.ratio : undefined);
  });
  if (episodes.length < 2) return;
  const row = make(make($("returns"), "tfoot"), "tr");
  make(row, "th", { scope: "row" }, variable ? "Teacher" : "Mean");
  if (variable) {
    makeCell(row, variable.reference);
    for (const pane of episodes[0].panes) makeCell(row, rivalOf(pane, episodes[0]).total);
    return;
  }
  episodes[0].panes.forEach((pane, i) => {
    const all = episodes.map(e => e.panes[i]).filter(Boolean), shares = all.map(p => p.ratio);
    makeCell(row, mean(all.map(p => p.total)), shares.includes(null) ? null : mean(shares));
  });
}

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.tagName === "SELECT") return;
  if (event.key === " " && event.target.tagName === "BUTTON") return;
  const jump = (event.shiftKey ? 1 : 0.1) / recording.period;
  const actions = {
    " ": () => setPlaying(!isPlaying), ArrowLeft: () => seek(step - jump), ArrowRight: () => seek(step + jump),
    ",": () => seek(Math.ceil(step) - 1), ".": () => seek(Math.floor(step) + 1), Home: () => seek(0),
    End: () => seek(episode().steps - 1), ArrowUp: () => choose(index - 1), ArrowDown: () => choose(index + 1) };
  if (!actions[event.key]) return;
  event.preventDefault();
  actions[event.key]();
}

function start() {
  if (!recording.episodes.length) { $("caption").textContent = "This recording holds no episode."; return; }
  recording.episodes.forEach((one, i) =>
    make($("episode"), "option", { value: i }, one.name || `Episode ${i + 1} of ${recording.episodes.length}`));
  if (recording.variable) {
    $("variable").hidden = false;
    $("episodes").hidden = true;
    $("unit").textContent = $("variable").querySelector("label").textContent = recording.variable.name;
    $("value").max = recording.episodes.length - 1;
    $("value").addEventListener("input", () => slide(Number($("value").value)));
    $("curve").addEventListener("click", event => {
      const box = $("curve").getBoundingClientRect();
      slide(Math.round((event.clientX - box.left - 52) / (box.width - 60) * (recording.episodes.length - 1)));
    });
    new ResizeObserver(drawCurve).observe($("curve"));
  }
  const wish = new URLSearchParams(location.hash.slice(1));
  if (["angle", "return", "force"].includes(wish.get("chart"))) $("chart").value = wish.get("chart");
  $("panes").style.setProperty("--aspect", Math.max(1.2, Math.min(2.6, reach.x / reach.y)));
  readInks();
  makeTable();
  choose((parseInt(wish.get("episode")) || 1) - 1);
  $("legend").textContent = recording.references.length ? "grey: the teacher from the same start"
    : `grey line in a chart: ${episode().panes[0]?.label ?? ""}`;
  $("play").addEventListener("click", () => setPlaying(!isPlaying));
  $("scrubber").addEventListener("input", () => seek(Number($("scrubber").value)));
  $("episode").addEventListener("change", () => choose(Number($("episode").value)));
  $("previous").addEventListener("click", () => choose(index - 1));
  $("next").addEventListener("click", () => choose(index + 1));
  $("chart").addEventListener("change", show);
  document.addEventListener("keydown", onKey);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    readInks();
    if (recording.variable) drawCurve();
    show();
  });
  new ResizeObserver(show).observe($("panes"));
  if (wish.has("t")) seek(Number(wish.get("t")) / recording.period - 1 || 0);
  else setPlaying(!matchMedia("(prefers-reduced-motion: reduce)").matches);
}
start();
)page";

} // namespace gramian::app
