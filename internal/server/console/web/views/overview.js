// All plugins, and what somebody should look at.

import {html, nothing} from '../lit/lit-html.js';
import {repeat} from '../lit/directives/repeat.js';
import {state, changed, plugins, shown, condition} from '../store.js';
import {ago, age, base, duration, short, size, total, when} from '../format.js';
import {small} from '../charts.js';

export function overview() {
  return html`<h1 class="visually-hidden">Plugins</h1>${summary()}${attention()}${table()}`;
}

function summary() {
  const s = state.status, all = plugins(), serving = all.filter(p => p.generation).length, m = state.measured;
  const calls = all.reduce((n, p) => n + p.generations.reduce((k, g) => k + g.leases, 0), 0);
  const left = m?.left, budget = s.budget;
  const facts = [
    ['Plugins serving', `${serving} of ${all.length}`],
    ['Release', html`${s.release || '–'}${s.confirmed && s.confirmed !== s.release ? html` <span class="muted">confirmed ${s.confirmed}</span>` : nothing}`],
    ['Worker', s.worker ? html`${s.worker.pid} <span class="muted">up ${duration(age(s.worker.started))}</span>` : 'none'],
    ['Calls now', calls.toLocaleString('en')],
    ['Memory', m ? size(m.memory) : '–'],
    ['Old generations', left && budget ? html`${Math.max(left.generations, left.weight)} <span class="muted">of ${budget.generations}</span>` : '–'],
  ];
  return html`<dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

const recent = 3600e9; // a crash is worth attention for an hour

function attention() {
  const s = state.status, found = [];
  const add = (what, text, href) => found.push(html`<li><span class="tag bad">${what}</span> ${href ? html`<a href=${href}>${text}</a>` : text}</li>`);
  for (const p of plugins()) {
    const c = condition(p), at = `#/plugin/${encodeURIComponent(p.name)}`;
    if (c.bad) add(c.name, why(p, c), at);
    if (p.checkpoint?.failed) add('checkpoint', `${p.name}: ${p.checkpoint.failed.reason}`, at);
  }
  for (const q of s.quarantine || []) add('quarantine', `${short(q.image)} of ${q.plugin || 'a plugin'}: ${q.reason}`, '#/crashes');
  for (const c of (s.crashes || []).filter(c => age(c.time) < recent).slice(-3)) add('crash', `worker ${c.pid}, ${ago(c.time)}: ${c.reason}`, c.file ? `#/crash/${base(c.file)}` : '#/crashes');
  if (s.failed_handover) add('handover', `failed ${ago(s.failed_handover.time)}: ${s.failed_handover.error}`, '#/server');
  if (s.handover_due) add('handover due', `${s.handover_due.why}; held up: ${s.handover_due.reason}`, '#/server');
  if (s.store_fault) add('store', s.store_fault, '#/server');
  if (s.config?.failed) add('configuration', s.config.failed.error.split('\n')[0], '#/server');
  if (!found.length) return nothing;
  return html`<section class="attention" aria-labelledby="attention"><h2 id="attention">Needs attention</h2><ul>${found}</ul></section>`;
}

function why(p, c) {
  const build = (state.status.failed_builds || []).find(b => b.plugin === p.name);
  if (c.name === 'build failed') {
    const m = build.messages?.find(m => m.file);
    return `${p.name}: ${m ? `${m.file}:${m.line}: ${m.message}` : build.error.split('\n')[0]}`;
  }
  if (c.name === 'refused') return `${p.name}: ${reason(p.refused)}; ${short(p.generation)} serves on`;
  if (p.refused) return `${p.name}: nothing serves; ${p.refused.message.split('\n')[0]}`;
  return `${p.name}: ${p.stopped || 'nothing serves'}`;
}

const reason = r => (r.reasons?.length ? `${String(r.reasons[0].code).replaceAll('_', ' ')} ${r.reasons[0].subject || ''}`.trim() : r.message.split('\n')[0].slice(0, 120));

const conditions = ['all', 'failing', 'serving', 'reloading', 'draining', 'refused', 'build failed', 'down'];

function table() {
  const rows = shown(), longest = Math.max(0, ...rows.map(p => total(p.last?.phases)));
  return html`<section aria-labelledby="all"><div class="tools"><h2 id="all">Plugins</h2>
    <label class="filter">Filter <input type="search" .value=${state.filter} placeholder="/" @input=${e => { state.filter = e.target.value; changed(); }}></label>
    <label>State <select @change=${e => { state.only = e.target.value; changed(); }}>${conditions.map(c =>
      html`<option value=${c} ?selected=${c === state.only}>${c}</option>`)}</select></label>
    <span class="muted" role="status">${rows.length === plugins().length ? '' : `${rows.length} of ${plugins().length}`}</span></div>
    ${rows.length ? html`<div class="scroll"><table class="plugins"><thead><tr><th scope="col">Plugin</th><th scope="col">State</th><th scope="col">Generation</th>
      <th scope="col">Version</th><th scope="col">Since</th><th scope="col" class="wide">Last reload</th><th scope="col" class="number">took</th>
      <th scope="col" class="number">Longest wait</th><th scope="col" class="number">Calls</th></tr></thead>
      <tbody>${repeat(rows, p => p.name, p => row(p, longest))}</tbody></table></div>`
    : html`<p class="empty">${plugins().length ? 'No plugin fits the filter.' : 'No plugins yet. `sohost new` writes one to begin with.'}</p>`}</section>`;
}

function row(p, longest) {
  const c = condition(p), calls = p.generations.reduce((n, g) => n + g.leases, 0), phase = state.phases[p.name];
  return html`<tr><th scope="row"><a href=${`#/plugin/${encodeURIComponent(p.name)}`}>${p.name}</a></th>
    <td><span class="state ${c.bad ? 'bad' : c.name}">${c.name}</span>${phase ? html` <span class="muted">${phase}</span>` : nothing}</td>
    <td><code>${short(p.generation)}</code></td><td class="version">${p.version || '–'}</td><td>${when(p.since) ? ago(p.since) : '–'}</td>
    <td class="wide">${p.last ? small(p.last.phases, longest) : nothing}</td><td class="number">${p.last ? duration(total(p.last.phases)) : '–'}</td>
    <td class="number">${p.held?.longest ? duration(p.held.longest) : '–'}</td><td class="number">${calls}</td></tr>`;
}
