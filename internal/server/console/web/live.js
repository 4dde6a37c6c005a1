// Events from the server. Each only says what to ask for again, so none has to arrive twice and none is missed for long.

import {state, refresh, changed, plugin} from './store.js';

// asks says what an event of a kind makes old. All kinds are here: the browser tells a page only of those it names.
const asks = {
  phase: [], reload: [], flip: ['status'], abandon: ['status'], defer: ['status'], retire: ['status', 'memory'],
  boot: ['status', 'history'], deploy: ['status', 'history', 'memory'], refuse: ['status', 'history'], rollback: ['status', 'history', 'memory'],
  confirm: ['status', 'history'], quarantine: ['status', 'history'], lift: ['status', 'history'], 'leave out': ['status', 'history'],
  crash: ['status', 'history'], checkpoint: [], 'checkpoint failed': ['status', 'history'],
  handover: ['status', 'history', 'memory'], 'handover begins': [], 'handover failed': ['status'],
  'trigger failed': ['status'], 'trigger disabled': ['status'], panic: ['status'], 'cut off': ['status'],
  'worker serves': ['status', 'history', 'memory'], 'worker died': ['status'],
  certificate: [], 'certificate failed': [],
  configuration: ['status'], 'configuration failed': ['status'], 'program confirmed': ['status'], 'program failed': ['status'],
  stop: ['status'], build: ['status'], 'build failed': ['status'],
  missed: ['status', 'history', 'memory'],
};

const pause = 2000; // ms before the next attempt, when the browser makes none

// Events come in bursts; what a burst makes old is asked for once.
const gather = 50;
const stale = new Set();
let timer = 0;

function old(what) {
  for (const w of what) stale.add(w);
  timer ||= setTimeout(() => {
    timer = 0;
    const all = [...stale];
    stale.clear();
    refresh(...all);
  }, gather);
}

// listen follows the server's events until the page is closed.
export function listen(announce) {
  const source = new EventSource('/v1/events');
  source.onopen = () => {
    if (state.link !== 'live') {
      old(['status', 'history', 'memory']);
      state.phases = {}; // their ends may be missed
    }
    state.link = 'live';
    changed();
  };
  source.onerror = () => {
    if (state.link !== 'lost') refresh('status'); // which says why
    state.link = 'lost';
    changed();
    if (source.readyState === EventSource.CLOSED) setTimeout(() => listen(announce), pause);
  };
  for (const [kind, what] of Object.entries(asks)) {
    source.addEventListener(kind, message => {
      const e = JSON.parse(message.data);
      follow(kind, e);
      announce(kind, e);
      old(what);
    });
  }
}

// follow keeps which reloads are under way.
function follow(kind, e) {
  if (kind === 'worker died' || kind === 'missed') state.phases = {};
  if (kind === 'checkpoint') { // there are many, and they say all that is worth knowing
    const of = plugin(e.plugin)?.checkpoint;
    if (of) {
      of.written = e.time;
      delete of.failed;
    }
  } else if (!e.plugin) {
    if (kind === 'phase') state.phases[''] = e.detail;
    if (kind === 'handover begins') state.phases[''] = 'prepare';
    if (kind.startsWith('handover ') && kind !== 'handover begins' || kind === 'handover') delete state.phases[''];
  } else if (kind === 'reload' || kind === 'phase') {
    state.phases[e.plugin] = kind === 'phase' ? e.detail : 'store';
  } else if (['deploy', 'rollback', 'refuse', 'abandon', 'defer', 'boot'].includes(kind)) {
    delete state.phases[e.plugin];
  }
  changed();
}
