// What has happened, the newest first.

import {html, nothing} from '../lit/lit-html.js';
import {state, changed} from '../store.js';
import {clock, count, duration, short, total} from '../format.js';
import {small} from '../charts.js';

const most = 200; // rows

export function history() {
  const kinds = ['all', ...new Set(state.history.map(e => e.kind))].sort();
  const words = state.filter.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = state.history.filter(e => (state.kind === 'all' || e.kind === state.kind) &&
    words.every(w => `${e.plugin || ''} ${e.kind} ${e.to || ''} ${e.from || ''} ${e.detail || ''}`.toLowerCase().includes(w))).toReversed();
  return html`<h1>History</h1><div class="tools">
    <label class="filter">Filter <input type="search" .value=${state.filter} placeholder="/" @input=${e => { state.filter = e.target.value; changed(); }}></label>
    <label>Kind <select @change=${e => { state.kind = e.target.value; changed(); }}>${kinds.map(k =>
      html`<option value=${k} ?selected=${k === state.kind}>${k}</option>`)}</select></label>
    <span class="muted" role="status">${rows.length > most ? `the newest ${most} of ${rows.length}` : ''}</span></div>${events(rows.slice(0, most), true)}`;
}

// events is a table of events.
export function events(rows, named) {
  if (!rows.length) return html`<p class="empty">Nothing has happened.</p>`;
  return html`<div class="scroll"><table class="events"><thead><tr><th scope="col">Time</th><th scope="col">What</th>${named ? html`<th scope="col">Plugin</th>` : nothing}
    <th scope="col">From</th><th scope="col">To</th><th scope="col" class="number">Release</th><th scope="col" class="number">took</th><th scope="col">Detail</th></tr></thead>
    <tbody>${rows.map(e => html`<tr><td>${clock(e.time)}</td><td class=${bad.has(e.kind) ? 'bad' : ''}>${e.kind}</td>
      ${named ? html`<td>${e.plugin ? html`<a href=${`#/plugin/${encodeURIComponent(e.plugin)}`}>${e.plugin}</a>` : '–'}</td>` : nothing}
      <td><code>${short(e.from)}</code></td><td><code>${short(e.to)}</code></td><td class="number">${e.release || '–'}</td>
      <td class="number">${e.phases_ns ? html`<span class="took">${small(e.phases_ns)}<span>${duration(total(e.phases_ns))}</span></span>` : '–'}</td>
      <td class="detail">${detail(e)}</td></tr>`)}</tbody></table></div>`;
}

const bad = new Set(['refuse', 'crash', 'quarantine', 'leave out', 'checkpoint failed']);

function detail(e) {
  const text = [e.detail, e.state && e.state !== 'none' ? `state: ${e.state}` : '', e.lost?.length ? `lost: ${e.lost.join(', ')}` : '',
    e.crossing ? `${count(e.crossing, 'call')} crossed` : ''].filter(Boolean).join('; ');
  const line = text.split('\n')[0];
  if (text.length < 140 && line === text) return text;
  return html`<details><summary>${line.slice(0, 140)}…</summary><pre>${text}</pre></details>`;
}
