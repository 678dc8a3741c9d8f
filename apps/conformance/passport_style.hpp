// The frame and the style of the device passport; passport.cpp fills in the rest. The page loads nothing: its policy
// forbids every request.
#pragma once

#include <string_view>

namespace gramian::conformance {

inline constexpr std::string_view kPassportHead = R"page(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>Gramian device passport</title>
<style>
:root{--ink:#17202b;--soft:#5b6877;--line:#dfe5ec;--card:#fff;--page:#f3f5f8;--good:#1a7f4b;--bad:#b3261e;--hold:#8a6d00;
--none:#c6ced8;--bar:#4a7fb5;--goodwash:#e5f4ec;--badwash:#fbe9e7;--holdwash:#fbf3da}
@media(prefers-color-scheme:dark){:root{--ink:#dde4ec;--soft:#95a3b3;--line:#2b343f;--card:#181e25;--page:#10151a;
--good:#5ecb92;--bad:#ff8a80;--hold:#d9b64a;--none:#3a4552;--bar:#6ea3d8;--goodwash:#15301f;--badwash:#3a1a18;
--holdwash:#332a10}}
*{box-sizing:border-box}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);margin:0}
main{max-width:74rem;margin:0 auto;padding:1.5rem 1rem 4rem}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1rem 1.25rem;margin:1rem 0}
h1{font-size:1.6rem;line-height:1.2;margin:.2rem 0}h2{font-size:1.05rem;margin:0 0 .6rem}
p{margin:.3rem 0}.soft{color:var(--soft)}code{font:.92em ui-monospace,monospace}
.verdict{border-left:8px solid var(--good);background:var(--goodwash)}
.verdict.bad{border-color:var(--bad);background:var(--badwash)}.verdict.hold{border-color:var(--hold);background:var(--holdwash)}
.verdict strong{font-size:1.15rem}.verdict.good strong{color:var(--good)}.verdict.bad strong{color:var(--bad)}
.verdict.hold strong{color:var(--hold)}
.tiles{display:flex;flex-wrap:wrap;gap:1.6rem;margin-top:.8rem}.tiles div{min-width:5rem}
.tiles b{display:block;font-size:1.5rem;line-height:1.1;font-variant-numeric:tabular-nums}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(24rem,1fr));gap:1rem}.two section{margin:0 0 1rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th{font-weight:600;color:var(--soft);font-size:.85rem}
th,td{text-align:left;padding:.25rem .7rem .25rem 0;border-bottom:1px solid var(--line);vertical-align:middle}
tr:last-child td{border-bottom:0}.n{text-align:right;white-space:nowrap}
.stack{display:flex;height:.8rem;border-radius:3px;overflow:hidden;background:var(--none);min-width:8rem}
.stack i{display:block}.i-pass{background:var(--good)}.i-fail{background:var(--bad)}.i-hold{background:var(--hold)}
.i-none{background:var(--none)}
.bar{display:block;height:.7rem;border-radius:3px;background:var(--bar);min-width:2px}
.pass{color:var(--good)}.unsupported,.waived{color:var(--hold)}
.fail,.timeout,.crash,.device_lost{color:var(--bad);font-weight:600}
.heat{display:flex;flex-wrap:wrap;gap:2px;max-width:46rem}
.heat i{width:13px;height:13px;border-radius:2px;display:block}
.scale{display:inline-flex;gap:2px;vertical-align:middle;margin:0 .4rem}.scale i{width:13px;height:13px;border-radius:2px}
.h0{background:#d7ecdf}.h1{background:#a9d8bc}.h2{background:#6fbd91}.h3{background:#e8d27a}.h4{background:#e59a4c}
.h5{background:#c5362c}.hn{background:var(--none)}
@media(prefers-color-scheme:dark){.h0{background:#1d3a2a}.h1{background:#27573c}.h2{background:#3a8a5d}}
details summary{cursor:pointer;font-weight:600}.off{color:var(--soft)}
</style>
</head>
<body>
<main>
)page";

inline constexpr std::string_view kPassportFoot = "</main>\n</body>\n</html>\n";

} // namespace gramian::conformance
