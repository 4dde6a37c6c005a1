// Generations of all plugins over time.

import {html, nothing} from '../lit/lit-html.js';
import {repeat} from '../lit/directives/repeat.js';
import {state, changed, plugins, shown} from '../store.js';
import {strip, axis, lives, marks, windowOf, chooseSpan} from '../lanes.js';

export function timeline() {
  const rows = shown();
  const w = windowOf(rows.flatMap(p => lives(p.name).map(l => l.from)).sort((a, b) => a - b));
  const found = marks(w);
  return html`<h1>Timeline</h1><div class="tools">
    <label class="filter">Filter <input type="search" .value=${state.filter} placeholder="/" @input=${e => { state.filter = e.target.value; changed(); }}></label>
    ${chooseSpan(changed)}<span class="legend"><span class="key now"></span>serves now<span class="key past"></span>before<span class="refusal">×</span>refused
      <span class="key handover"></span>handover<span class="key crash"></span>crash</span></div>
    ${rows.length ? html`<table class="timeline"><thead class="visually-hidden"><tr><th scope="col">Plugin</th><th scope="col">Generations</th><th scope="col">Changes</th></tr></thead>
      <tbody>${repeat(rows, p => p.name, p => {
        const changes = lives(p.name).filter(l => l.from > w.from && l.event.from).length;
        return html`<tr><th scope="row"><a href=${`#/plugin/${encodeURIComponent(p.name)}`}>${p.name}</a></th>
          <td>${strip(p.name, w, found)}</td><td class="number">${changes || nothing}<span class="visually-hidden"> changes</span></td></tr>`;
      })}</tbody><tfoot aria-hidden="true"><tr><td></td><td>${axis(w)}</td><td></td></tr></tfoot></table>`
    : html`<p class="empty">${plugins().length ? 'No plugin fits the filter.' : 'No plugins yet.'}</p>`}`;
}
