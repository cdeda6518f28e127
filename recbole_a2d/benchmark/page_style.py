"""Style sheet and script of the report page."""

STYLE = """
:root{--ink:#2b2b2b;--faint:#75797e;--line:#e3e3e0;--accent:#b5452c;--better:#3c7a4f;--link:#2f6690}
*{box-sizing:border-box}
html{scroll-behavior:smooth}
body{margin:0;color:var(--ink);background:#fff;
font:15px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}
nav{position:fixed;top:0;left:0;bottom:0;width:214px;overflow:auto;padding:28px 20px;
background:#f7f7f5;border-right:1px solid var(--line);font-size:13.5px}
nav .home{font-weight:650;margin:0 0 14px}
nav a{display:block;color:var(--ink);padding:3px 0;text-decoration:none}
nav a:hover{color:var(--accent)}
nav .level3{padding-left:14px;color:var(--faint)}
nav .level2{margin-top:6px}
main{margin-left:214px;padding:30px 32px 80px;max-width:1290px}
h1{font-size:27px;line-height:1.2;margin:.2em 0 .5em}
h2{font-size:21px;margin:2.4em 0 .6em;padding-bottom:.3em;border-bottom:2px solid var(--ink)}
h3{font-size:17px;margin:2.2em 0 .6em}
h2,h3,.record{scroll-margin-top:16px}
.lead{max-width:56em}
p{max-width:62em}
a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}
.note{color:var(--faint);font-size:13px;margin:.5em 0}
.caption{font-weight:600;margin:1.4em 0 .3em}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:13px;margin:.4em 0}
th,td{padding:4px 4px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
th{font-weight:600;color:var(--faint);border-bottom:1px solid var(--ink);vertical-align:bottom}
th.span{text-align:center;color:var(--ink);border-bottom:0;padding-bottom:0}
th:first-child,td:first-child{text-align:left;position:sticky;left:0;background:#fff}
td:first-child{white-space:normal;min-width:170px;max-width:240px;line-height:1.35}
td a{color:inherit}
td:first-child a{color:var(--link)}
tbody tr:hover,tbody tr:hover td:first-child{background:#faf7f3}
.edge{padding-left:14px}
.strong{font-weight:700}
.muted{color:#96999d}
.mark{display:inline-block;width:1em;margin-left:.15em;font-size:10px;color:var(--accent)}
.better{color:var(--better)}
figure{margin:1.8em 0 2.2em}
figcaption{max-width:62em;margin-bottom:.2em}
details summary{cursor:pointer;color:var(--faint);font-size:13px}
.record{border-bottom:1px solid var(--line);padding:5px 0}
.record summary{color:var(--ink);font-family:ui-monospace,Menlo,Consolas,monospace;font-size:13px}
.record:target{background:#fbf3ea}
.facts td{text-align:left;white-space:normal;vertical-align:top}
.facts td:first-child{white-space:nowrap;max-width:none;color:var(--faint)}
@media (max-width:980px){nav{position:static;width:auto;border:0}main{margin:0;padding:16px}}
@media print{nav{display:none}main{margin:0;padding:0}figure,tr{break-inside:avoid}}
"""

SCRIPT = """
function openTarget(){
  const target=document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if(target&&target.tagName==='DETAILS'){target.open=true;target.scrollIntoView()}
}
window.addEventListener('hashchange',openTarget);openTarget();
document.querySelectorAll('.js-plotly-plot').forEach(plot=>plot.on('plotly_click',event=>{
  const run=event.points[0].customdata;
  if(run)location.hash='record-'+encodeURIComponent(run);
}));
"""
"""A link to a record opens it; a click on a point goes to the point's record."""
