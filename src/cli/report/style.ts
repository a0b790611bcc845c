/** The page's stylesheet: no font, picture or colour from elsewhere; light, dark, narrow and on paper. */
export const STYLESHEET = `
:root{color-scheme:light dark;--paper:#fff;--ink:#17191c;--soft:#5b6470;--hair:#e3e6ea;--tint:#f6f7f9;--band:#f1f3f6;
--stable:#2f6fb7;--candidate:#d9630b;--bad:#c62828;--good:#1f7a44;--unsure:#8a6d00;--badTint:#fdecea;--goodTint:#e8f5ec;--unsureTint:#fdf5dc;
--m0:#c2255c;--m1:#7048a8;--m2:#4466c4;--m3:#1d8a8a;--m4:#6a7a1c;--m5:#99623a}
@media (prefers-color-scheme:dark){:root{--paper:#14161a;--ink:#e9ebee;--soft:#9aa4b0;--hair:#2b3037;--tint:#1b1e24;--band:#1c2027;
--stable:#6aa9ee;--candidate:#ff9b4a;--bad:#ff7b72;--good:#63c98a;--unsure:#e0c060;--badTint:#3a1c1c;--goodTint:#16301f;--unsureTint:#332c12;
--m0:#f472a6;--m1:#b794f0;--m2:#8aa7ff;--m3:#5cc8c8;--m4:#b4c65a;--m5:#d9a27a}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main,footer{max-width:1088px;margin:0 auto;padding:0 24px}
main{padding-top:40px}
h1{font-size:clamp(22px,3.2vw,31px);line-height:1.25;margin:10px 0 14px;letter-spacing:-.012em;text-wrap:balance;overflow-wrap:anywhere}
h2{font-size:19px;margin:52px 0 6px;padding-top:18px;border-top:1px solid var(--hair)}
h3{font-size:17px;margin:28px 0 4px}
h4{font-size:15px;margin:0}
p{margin:4px 0 12px;overflow-wrap:anywhere}
a{color:inherit}
code,.mono{font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
.soft,.note{color:var(--soft)}
.tag{display:inline-block;border-radius:999px;padding:1px 10px;font-size:13px;font-weight:600;white-space:nowrap}
.tag.bad{color:var(--bad);background:var(--badTint)}.tag.good{color:var(--good);background:var(--goodTint)}.tag.unsure{color:var(--unsure);background:var(--unsureTint)}
.eyebrow{display:flex;flex-wrap:wrap;gap:4px 12px;align-items:center;color:var(--soft)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(190px,1fr));margin:26px 0 8px;border:1px solid var(--hair);border-radius:10px;overflow:hidden;gap:1px}
.tiles div{box-shadow:0 0 0 1px var(--hair);padding:13px 16px 12px}
.tiles dt{color:var(--soft);font-size:13px}
.tiles dd{margin:1px 0 0;font-size:22px;font-weight:600;letter-spacing:-.01em;font-variant-numeric:tabular-nums}
.tiles dd small{display:block;font-size:12.5px;font-weight:400;letter-spacing:0;color:var(--soft);line-height:1.4}
dl.tiles{padding:0}
.bad-text{color:var(--bad)}
nav{margin:22px 0 0;color:var(--soft);font-size:14px}
nav a{margin-right:16px;text-underline-offset:3px;text-decoration-color:var(--hair);white-space:nowrap}
.charts{outline-offset:8px;border-radius:4px}
figure{margin:22px 0 0;break-inside:avoid}
figcaption{padding-left:2px}
figcaption p{color:var(--soft);font-size:13px;margin:0 0 3px;line-height:1.45}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:0 18px;margin:2px 0 6px;padding:0;font-size:13px}
.legend li{display:flex;align-items:center;gap:6px;min-height:21px}
.legend b{font-variant-numeric:tabular-nums;font-weight:600}
.legend .at{margin-left:auto;color:var(--soft)}
.key{display:inline-block;width:16px;height:0;border-top:3px solid var(--key,var(--soft));border-radius:2px}
.key.dashed{border-top-style:dotted}
.key.rug{width:2px;height:9px;border-top:0;border-radius:0;background:var(--bad)}
svg{display:block;width:100%;height:auto;overflow:visible}
svg.narrow{display:none}
svg text{font:11.5px/1 system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif;fill:var(--soft);font-variant-numeric:tabular-nums}
.grid path{stroke:var(--hair);stroke-width:1;fill:none}
.axis path{stroke:var(--soft);stroke-width:1;fill:none}
.band rect{fill:var(--band)}.band.b1 rect{fill:var(--paper)}.band.reverting rect{fill:var(--badTint)}
.line{fill:none;stroke:var(--key,var(--soft));stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}
.line.dashed{stroke-dasharray:1 4;stroke-width:2}
.area{fill:var(--key);opacity:.16}
.stable{--key:var(--stable)}.candidate{--key:var(--candidate)}.combined{--key:var(--ink)}
.m0{--key:var(--m0)}.m1{--key:var(--m1)}.m2{--key:var(--m2)}.m3{--key:var(--m3)}.m4{--key:var(--m4)}.m5{--key:var(--m5)}
.line.combined{stroke-width:2.6}
.level path{stroke:var(--bad);stroke-width:1.4;stroke-dasharray:5 4;fill:none}.level text{fill:var(--bad)}
.mark path{stroke:var(--bad);stroke-width:1.2;fill:none}.mark text{fill:var(--bad);font-weight:600}
.mark.since path{stroke:var(--soft);stroke-dasharray:2 3}.mark.since text{fill:var(--soft);font-weight:400}
.rug{stroke:var(--bad);stroke-width:1.2;fill:none;opacity:.6}
.cross{stroke:var(--ink);stroke-width:1;opacity:0;fill:none}
.crossed .cross{opacity:.55}
.bar{display:inline-block;width:60px;height:8px;vertical-align:1px;margin-right:5px}
.bar .rest{fill:var(--hair)}.bar .part{fill:var(--soft)}.bar .enough{fill:var(--bad)}
td:last-child .bar .enough{fill:var(--good)}
.scroll{overflow-x:auto;margin:2px 0 24px}
table{border-collapse:collapse;min-width:min(100%,430px);font-size:13.5px;font-variant-numeric:tabular-nums}
caption{text-align:left;color:var(--soft);font-size:13px;padding:0 0 6px}
th{text-align:left;font-weight:600;color:var(--soft);font-size:12.5px;white-space:nowrap}
th,td{padding:6px 18px 6px 2px;border-bottom:1px solid var(--hair);vertical-align:top}
th:last-child,td:last-child{padding-right:2px}
table.many{width:100%}
.n{text-align:right;white-space:nowrap}
tr{break-inside:avoid}
details{margin:0 0 14px}
summary{cursor:pointer}
summary h4,summary h2{display:inline-block}
.tables{margin-top:34px}
.tables>h4{margin-top:26px}
pre{background:var(--tint);border:1px solid var(--hair);border-radius:8px;padding:12px 14px;overflow-x:auto;font:12.5px/1.6 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;margin:8px 0 16px}
pre.logs{white-space:pre-wrap;overflow-wrap:anywhere}
.timeline td:first-child{white-space:nowrap}
footer{color:var(--soft);font-size:13px;padding-top:34px;padding-bottom:44px}
@media (max-width:640px){main,footer{padding-left:16px;padding-right:16px}main{padding-top:22px}svg.wide{display:none}svg.narrow{display:block}svg.bar{display:inline-block}
.tiles{grid-template-columns:1fr 1fr}.tiles dd{font-size:18px}.legend .at{margin-left:0;width:100%}}
@media print{:root{color-scheme:light;--paper:#fff;--ink:#000;--soft:#444;--hair:#ccc;--tint:#fff;--band:#f2f2f2;--stable:#2f6fb7;--candidate:#c85a06;--bad:#b71c1c;--good:#1f7a44;--unsure:#7a6000;--badTint:#fbe9e7;--goodTint:#e8f5ec;--unsureTint:#faf3da;--m0:#c2255c;--m1:#7048a8;--m2:#4466c4;--m3:#1d8a8a;--m4:#6a7a1c;--m5:#99623a}
@page{margin:14mm}body{font-size:10.5pt;-webkit-print-color-adjust:exact;print-color-adjust:exact}main,footer{max-width:none;padding-left:0;padding-right:0}main{padding-top:0}nav,.legend .at{display:none}svg.wide{display:block}svg.narrow{display:none}
h2{break-after:avoid;margin-top:30px}h4{break-after:avoid}.scroll{overflow:visible;break-inside:avoid}.tiles{grid-template-columns:repeat(4,1fr)}.tiles dd{font-size:14pt}details::details-content{content-visibility:visible;display:block;block-size:auto}summary{list-style:none}table{font-size:8.5pt}th,td{padding:3px 9px 3px 2px}.n{white-space:normal}pre{white-space:pre-wrap}}
`;
