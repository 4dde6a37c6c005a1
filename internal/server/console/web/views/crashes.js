// Workers that died, what they left, and images in quarantine.

import {html, nothing} from '../lit/lit-html.js';
import * as api from '../api.js';
import {state, changed} from '../store.js';
import {ago, base, clock, count, short} from '../format.js';
import {order, lift} from '../orders.js';

export function crashes() {
  const s = state.status, found = (s.crashes || []).toReversed(), held = s.quarantine || [];
  return html`<h1>Crashes</h1>${found.length ? html`<div class="scroll"><table><thead><tr><th scope="col">Time</th><th scope="col">Worker</th><th scope="col">Reason</th>
      <th scope="col">Blamed</th><th scope="col"><span class="visually-hidden">What it left</span></th></tr></thead><tbody>${found.map(c => html`<tr><td>${clock(c.time)}</td>
      <td class="number">${c.pid}</td><td>${c.reason}</td><td>${blamed(c)}</td><td>${c.file ? html`<a href=${`#/crash/${base(c.file)}`}>Stack</a>` : '–'}</td></tr>`)}</tbody></table></div>`
    : html`<p class="empty">No worker has died since the server was started.</p>`}
    <section aria-labelledby="quarantine"><h2 id="quarantine">Quarantine</h2>${held.length ? html`<div class="scroll"><table><thead><tr><th scope="col">Image</th><th scope="col">Plugin</th>
      <th scope="col">Since</th><th scope="col">Reason</th><th scope="col"><span class="visually-hidden">Orders</span></th></tr></thead>
      <tbody>${held.map(q => html`<tr><th scope="row"><code>${short(q.image)}</code></th><td>${q.plugin || '–'}</td><td>${ago(q.time)}</td><td>${q.reason}</td>
        <td><button class="small" @click=${() => order(lift(q))}>Lift…</button></td></tr>`)}</tbody></table></div>`
    : html`<p class="muted">No image is in quarantine.</p>`}</section>`;
}

// eventOf returns what the history says of a crash: who is blamed.
const eventsOf = c => state.history.filter(e => e.kind === 'crash' && Math.abs(new Date(e.time) - new Date(c.time)) < 1000);

function blamed(c) {
  const found = eventsOf(c).filter(e => e.plugin);
  if (!found.length) return html`<span class="muted">nobody</span>`;
  return found.map(e => html`<div><a href=${`#/plugin/${encodeURIComponent(e.plugin)}`}>${e.plugin}</a> <code>${short(e.from)}</code>${e.evidence ? html` <span class="muted">${e.evidence}</span>` : nothing}</div>`);
}

const stacks = new Map(); // text by file

export function crash(file) {
  if (!stacks.has(file)) {
    stacks.set(file, null);
    api.text(`/v1/crash?file=${encodeURIComponent(file)}`).catch(failure => `\n${failure.message}`).then(text => {
      stacks.set(file, text);
      changed();
    });
  }
  const c = (state.status.crashes || []).find(c => c.file && base(c.file) === file), text = stacks.get(file);
  return html`<p class="crumb"><a href="#/crashes">Crashes</a></p><h1>${c ? `Worker ${c.pid}, ${clock(c.time)}` : file}</h1>
    ${c ? html`<p class="reason">${c.reason}</p><dl class="list"><dt>Blamed</dt><dd>${blamed(c)}</dd>${suspects(c)}${inCalls(c)}</dl>` : nothing}
    ${text === null ? html`<p class="empty">Reading what it left…</p>` : stack(text)}<p class="muted path">${c?.file || ''}</p>`;
}

function suspects(c) {
  const all = eventsOf(c).flatMap(e => e.suspects || []);
  if (!all.length) return nothing;
  return html`<dt>Suspects</dt><dd>${all.map(s => html`<div>${s.plugin} <code>${short(s.image)}</code> ${Math.round(100 * s.share)} %</div>`)}</dd>`;
}

function inCalls(c) {
  const inside = (c.calls?.images || []).filter(i => i.calls > 0 || i.steps?.length);
  if (!inside.length) return nothing;
  return html`<dt>Was running</dt><dd>${inside.map(i => html`<div>${i.plugin} <code>${short(i.image)}</code>${i.calls ? `, ${count(i.calls, 'call')}` : ''}</div>`)}</dd>`;
}

// stack draws a crash's output: what came first, the goroutine that crashed, and the others, folded.
function stack(text) {
  const [head, ...goroutines] = text.split(/\n(?=goroutine \d+)/);
  const others = goroutines.slice(1);
  return html`<section aria-labelledby="stack"><h2 id="stack">What it left</h2><pre class="head-text">${head.trim()}</pre>
    ${goroutines.length ? goroutine(goroutines[0]) : nothing}
    ${others.length ? html`<details><summary>${others.length} other goroutines</summary>${others.map(goroutine)}</details>` : nothing}</section>`;
}

// Frames of the runtime and the standard library are pale: the others are somebody's code.
const pale = /^(runtime|internal|net|sync|syscall|os|context|bufio|io|reflect|time|log)([./(]|$)/;

function goroutine(text) {
  const [title, ...lines] = text.split('\n'), frames = [];
  for (let i = 0; i < lines.length; i++) {
    if (!lines[i].trim()) continue;
    if (lines[i + 1]?.startsWith('\t')) frames.push([lines[i], lines[++i].trim()]);
    else frames.push([lines[i], '']);
  }
  const first = frames.findIndex(([f]) => !pale.test(f) && !f.startsWith('panic(') && !f.startsWith('created by'));
  return html`<h3>${title}</h3><ol class="stack">${frames.map(([call, place], i) => html`<li class=${i === first ? 'culprit' : pale.test(call) || call.startsWith('panic(') ? 'pale' : ''}>
    <code>${call}</code><span class="place">${place.replace(/ \+0x[0-9a-f]+$/, '')}</span></li>`)}</ol>`;
}
