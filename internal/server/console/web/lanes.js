// Generations over time: which code served when, and what crossed from one to the next.

import {html, svg, nothing} from './lit/lit-html.js';
import {clock, count, duration, short, ago} from './format.js';
import {state} from './store.js';

const minute = 60e3, hour = 60 * minute, dayLong = 24 * hour;
export const spans = {'5 min': 5 * minute, '1 h': hour, '6 h': 6 * hour, '1 day': dayLong, '1 week': 7 * dayLong};

// serves are the kinds of events after which a plugin has another generation.
const serves = new Set(['boot', 'deploy', 'rollback', 'handover']);
const time = e => new Date(e.time).getTime();

let known = null, livesOf = new Map(), refusalsOf = new Map(); // by plugin, of the history that is known

function read() {
  if (known === state.history) return;
  known = state.history;
  livesOf = new Map();
  refusalsOf = Map.groupBy(known.filter(e => e.kind === 'refuse'), e => e.plugin);
  for (const e of known) {
    if (!e.plugin || !e.to || !serves.has(e.kind)) continue;
    if (!livesOf.has(e.plugin)) livesOf.set(e.plugin, []);
    const found = livesOf.get(e.plugin), last = found.at(-1);
    if (last) {
      if (last.id === e.to) continue; // another worker serves the same image
      last.to = time(e);
    }
    found.push({id: e.to, from: time(e), to: null, event: e});
  }
}

// lives returns what served a plugin, the oldest first: the image, from and to (ms; null: still), and the event that began it.
export function lives(name) {
  read();
  return livesOf.get(name) ?? [];
}

// windowOf returns the time that is shown: what was chosen, or as little as has the last changes.
export function windowOf(changes) {
  const now = Date.now();
  let long = spans[state.span];
  if (!long) {
    const since = now - (changes.at(-6) ?? changes[0] ?? now);
    long = Math.max(10e3, since * 1.05);
  }
  return {from: now - long, to: now, at: t => `${(100 * Math.min(1, Math.max(0, (t - now + long) / long))).toFixed(3)}%`};
}

export function chooseSpan(changed) {
  return html`<label>Time <select @change=${e => { state.span = e.target.value; changed(); }}>
    ${['auto', ...Object.keys(spans)].map(s => html`<option value=${s} ?selected=${state.span === s}>${s === 'auto' ? 'last changes' : `last ${s}`}</option>`)}
  </select></label>`;
}

// marks are what has happened to all plugins at once.
export const marks = w => state.history.filter(e => time(e) > w.from && (e.kind === 'crash' || e.kind === 'handover' && !e.plugin));

const width = (w, a, b) => `${Math.max(0.15, 100 * (Math.min(b, w.to) - Math.max(a, w.from)) / (w.to - w.from)).toFixed(3)}%`;

export function axis(w) {
  const steps = 4;
  return html`<div class="axis" aria-hidden="true">${Array.from({length: steps + 1}, (_, i) => html`<span>${
    i === steps ? 'now' : clock(new Date(w.from + (w.to - w.from) * i / steps).toISOString())}</span>`)}</div>`;
}

const across = (found, w, height) => found.map(e => svg`<line class="mark ${e.kind}" x1=${w.at(time(e))} x2=${w.at(time(e))} y1="0" y2=${height}>
  <title>${e.kind} ${clock(e.time)}</title></line>`);

const refusals = (name, w, y) => (refusalsOf.get(name) ?? []).filter(e => time(e) > w.from).map(e =>
  svg`<text class="refusal" x=${w.at(time(e))} y=${y} text-anchor="middle">×<title>${short(e.to)} refused ${clock(e.time)}</title></text>`);

// strip draws one plugin's generations in one line.
export function strip(name, w, found) {
  return svg`<svg class="strip" width="100%" height="18" aria-hidden="true" focusable="false">${lives(name).filter(l => (l.to ?? w.to) > w.from).map((l, i) =>
    svg`<rect class=${l.to === null ? 'now' : i % 2 ? 'odd' : 'even'} x=${w.at(l.from)} y="4" height="10" width=${width(w, l.from, l.to ?? w.to)}></rect>`)}${across(found, w, 18)}${refusals(name, w, 14)}</svg>`;
}

const lane = 30;

// generations draws a plugin's last generations, one below the other, with the calls that run on in them.
export function generations(p, most = 6) {
  const all = lives(p.name).slice(-most);
  if (!all.length) return html`<p class="muted">Nothing has served yet.</p>`;
  const w = windowOf(all.map(l => l.from)), height = all.length * lane;
  const running = l => p.generations.find(g => g.id === l.id && g.state === (l.to === null ? 'serving' : 'draining'));
  return html`<div class="lanes"><div class="lane-names">${all.map(l => html`<span class="lane-name"><code>${short(l.id)}</code></span>`)}</div>
    <div><svg class="lane-graph" width="100%" height=${height} role="img" aria-label=${`Generations of ${p.name} over time; the table below has the same`}>${
      across(marks(w), w, height)}${all.map((l, i) => drawLane(l, i, w, running(l)))}${refusals(p.name, w, height - 4)}</svg>${axis(w)}</div></div>
    ${laneTable(p, all, running)}`;
}

function drawLane(l, i, w, live) {
  const y = i * lane + 8, end = l.to ?? w.to;
  const visible = end > w.from;
  return svg`${visible ? svg`<rect class=${l.to === null ? 'now' : 'past'} x=${w.at(l.from)} y=${y} height="12" width=${width(w, l.from, end)}></rect>` : nothing}
    ${l.to !== null && live ? svg`<rect class="tail" x=${w.at(l.to)} y=${y + 4} height="4" width=${width(w, l.to, w.to)}></rect>` : nothing}
    ${l.event.from && l.from > w.from ? svg`<line class="flip" x1=${w.at(l.from)} x2=${w.at(l.from)} y1=${y - lane + 6} y2=${y + 12}></line>` : nothing}
    ${l.event.crossing && l.from > w.from ? svg`<circle class="crossing" cx=${w.at(l.from)} cy=${y - lane + 6} r="3"></circle><text class="crossing-text" x=${w.at(l.from)}
      dx="-8" y=${y - lane + 28} text-anchor="end">${l.event.crossing} crossed</text>` : nothing}
    ${(live?.running || []).map((r, n) => svg`<line class="call" x1=${w.at(new Date(r.since).getTime())} x2=${w.at(w.to)} y1=${y + 2 + 2 * n} y2=${y + 2 + 2 * n}>
      <title>${r.method} ${r.path}</title></line>`)}`;
}

function laneTable(p, all, running) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Table of generations"><table><caption class="visually-hidden">Generations of ${p.name}, the newest first</caption>
    <thead><tr><th scope="col">Generation</th><th scope="col">From</th><th scope="col">Served for</th><th scope="col">By</th><th scope="col" class="number">Calls that crossed into it</th><th scope="col">Now</th></tr></thead>
    <tbody>${all.toReversed().map(l => html`<tr><th scope="row"><code>${short(l.id)}</code></th><td>${clock(l.event.time)}</td>
      <td>${duration(((l.to ?? Date.now()) - l.from) * 1e6)}</td><td>${l.event.detail || l.event.kind}</td><td class="number">${l.event.crossing || 0}</td>
      <td>${l.to === null ? 'serves' : running(l) ? html`${count(running(l).leases, 'call still runs', 'calls still run')}` : 'retired'}${
        (running(l)?.running || []).map(r => html`<div class="muted">${r.method} ${r.path}, since ${ago(r.since)}</div>`)}</td></tr>`)}</tbody></table></div>`;
}
