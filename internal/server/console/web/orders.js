// Orders to the server. Each is confirmed in a dialog that says what will happen, and tells what came of it.

import {html, render, nothing} from './lit/lit-html.js';
import * as api from './api.js';
import {state, plugins, refresh} from './store.js';
import {clock, count, duration, short, total} from './format.js';

// An order has a title, what it says will happen (a template, or a promise of one), the name of its button, and do, which gets the
// dialog's form and returns a template of what came of it.

let current = null;

export function order(o) {
  const dialog = document.getElementById('order');
  current = {...o, phase: 'ask', text: html`<p class="muted">Asking the server…</p>`};
  dialog.onclose = () => { current = null; };
  draw();
  dialog.showModal();
  const shown = current;
  Promise.resolve(o.says()).then(text => { shown.text = text; }, failure => { shown.text = failed(failure); shown.phase = 'over'; }).then(() => {
    if (current === shown) draw();
  });
}

function draw() {
  const dialog = document.getElementById('order'), o = current;
  const close = () => dialog.close();
  render(html`<form method="dialog" @submit=${submit}><h2 id="order-title">${o.title}</h2><div class="order-text">${o.text}</div>
    ${o.phase === 'busy' ? html`<p role="status">Under way…</p>` : nothing}
    ${o.result ? html`<div role="alert">${o.result}</div>` : nothing}
    <div class="actions">${o.phase === 'over' ? html`<button type="button" class="primary" autofocus @click=${close}>Close</button>`
      : html`<button type="button" @click=${close}>Cancel</button><button type="submit" class="primary" ?disabled=${o.phase === 'busy'}>${o.button}</button>`}</div></form>`, dialog);
}

async function submit(e) {
  e.preventDefault();
  const o = current;
  if (o.phase !== 'ask') return;
  o.phase = 'busy';
  draw();
  try {
    o.result = await o.do(new FormData(e.target));
  } catch (failure) {
    o.result = failed(failure);
  }
  o.phase = 'over';
  refresh('status', 'history', 'memory');
  if (current !== o) return;
  draw();
  document.querySelector('#order button.primary')?.focus();
}

function failed(failure) {
  const r = failure.refusal;
  return html`<div class="notice bad"><p>${r ? `Refused at ${r.phase}. Everything serves as before.` : 'Not done.'}</p>
    ${r?.reasons?.length ? html`<ul>${r.reasons.map(x => html`<li>${String(x.code).replaceAll('_', ' ')}: ${x.subject || ''} ${x.remedy ? html`<br><b>Remedy:</b> ${x.remedy}` : nothing}</li>`)}</ul>`
    : html`<pre>${r?.message || failure.message}</pre>`}</div>`;
}

const loses = html`<label class="check"><input type="checkbox" name="lose"> Do it even if state is lost (a rollback brings it back until the release is confirmed)</label>`;

function moved(reload) {
  return html`<div class="notice">${reload.moves.map(m => html`<p>${m.plugin}: ${m.unchanged ? html`<code>${short(m.to)}</code> serves already`
    : html`<code>${short(m.to)}</code> serves, after ${duration(total(m.phases))}`}.</p>`)}${reload.warning ? html`<p class="bad">${reload.warning}</p>` : nothing}</div>`;
}

export const deploy = p => ({
  title: `Deploy ${p.name}`, button: 'Deploy',
  says: () => html`<label for="file">Image, a file on the server</label><input id="file" name="file" required .value=${p.image} spellcheck="false" autofocus>
    <p>The server copies it into its store, checks it against this process and opens it in a throwaway process. If it fits, calls that begin after
      the flip run in it; those that run${p.generation ? html` finish in <code>${short(p.generation)}</code>` : nothing}.
      ${p.checkpoint || p.uncheckpointed ? 'Callers wait while its state moves.' : nothing} If it doesn't fit, nothing changes.</p>${loses}`,
  do: async form => moved(await api.post('/v1/deploy', {images: {[p.name]: form.get('file')}, lose_state: form.get('lose') !== null})),
});

