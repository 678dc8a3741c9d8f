// The frame and the style of a recording's page; record_html.cpp fills the names between at signs.
// The page loads nothing: its policy forbids every request.
#pragma once

#include <string_view>

namespace gramian::app {

inline constexpr std::string_view kPage = R"page(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>@title@</title>
<style>@style@</style>
</head>
<body>
<header>
<h1>@title@</h1>
<p>@subtitle@</p>
</header>
<main>
<noscript><p>The player needs JavaScript; the data stand in this file as JSON.</p></noscript>
<section aria-label="Player">
<div id="variable" hidden><p><label for="value"></label> <output for="value"></output> <span id="score"></span></p>
<canvas id="curve" role="img"></canvas><input id="value" type="range" min="0" value="0" step="1"></div>
<div class="bar" id="episodes">
<span class="group"><button id="previous" type="button" aria-label="Previous episode">‹</button><select id="episode"
 aria-label="Episode"></select><button id="next" type="button" aria-label="Next episode">›</button></span>
<p id="caption"></p>
</div>
<div id="panes"></div>
<div class="bar transport">
<button id="play" type="button">Play</button>
<input id="scrubber" type="range" min="0" value="0" step="1" aria-label="Time">
<span id="clock"></span>
<label>Speed <select id="speed">
<option value="0.1">0.1×</option><option value="0.25">0.25×</option><option value="0.5">0.5×</option>
<option value="1" selected>1×</option><option value="2">2×</option><option value="4">4×</option></select></label>
<label>Chart <select id="chart">
<option value="angle">angle from upright</option><option value="return">return</option>
<option value="force">force</option></select></label>
</div>
<p class="keys"><span><kbd>space</kbd> play or pause</span> <span><kbd>←</kbd> <kbd>→</kbd> 0.1 s, with <kbd>shift</kbd> 1 s</span>
<span><kbd>,</kbd> <kbd>.</kbd> one step</span> <span><kbd>↑</kbd> <kbd>↓</kbd> <i id="unit">episode</i></span>
<span id="legend"></span></p>
</section>
<section>
<table id="returns"><caption>Return of each episode, and its share of the teacher’s</caption></table>
</section>
</main>
<script type="application/json" id="data">@data@</script>
<script>@scene@@player@</script>
</body>
</html>
)page";

