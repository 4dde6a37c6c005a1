// What is known of the server, and asking for it. An event only says what to ask for again.

import * as api from './api.js';

export const state = {
  status: null,      // control.Status
  history: [],       // generations.Event, oldest first
  measured: null,    // the last status with memory, and when it was asked for
  link: 'connecting',  // or live, lost, closed
  locked: false,     // a token is needed
  fault: '',         // why nothing is known
  phases: {},        // by plugin, the phase of a reload under way
  filter: '', only: 'all', kind: 'all', span: 'auto',
};

const watchers = new Set();
let due = false;

// changed has everything drawn again, once for all changes until the next frame.
export function changed() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    for (const w of watchers) w();
  });
}

export const watch = f => watchers.add(f);

const historyKept = 1000, historyStep = 50;

const ask = {
  async status() {
    take(await api.get('/v1/status?brief=true'));
  },
  async memory() {
    const s = await api.get('/v1/status');
    state.measured = {at: new Date().toISOString(), left: s.left, memory: s.memory, supervisor: s.supervisor_memory, worker: s.worker, draining: s.draining,
      of: Object.fromEntries((s.plugins || []).flatMap(p => p.generations.map(g => [`${p.name} ${g.id}`, g.memory.resident])))};
    take(s);
  },
  async history() {
    const known = state.history;
    let events = await api.get(`/v1/history?n=${known.length ? historyStep : historyKept}`);
    const last = known.at(-1);
    if (last && !events.some(e => same(e, last))) events = await api.get(`/v1/history?n=${historyKept}`);
    const from = last ? events.findIndex(e => same(e, last)) : -1;
    state.history = (from < 0 ? events : known.concat(events.slice(from + 1))).slice(-historyKept);
  },
};

const same = (a, b) => a.time === b.time && a.kind === b.kind && a.plugin === b.plugin;

function take(status) {
  state.status = status;
  state.locked = false;
  state.fault = '';
}

const asking = {}, again = {};

// refresh asks for status, memory or history. What is asked for while an answer is under way is asked for once more.
export async function refresh(...what) {
  await Promise.all(what.map(async name => {
    if (asking[name]) {
      again[name] = true;
      return;
    }
    asking[name] = true;
    try {
      do {
        again[name] = false;
        await ask[name]();
      } while (again[name]);
    } catch (failure) {
      if (failure.code === 'unauthorized') state.locked = true;
      else state.fault = failure.message;
    } finally {
      asking[name] = false;
    }
  }));
  changed();
}

export const plugins = () => state.status?.plugins || [];
export const plugin = name => plugins().find(p => p.name === name);

// condition says how a plugin is: its name, what it means, and whether somebody should look.
export function condition(p) {
  const build = failedBuild(p.name);
  if (p.booting) return {name: 'booting', bad: false};
  if (build) return {name: 'build failed', bad: true};
  if (p.refused) return {name: p.generation ? 'refused' : 'down', bad: true};
  if (!p.generation) return {name: 'down', bad: true};
  if (p.stopped) return {name: 'stopped', bad: true};
  if (p.gated) return {name: 'moving', bad: false};
  if (state.phases[p.name]) return {name: 'reloading', bad: false};
  if (p.generations.length > 1) return {name: 'draining', bad: false};
  return {name: 'serving', bad: false};
}

// failedBuild returns the last build of a plugin if it failed and no later image was taken.
export function failedBuild(name) {
  return (state.status?.failed_builds || []).find(b => b.plugin === name);
}

// shown returns the plugins that pass the filter.
export function shown() {
  const words = state.filter.toLowerCase().split(/\s+/).filter(Boolean);
  return plugins().filter(p => {
    const c = condition(p);
    const fits = state.only === 'all' || (state.only === 'failing' ? c.bad : c.name === state.only);
    return fits && words.every(w => `${p.name} ${c.name} ${p.generation || ''} ${p.version || ''} ${p.mode}`.toLowerCase().includes(w));
  });
}