export const rollback = p => ({
  title: `Roll back ${p.name}`, button: 'Roll back',
  says: async () => {
    const all = (await api.get('/v1/releases')).toReversed();
    const of = r => r.plugins?.[p.name];
    const earlier = all.filter(r => r.number < state.status.release && of(r) && of(r).image !== p.generation);
    const different = earlier.filter((r, i) => !i || of(r).image !== of(earlier[i - 1]).image).slice(0, 20);
    if (!different.length) throw new api.Failure('nothing_to_roll_back', `no earlier release in the store has another image of ${p.name}`);
    return html`<label for="to">Back to</label><select id="to" name="to" autofocus>${different.map(r => html`<option value=${r.number}>release ${r.number}, ${short(of(r).image)}${
      of(r).version ? `, ${of(r).version}` : ''}, ${clock(r.time)}</option>`)}</select>
      <p>Only ${p.name} changes. Calls that begin after the flip run in the earlier image; those that run finish in <code>${short(p.generation)}</code>. Its state goes along, and fields that
        a later image has lost come back as far as they were kept.</p>${loses}`;
  },
  do: async form => moved(await api.post('/v1/rollback', {to: Number(form.get('to')), plugins: [p.name], lose_state: form.get('lose') !== null})),
});

export const handover = () => ({
  title: 'Hand over to a new worker', button: 'Hand over',
  says: () => {
    const last = state.status.handover, old = state.measured?.left?.generations || 0;
    return html`<p>A new worker process takes over ${count(plugins().length, 'plugin')} with all state and connections. No request fails. The old worker,
      pid ${state.status.worker?.pid ?? '–'}, finishes the calls that run in it, and ends${old ? `; with it go ${count(old, 'old generation')}` : ''}.</p>
      <p>${last?.waited ? `In the last handover callers of plugins with state waited ${duration(last.waited.max)} at most.` : 'Callers of plugins with state wait while it moves.'}</p>`;
  },
  do: async () => {
    const h = await api.post('/v1/handover', {why: 'ordered in the console'});
    return html`<div class="notice"><p>Worker ${h.taker} serves. ${h.waited ? `${count(h.waited.calls, 'call')} waited, the longest ${duration(h.waited.max)}.` : 'Nobody waited.'}</p></div>`;
  },
});

export const reloadConfig = () => ({
  title: 'Reload the configuration', button: 'Reload',
  says: async () => {
    const {changes} = await api.post('/v1/reload', {dry_run: true});
    return html`${changes.length ? html`<table><thead><tr><th scope="col">Setting</th><th scope="col">was</th><th scope="col">is</th></tr></thead><tbody>${changes.map(c =>
      html`<tr><th scope="row">${c.key}${c.restart ? html` <span class="bad">needs a restart</span>` : nothing}</th><td>${c.was || '–'}</td><td>${c.is || '–'}</td></tr>`)}</tbody></table>
      <p>A new worker takes over with these settings, or nothing changes.</p>` : html`<p>Nothing has changed in it.</p>`}`;
  },
  do: async () => {
    const r = await api.post('/v1/reload', {why: 'ordered in the console'});
    return html`<div class="notice"><p>${r.handover ? `Worker ${r.handover.taker} serves with it.` : 'There was nothing to do.'}</p></div>`;
  },
});

export const lift = q => ({
  title: `Lift the quarantine of ${short(q.image)}`, button: 'Lift',
  says: () => html`<p>This image of ${q.plugin || 'a plugin'} is in quarantine because: ${q.reason}</p>
    <p>It may be tried again, and is when it is deployed. If it ends another worker, running requests of all plugins fail, and it is back in quarantine.</p>`,
  do: async () => {
    await api.post('/v1/quarantine/lift', {image: q.image});
    return html`<div class="notice"><p><code>${short(q.image)}</code> may be deployed again.</p></div>`;
  },
});

export const trigger = (p, t) => ({
  title: `${t.disabled ? 'Enable' : 'Disable'} ${t.name} of ${p.name}`, button: t.disabled ? 'Enable' : 'Disable',
  says: () => html`<p>${t.disabled ? `${p.name} is called again by ${t.spec}.` : `${p.name} is not called by ${t.spec} any more, also after a restart, until the trigger is enabled.`}</p>`,
  do: async () => {
    await api.post(`/v1/triggers/${t.disabled ? 'enable' : 'disable'}`, {plugin: p.name, name: t.name});
    return html`<div class="notice"><p>Done.</p></div>`;
  },
});