inline constexpr std::string_view kPageStyle = R"page(
:root { --page: #ffffff; --card: #f6f7f9; --text: #1c2228; --muted: #5a6570; --hair: #d9dee3; --rail: #9aa5b0;
  --cart: #36424e; --accent: #0a62b0; --warn: #b3261e;
  --ink-0: #66727e; --ink-1: #0a6ebd; --ink-2: #c25a08; --ink-3: #14804f; --ink-4: #8a4bb0; --ink-5: #a83a63; }
@media (prefers-color-scheme: dark) {
:root { --page: #12161a; --card: #1a2026; --text: #e4e8ec; --muted: #9aa6b2; --hair: #2d363f; --rail: #596672;
  --cart: #b9c3cd; --accent: #6cb6f5; --warn: #ff8a80;
  --ink-0: #a3afba; --ink-1: #56acf2; --ink-2: #f0944a; --ink-3: #4fc78c; --ink-4: #c591e6; --ink-5: #ec86ac; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1240px; padding: 24px 20px 40px; background: var(--page); color: var(--text);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", Arial, sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
h1 { margin: 0; font-size: 22px; line-height: 1.25; letter-spacing: -.01em; }
header p { margin: 4px 0 0; max-width: 80ch; color: var(--muted); }
header { margin-bottom: 20px; }
.bar { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 14px; }
.bar p { margin: 0; color: var(--muted); }
.group { display: inline-flex; gap: 4px; }
button, select { font: inherit; font-size: 14px; color: var(--text); background: var(--page); height: 34px;
  border: 1px solid var(--hair); border-radius: 6px; padding: 0 10px; }
button { cursor: pointer; }
button:hover, select:hover { border-color: var(--rail); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
#play { min-width: 84px; font-weight: 600; }
.bar label { color: var(--muted); font-size: 14px; white-space: nowrap; }
#variable[hidden], #episodes[hidden] { display: none; }
#variable p { margin: 0; color: var(--muted); }
#variable output { margin: 0 6px; font-size: 24px; line-height: 1.2; letter-spacing: -.01em; font-weight: 600; color: var(--text); }
#score b { color: var(--text); }
#curve { display: block; width: 100%; height: 132px; cursor: pointer; }
#value { display: block; width: calc(100% - 44px); height: 28px; margin: 0 0 0 44px; accent-color: var(--accent); }
.keys i { font-style: normal; }
#scrubber { flex: 1 1 240px; min-width: 0; height: 34px; margin: 0; accent-color: var(--accent); }
#clock { min-width: 13ch; text-align: right; white-space: nowrap; }
#panes { display: grid; gap: 12px; margin: 14px 0; }
#panes { grid-template-columns: repeat(var(--columns, 4), minmax(0, 1fr)); }
p:empty { display: none; }
.pane { background: var(--card); border: 1px solid var(--hair); border-radius: 8px; padding: 10px 12px; min-width: 0; }
.pane h2 { display: flex; align-items: center; gap: 8px; margin: 0; font-size: 15px; line-height: 1.3; }
.pane h2::before { content: ""; flex: none; width: 10px; height: 10px; border-radius: 3px; background: var(--ink); }
.pane canvas { display: block; width: 100%; }
.stage { position: relative; }
.scene { aspect-ratio: var(--aspect, 1.6); }
.ended { position: absolute; inset: auto 0 2px 0; text-align: center; font-size: 13px; color: var(--warn); }
.chart { height: 76px; margin-top: 8px; cursor: ew-resize; touch-action: pan-y; }
.now { display: flex; align-items: baseline; gap: 6px; color: var(--muted); font-size: 13px; }
.now b { font-size: 24px; line-height: 1.2; letter-spacing: -.01em; color: var(--text); }
.gauge { position: relative; height: 4px; margin: 4px 0 6px; border-radius: 2px; background: var(--hair); }
.gauge i { position: absolute; inset: 0 auto 0 0; border-radius: 2px; background: var(--ink); }
.gauge s { position: absolute; top: -3px; width: 2px; height: 10px; background: var(--ink); }
.final { margin: 0; font-size: 13px; color: var(--muted); }
.final b { color: var(--text); }
.keys { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 10px 0 0; font-size: 13px; color: var(--muted); }
kbd { font: inherit; font-size: 12px; padding: 0 5px; border: 1px solid var(--hair); border-radius: 4px; }
table { width: 100%; margin-top: 28px; border-collapse: collapse; font-size: 14px; }
table caption { text-align: left; font-weight: 600; padding-bottom: 8px; }
th, td { padding: 7px 10px; overflow-wrap: normal; text-align: right;
  vertical-align: top; font-weight: 400; border-top: 1px solid var(--hair); }
th:first-child { text-align: left; }
thead th { border-top: 0; color: var(--muted); vertical-align: bottom; }
td small { display: block; font-size: 13px; color: var(--muted); }
th button { all: unset; cursor: pointer; text-align: left; }
th button:hover { color: var(--accent); text-decoration: underline; }
th button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
th small { display: block; font-size: 13px; color: var(--muted); }
tr[aria-current] td, tr[aria-current] th { background: var(--card); }
tr[aria-current] th:first-child { box-shadow: inset 3px 0 var(--accent); }
tbody tr:last-child > * { border-bottom: 1px solid var(--hair); }
tfoot th, tfoot td { font-weight: 600; border-top: 0; }
@media (max-width: 900px) {
#panes { grid-template-columns: repeat(min(2, var(--columns, 4)), minmax(0, 1fr)); } }
@media (max-width: 560px) { body { padding: 16px 12px 32px; } #panes { gap: 8px; } .pane { padding: 8px; }
  .pane h2 { font-size: 14px; } .now b { font-size: 20px; } .chart { height: 60px; }
  th, td { padding: 6px 5px; } #scrubber { order: -1; flex-basis: 100%; } .keys { display: none; }
  table { font-size: 13px; } #clock { text-align: left; } }
@media print { .transport, .keys, .group button { display: none; } }
)page";

} // namespace gramian::app
