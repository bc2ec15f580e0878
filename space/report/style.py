"""How the page looks, on a screen and on paper."""

STYLE = """
:root{--ink:#1c2126;--soft:#5b6570;--line:#d8dde2;--paper:#fff;--ground:#f3f5f7;--link:#1d5fae;
--good:#1f7a4d;--bad:#b3161b;--warn:#8a5a00;--idle:#5b6570}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--ground);color:var(--ink);line-height:1.45;
font:15px/1.45 system-ui,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1240px;margin:0 auto;padding:20px 24px 60px}
h1{font-size:26px;margin:8px 0 2px}h2{font-size:21px;margin:34px 0 10px}
h3{font-size:17px;margin:0 0 8px}h4{font-size:14px;margin:16px 0 6px}
p{margin:6px 0}a{color:var(--link)}.soft{color:var(--soft)}.path{overflow-wrap:anywhere}
.card{background:var(--paper);border:1px solid var(--line);border-radius:8px;padding:16px 18px;
margin:14px 0}
.numbers{display:flex;flex-wrap:wrap;gap:10px;margin:16px 0}
.numbers div{background:var(--paper);border:1px solid var(--line);border-radius:8px;
padding:8px 16px;min-width:112px}
.numbers b{display:block;font-size:24px;line-height:1.2;font-variant-numeric:tabular-nums}
.numbers span{color:var(--soft);font-size:13px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px}
th{text-align:left;font-weight:600;color:var(--soft);border-bottom:2px solid var(--line);
padding:5px 10px 5px 0;white-space:nowrap}
td{border-bottom:1px solid var(--line);padding:5px 10px 5px 0;vertical-align:top;
font-variant-numeric:tabular-nums}
.what{min-width:640px}.what td{overflow-wrap:anywhere}.what td:last-child{width:45%}
.state{display:inline-block;border-radius:10px;padding:0 9px;font-size:13px;color:#fff;
background:var(--idle);white-space:nowrap}
.state.good,.state.acquired{background:var(--good)}
.state.lost,.state.failed{background:var(--bad)}
.state.spoilt,.state.begun{background:var(--warn)}
.attention{border-left:5px solid var(--bad)}.attention ul{margin:6px 0;padding-left:20px}
.attention li{overflow-wrap:anywhere}
.pictures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,380px),1fr));gap:14px;
align-items:start}
figure{margin:0}figure img{display:block;width:100%;height:auto;border-radius:4px}
figure.grid img{max-width:900px}
figcaption{color:var(--soft);font-size:13px;padding-top:3px;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,210px),1fr));gap:6px 18px;
margin:10px 0}
dl div{border-bottom:1px solid var(--line);padding:2px 0}
dt{color:var(--soft);font-size:12.5px}dd{margin:0;font-variant-numeric:tabular-nums}
.series{border-top:1px solid var(--line);padding:9px 0;display:grid;gap:4px 16px;
grid-template-columns:minmax(230px,1fr) minmax(0,3fr)}
.series .about{font-size:13px;overflow-wrap:anywhere}.series .about b{font-size:14px}
.charts{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:6px}
svg{display:block;width:100%;height:auto}svg.plan{max-width:420px;background:#fbfcfd;
border:1px solid var(--line);border-radius:6px}
svg text{font:9px system-ui,"Segoe UI",Roboto,Arial,sans-serif;fill:#5b6570}
svg .t{font-weight:600;font-size:9.5px;fill:#1c2126}svg .y{text-anchor:end}
svg .x{text-anchor:middle}svg .g{stroke:#e3e7eb;stroke-width:1;fill:none}
svg .ok,svg .bad,svg .odd{fill:none;stroke-linecap:round;stroke-width:4.2;stroke:#1d5fae}
svg .bad{stroke:#c4161c;stroke-width:5}svg .odd{stroke:#d07a00;stroke-width:6}
svg .fit{fill:none;stroke:#8b949e;stroke-width:1.2}
svg .aim{fill:none;stroke:#8b949e;stroke-width:1.2;stroke-dasharray:4 3}
svg rect{fill:#c7d7ea;stroke:#1d5fae;stroke-width:1.2}
svg rect.acquired{fill:#bfe3cf;stroke:#1f7a4d}svg rect.failed,svg rect.lost{fill:#f2c4c5;
stroke:#b3161b}svg rect.begun{fill:#f3ddb3;stroke:#8a5a00}
svg .n{font-size:12px;text-anchor:middle;fill:#1c2126}svg .bar{stroke:#1c2126;stroke-width:3}
svg .b{font-size:12px;fill:#1c2126}
.key{font-size:13px;color:var(--soft)}.key i{display:inline-block;width:9px;height:9px;
border-radius:5px;margin:0 4px 0 12px;background:#1d5fae}.key i.bad{background:#c4161c}
.key i.odd{background:#d07a00}
details summary{cursor:pointer;color:var(--soft)}
@media(max-width:900px){.series{grid-template-columns:1fr}}
@media(max-width:560px){main{padding:12px 10px 40px}.charts{grid-template-columns:1fr}
.card{padding:12px}h1{font-size:22px}}
@page{size:A4;margin:12mm}
@media print{body{background:#fff;font-size:10.5pt;-webkit-print-color-adjust:exact;
print-color-adjust:exact}main{max-width:none;padding:0}a{color:inherit;text-decoration:none}
.card{border:0;border-top:1px solid var(--line);border-radius:0;padding:8px 0}
.series,figure,.numbers,tr,h2,h3,dl{break-inside:avoid}h2,h3,h4{break-after:avoid}
.lamella{break-inside:auto}.scroll{overflow:visible}table{font-size:9pt}
.pictures{grid-template-columns:1fr 1fr}.series{grid-template-columns:3fr 7fr}
.series .about{font-size:8.5pt}.lamella>h3+p{break-after:avoid}.what{min-width:0}
.attention{border-left:5px solid var(--bad);padding-left:10px}
figure.grid img{max-height:150mm;width:auto;max-width:100%}}
"""
