// The processes, the budget until the next handover, the last handover, and the configuration.

import {html, nothing} from '../lit/lit-html.js';
import {state} from '../store.js';
import {ago, age, count, duration, size, clock} from '../format.js';
import {gauge, handoverPhases, phaseTable} from '../charts.js';
import {order, handover, reloadConfig} from '../orders.js';

export function server() {
  return html`<div class="head"><h1>Server</h1><div class="actions"><button @click=${() => order(reloadConfig())}>Reload configuration…</button>
    <button @click=${() => order(handover())}>Hand over…</button></div></div>
    <div class="columns">${processes()}${budget()}</div>${lastHandover()}${configuration()}`;
}

function processes() {
  const s = state.status, m = state.measured;
  const memory = pid => [m?.worker, ...(m?.draining || [])].find(w => w?.pid === pid)?.memory;
  const row = (name, pid, started, bytes, files) => html`<tr><th scope="row">${name}</th><td class="number">${pid}</td><td>${duration(age(started))}</td>
    <td class="number">${bytes ? size(bytes) : '–'}</td><td class="number">${files?.open || '–'}</td></tr>`;
  return html`<section aria-labelledby="processes"><h2 id="processes">Processes</h2><table><thead><tr><th scope="col">Process</th><th scope="col" class="number">pid</th>
    <th scope="col">up</th><th scope="col" class="number">Memory</th><th scope="col" class="number">Open files</th></tr></thead><tbody>
    ${row('supervisor', s.pid, s.started, m?.supervisor, s.supervisor_files)}
    ${s.worker ? row('worker', s.worker.pid, s.worker.started, memory(s.worker.pid), m?.worker?.files) : nothing}
    ${(s.draining || []).map(d => row('draining', d.pid, d.started, memory(d.pid)))}</tbody></table>
    ${s.booting ? html`<p>A worker boots.</p>` : nothing}
    <p class="muted">Store <code>${s.store}</code>${s.store_fault ? html`: <span class="bad">${s.store_fault}</span>` : nothing}</p></section>`;
}

function budget() {
  const s = state.status, b = s.budget, m = state.measured;
  if (!b || !m?.left || !m.worker) return nothing;
  const files = m.worker.files || {};
  return html`<section aria-labelledby="budget"><h2 id="budget">Until the next handover</h2>
    ${gauge({label: 'Old generations', has: Math.max(m.left.generations, m.left.weight), limit: b.generations})}
    ${gauge({label: 'Their memory', has: m.left.memory, limit: b.memory, show: size})}
    ${gauge({label: 'Their goroutines', has: m.left.goroutines, limit: b.goroutines})}
    ${files.limit ? gauge({label: 'Open files', has: files.open, limit: b.files < 0 ? -1 : Math.floor(files.limit * b.files / 100)}) : nothing}
    <p class="muted">Measured ${ago(m.at)}. A new worker takes over when one of these is full.${s.handover_due ? html` <span class="bad">It is due
      (${s.handover_due.why}), and held up: ${s.handover_due.reason}</span>` : nothing}</p></section>`;
}

function lastHandover() {
  const s = state.status, h = s.handover, f = s.failed_handover, now = state.phases[''];
  return html`<section aria-labelledby="last"><h2 id="last">Last handover</h2>
    ${now ? html`<p role="status">One is under way: ${now}.</p>` : nothing}
    ${f ? html`<div class="notice bad"><p>It failed ${ago(f.time)} (${f.why}). The old worker serves on.</p><pre>${f.error}</pre></div>` : nothing}
    ${h ? html`<p>${clock(h.time)}, ${ago(h.time)}: from pid ${h.giver} to ${h.taker}. Reason: ${h.why || 'none given'}.
      ${h.waited ? html`${count(h.waited.calls, 'call')} waited, half of them less than ${duration(h.waited.p50)}, the longest ${duration(h.waited.max)}.` : 'Nobody waited.'}</p>
      ${phaseTable(handoverPhases(h.phases), 'Phases of the last handover; callers of plugins with state wait in drain, state and commit')}
      ${h.warning ? html`<p class="bad">${h.warning}</p>` : nothing}` : f ? nothing : html`<p class="muted">There was none since the server was started.</p>`}</section>`;
}

function configuration() {
  const c = state.status.config || {}, p = state.status.program, failed = state.status.failed_program, layers = state.status.probe || [];
  return html`<section aria-labelledby="config"><h2 id="config">Configuration and program</h2><dl class="list">
    <dt>Configuration</dt><dd>read ${ago(c.read)}${c.failed ? html`<div class="notice bad"><p>A later one was not taken up ${ago(c.failed.time)} (${c.failed.why}):</p><pre>${c.failed.error}</pre></div>` : nothing}
      ${(c.restart || []).map(r => html`<div class="bad">${r.key} is ${r.was || 'not set'} until a restart; the file has ${r.is || 'nothing'}</div>`)}</dd>
    ${p ? html`<dt>Program</dt><dd><code>${p.path}</code>${p.probation_until ? html`, in probation until ${clock(p.probation_until)}` : nothing}${
      p.not_supervisor ? html`<div class="bad">the supervisor stays the one before until a restart: ${p.not_supervisor}</div>` : nothing}</dd>` : nothing}
    ${failed ? html`<dt>Failed program</dt><dd class="bad"><code>${failed.path}</code> ${ago(failed.time)}: ${failed.reason}</dd>` : nothing}
    ${layers.length ? html`<dt>Probe</dt><dd>behind ${layers.filter(l => l.in_force).map(l => l.name).join(', ') || 'nothing'}${
      layers.some(l => !l.in_force) ? html`; without ${layers.filter(l => !l.in_force).map(l => l.name).join(', ')}` : nothing}</dd>` : nothing}
    </dl></section>`;
}
