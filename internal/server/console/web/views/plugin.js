// One plugin: what is wrong with it, its last reload, its generations, waits, state, triggers and history.

import {html, nothing} from '../lit/lit-html.js';
import {state, changed, plugin, condition, failedBuild} from '../store.js';
import {ago, clock, count, duration, short, size, total, when} from '../format.js';
import {phasesOf, phaseTable, histogram} from '../charts.js';
import {generations, chooseSpan} from '../lanes.js';
import {order, deploy, rollback, trigger} from '../orders.js';
import {events} from './history.js';

export function pluginView(name) {
  const p = plugin(name);
  if (!p) return html`<h1>${name}</h1><p class="empty">There is no plugin of this name. <a href="#/">All plugins</a></p>`;
  const c = condition(p), phase = state.phases[name];
  return html`<div class="head"><h1>${p.name} <span class="state ${c.bad ? 'bad' : c.name}">${c.name}${phase ? ` · ${phase}` : ''}</span></h1>
    <div class="actions"><button @click=${() => order(deploy(p))}>Deploy…</button><button @click=${() => order(rollback(p))}>Roll back…</button></div></div>
    ${facts(p)}${build(p)}${refusal(p)}${lastReload(p)}
    <section aria-labelledby="generations"><div class="tools"><h2 id="generations">Generations</h2>${chooseSpan(changed)}</div>${generations(p)}</section>
    <div class="columns">${waits(p)}${stateOf(p)}</div>${triggers(p)}
    <section aria-labelledby="events"><h2 id="events">History</h2>${events(state.history.filter(e => e.plugin === name).toReversed().slice(0, 20), false)}</section>`;
}

function facts(p) {
  const g = p.generations.find(g => g.state === 'serving'), resident = state.measured?.of[`${p.name} ${p.generation}`];
  const all = [
    ['Generation', html`<code>${short(p.generation)}</code>`], ['Version', p.version || '–'], ['Since', when(p.since) ? ago(p.since) : '–'],
    ['Mode', p.mode], ['Calls now', g ? g.leases : '–'], ['Memory', resident ? size(resident) : '–'], ['Routes', (p.routes || []).join(' ') || '–'],
  ];
  return html`<dl class="facts">${all.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    <p class="muted path">${p.image}${p.others ? html` <span class="bad">others may change it: ${p.others}</span>` : nothing}</p>`;
}

function build(p) {
  const b = failedBuild(p.name);
  if (!b) return nothing;
  const placed = (b.messages || []).filter(m => m.file);
  return html`<section class="fault" aria-labelledby="build"><h2 id="build">The build failed</h2>
    <p>${ago(b.time)}, by <code>sohost dev</code>. ${p.generation ? html`<code>${short(p.generation)}</code> serves on.` : 'Nothing serves.'} Mend the source and save it.</p>
    ${placed.length ? html`<ol class="messages">${placed.map(m => html`<li><code class="place">${m.file}:${m.line}${m.column ? `:${m.column}` : ''}</code><pre>${m.message}</pre></li>`)}</ol>`
    : html`<pre>${b.error}</pre>`}</section>`;
}

function refusal(p) {
  const r = p.refused;
  if (!r) return nothing;
  return html`<section class="fault" aria-labelledby="refused"><h2 id="refused">The newest image was refused</h2>
    <p><code>${short(r.image)}</code> from <span class="path">${r.source}</span>, ${ago(r.time)}, at <b>${r.phase}</b>.
      ${when(r.serves) || r.serves && !/^0+$/.test(r.serves) ? html`<code>${short(r.serves)}</code> serves on, with its state.` : 'Nothing serves.'}
      ${when(r.retry) ? html`It is tried again at ${clock(r.retry)}.` : nothing}</p>
    ${r.reasons?.length ? html`<div class="scroll"><table><thead><tr><th scope="col">Reason</th><th scope="col">About</th><th scope="col">Want</th><th scope="col">Found</th><th scope="col">Remedy</th></tr></thead>
      <tbody>${r.reasons.map(x => html`<tr><th scope="row">${String(x.code).replaceAll('_', ' ')}</th><td><code>${x.subject || 'the image'}</code></td>
        <td>${x.want || '–'}</td><td>${x.found || '–'}</td><td>${x.remedy || '–'}</td></tr>`)}</tbody></table></div>` : html`<pre>${r.message}</pre>`}
    ${(r.changed || []).map(c => html`<p class="bad">A setting of the process has changed meanwhile: ${c.setting} from ${c.old || 'nothing'} to ${c.new || 'nothing'}</p>`)}</section>`;
}

