// Graphs. Each has its numbers in words or in a table beside it, so a graph itself is hidden from screen readers, or named as one picture.

import {html, svg, nothing} from './lit/lit-html.js';
import {duration, total} from './format.js';

const order = ['store', 'check', 'probe', 'open', 'new', 'drain', 'state', 'start', 'flip', 'publish'];
const ofHandover = ['prepare', 'ahead', 'drain', 'state', 'commit', 'publish'];

// Callers of a plugin with state wait in these. Without drain nobody has been held back.
const waiting = new Set(['drain', 'state', 'start', 'commit']);

const sorted = (phases, names) => names.filter(n => phases[n] > 0).map(name => ({name, ns: phases[name], waits: phases.drain > 0 && waiting.has(name)}));
export const phasesOf = phases => sorted(phases || {}, order);
export const handoverPhases = phases => sorted(phases || {}, ofHandover);

const percent = x => `${(100 * x).toFixed(3)}%`;

// bar draws phases side by side, as long as they took. full is how long the whole width stands for.
export function bar(phases, full = phases.reduce((a, p) => a + p.ns, 0)) {
  let at = 0;
  return svg`<svg class="bar" width="100%" height="100%" aria-hidden="true" focusable="false">${phases.map(({name, ns, waits}, i) => {
    const x = at / full;
    at += ns;
    return svg`<rect class="phase ${waits ? 'waits' : i % 2 ? 'odd' : 'even'}" x=${percent(x)} width=${percent(ns / full)}
      y="0" height="100%"><title>${name} ${duration(ns)}</title></rect>`;
  })}</svg>`;
}

// phaseTable draws phases as a bar with a table below.
export function phaseTable(phases, caption) {
  const sum = phases.reduce((a, p) => a + p.ns, 0);
  return html`<div class="phases"><div class="wide-bar">${bar(phases)}</div>
    <div class="scroll" tabindex="0" role="region" aria-label=${caption}><table class="across"><caption class="visually-hidden">${caption}</caption>
      <thead><tr>${phases.map(p => html`<th scope="col" class=${p.waits ? 'waits' : ''}>${p.name}</th>`)}<th scope="col">in all</th></tr></thead>
      <tbody><tr>${phases.map(p => html`<td>${duration(p.ns)}</td>`)}<td>${duration(sum)}</td></tr></tbody></table></div></div>`;
}

// small draws the phases of a reload within a cell. It is as long as the reload took beside the longest one.
export function small(phases, longest) {
  if (!phases) return nothing;
  const sum = total(phases);
  return html`<span class="small-bar">${svg`<svg width=${percent(longest ? Math.max(sum / longest, 0.02) : 1)} height="8" aria-hidden="true">${
    bar(merged(phasesOf(phases)), sum)}</svg>`}</span>`;
}

// merged has what comes before, while and after callers wait.
const merged = phases => phases.reduce((all, p) => {
  const last = all.at(-1);
  return last && last.waits === p.waits ? [...all.slice(0, -1), {...last, name: `${last.name}, ${p.name}`, ns: last.ns + p.ns}] : [...all, p];
}, []);

// histogram draws how many calls waited for how long.
export function histogram(waits, caption) {
  const most = Math.max(...waits.map(w => w.calls)), all = waits.reduce((a, w) => a + w.calls, 0);
  return html`<table class="histogram"><caption class="visually-hidden">${caption}</caption>
    <thead class="visually-hidden"><tr><th scope="col">waited less than</th><th scope="col">share</th><th scope="col">calls</th></tr></thead>
    <tbody>${waits.map(w => html`<tr><th scope="row"><span aria-hidden="true">&lt; </span>${duration(w.up_to)}</th>
      <td class="column"><span class="visually-hidden">${(100 * w.calls / all).toFixed(1)} %</span>${
        svg`<svg width="100%" height="12" aria-hidden="true"><rect class="count" width=${percent(w.calls / most)} height="12"></rect></svg>`}</td>
      <td class="number">${w.calls.toLocaleString('en')}</td></tr>`)}</tbody></table>`;
}

// gauge draws how much of a limit is used. A negative limit is none.
export function gauge({label, has, limit, show = String, note = ''}) {
  const bounded = limit > 0, share = bounded ? Math.min(1, has / limit) : 0;
  const words = bounded ? `${show(has)} of ${show(limit)}` : `${show(has)}, no limit`;
  return html`<div class="gauge"><span class="gauge-label">${label}</span><span class="number">${words}</span>
    <div role="meter" aria-label=${label} aria-valuemin="0" aria-valuemax=${bounded ? limit : has || 1} aria-valuenow=${Math.min(has, bounded ? limit : has)}
      aria-valuetext=${words}>${svg`<svg width="100%" height="6" aria-hidden="true"><rect class="track" width="100%" height="6"></rect><rect
        class="fill ${share > 0.8 ? 'near' : ''}" width=${percent(share)} height="6"></rect></svg>`}</div>
    ${note ? html`<span class="muted">${note}</span>` : nothing}</div>`;
}