function lastReload(p) {
  const m = p.last;
  if (!m) return nothing;
  const s = m.state || {}, w = s.waited, phases = phasesOf(m.phases);
  return html`<section aria-labelledby="reload"><h2 id="reload">Last reload</h2>
    <p>${clock(m.time)}, in ${duration(total(m.phases))}: ${m.from && !/^0+$/.test(m.from) ? html`<code>${short(m.from)}</code> → ` : nothing}<code>${short(m.to)}</code>.
      ${m.crossing ? `${count(m.crossing, 'call')} crossed the flip and finished in the old code. ` : nothing}
      ${w ? `${count(w.calls, 'call')} waited, the longest ${duration(w.max)}.` : 'No call waited.'} ${way(s)}</p>
    ${phaseTable(phases, `Phases of the last reload of ${p.name}${m.phases.drain ? '; callers waited in drain, state and start' : ''}`)}
    ${s.lost?.length ? html`<p class="bad">Lost: ${s.lost.join(', ')}. A rollback brings it back until the release is confirmed.</p>` : nothing}
    ${s.changes?.length ? html`<details><summary>${count(s.changes.length, 'change')} of the state's types</summary><ul>${s.changes.map(c => html`<li>${c}</li>`)}</ul></details>` : nothing}</section>`;
}

function way(s) {
  if (!s.way || s.way === 'none') return 'There was no state to move.';
  const amount = s.entries ? `, ${count(s.entries, 'entry', 'entries')}` : '';
  return `State moved by ${s.way}${amount}${s.bytes ? `, ${size(s.bytes)}` : ''}.`;
}

function waits(p) {
  return html`<section aria-labelledby="waits"><h2 id="waits">Waits</h2>${p.waits?.length
    ? html`<p>${count(p.waits.reduce((n, w) => n + w.calls, 0), 'call')} waited while state moved, by how long, since the worker began:</p>
      ${histogram(p.waits, `Calls of ${p.name} that waited, by how long`)}`
    : html`<p class="muted">No call had to wait since the worker began.</p>`}
    ${p.held?.times ? html`<p class="muted">Calls were held back ${count(p.held.times, 'time')}, for ${duration(p.held.longest)} at most.</p>` : nothing}</section>`;
}

function stateOf(p) {
  const c = p.checkpoint;
  if (!c && !p.uncheckpointed && !p.kept?.length) return nothing;
  return html`<section aria-labelledby="state"><h2 id="state">State</h2><dl class="list">
    ${c ? html`<dt>Checkpoint</dt><dd>${when(c.written) ? html`${ago(c.written)}, ${size(c.bytes)}` : 'none yet'}${c.failed
      ? html`<div class="bad">${count(c.failed.attempts, 'attempt')} failed since: ${c.failed.reason}</div>` : nothing}</dd>` : nothing}
    ${p.uncheckpointed ? html`<dt>Checkpoint</dt><dd class="bad">none: ${p.uncheckpointed}</dd>` : nothing}
    ${p.mismatch ? html`<dt>Mismatch</dt><dd class="bad">${p.mismatch}</dd>` : nothing}
    ${p.kept?.length ? html`<dt>Kept states</dt><dd>${p.kept.length}, for a rollback</dd>` : nothing}</dl></section>`;
}

function triggers(p) {
  if (!p.triggers?.length) return nothing;
  return html`<section aria-labelledby="triggers"><h2 id="triggers">Triggers</h2><div class="scroll"><table><thead><tr><th scope="col">Trigger</th><th scope="col">Spec</th>
    <th scope="col" class="number">Calls</th><th scope="col" class="number">Errors</th><th scope="col">State</th><th scope="col"><span class="visually-hidden">Orders</span></th></tr></thead>
    <tbody>${p.triggers.map(t => html`<tr><th scope="row">${t.name}</th><td><code>${t.spec}</code></td><td class="number">${t.runs || 0}</td><td class="number ${t.errors ? 'bad' : ''}">${t.errors || 0}</td>
      <td>${t.disabled ? html`<span class="bad">disabled</span>` : 'enabled'}</td><td><button class="small" @click=${() => order(trigger(p, t))}>${t.disabled ? 'Enable…' : 'Disable…'}</button></td></tr>`)}</tbody></table></div></section>`;
}
