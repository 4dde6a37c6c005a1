// The page: its parts, which view is shown, and when it is drawn.

import {html, render, nothing} from './lit/lit-html.js';
import * as api from './api.js';
import {state, watch, changed, refresh} from './store.js';
import {listen} from './live.js';
import {short, count} from './format.js';
import {overview} from './views/overview.js';
import {pluginView} from './views/plugin.js';
import {timeline} from './views/timeline.js';
import {server} from './views/server.js';
import {crashes, crash} from './views/crashes.js';
import {history} from './views/history.js';

const views = [
  {path: '', name: 'Plugins', draw: overview},
  {path: 'timeline', name: 'Timeline', draw: timeline},
  {path: 'server', name: 'Server', draw: server},
  {path: 'crashes', name: 'Crashes', draw: crashes},
  {path: 'history', name: 'History', draw: history},
];

// route returns the view that the address names, and its argument.
function route() {
  const [path, ...rest] = location.hash.replace(/^#\/?/, '').split('/').map(decodeURIComponent);
  const of = rest.join('/');
  if (path === 'plugin') return {path: '', title: of, draw: () => pluginView(of)};
  if (path === 'crash') return {path: 'crashes', title: 'Crash', draw: () => crash(of)};
  const view = views.find(v => v.path === path) ?? views[0];
  return {...view, title: view.name};
}

function draw() {
  const shown = route();
  document.title = `${shown.title} · sohost`;
  render(top(shown.path), document.getElementById('top'));
  render(content(shown), document.getElementById('main'));
}

function top(path) {
  const links = {connecting: 'connecting…', live: 'live', lost: 'not connected'};
  return html`<div class="bar-top"><a class="name" href="#/">sohost</a>
    <nav aria-label="Views">${views.map(v => html`<a href=${`#/${v.path}`} aria-current=${v.path === path ? 'page' : nothing}>${v.name}</a>`)}</nav>
    <span class="link ${state.link}" title="events from the server">${links[state.link]}</span>
    <span class="host">${location.host}</span></div>`;
}

function content(shown) {
  if (state.locked) return loginForm();
  if (!state.status) {
    return html`<p class="empty">${state.fault ? `Nothing is known: ${state.fault}.` : 'Asking the server…'}</p>`;
  }
  return html`${state.fault ? html`<p class="notice bad" role="alert">What follows is old: ${state.fault}.</p>` : nothing}
    ${state.status.unknown ? html`<p class="notice bad" role="alert">What plugins do isn't known: ${state.status.unknown}.</p>` : nothing}${shown.draw()}`;
}

let refused = '';

function loginForm() {
  const submit = async e => {
    e.preventDefault();
    try {
      await api.login(e.target.token.value);
      refused = '';
      refresh('status', 'memory', 'history');
    } catch (failure) {
      refused = failure.message;
      changed();
    }
  };
  return html`<form class="login" @submit=${submit}><h1>Log in</h1>
    <label for="token">Token, from the file that <code>console_token_file</code> names</label>
    <input id="token" name="token" type="password" autocomplete="current-password" required aria-describedby="refused">
    <button class="primary">Log in</button><p id="refused" class="bad" role="alert">${refused}</p></form>`;
}

// announce tells those who don't see the page what has changed.
function announce(kind, e) {
  const name = e.plugin || 'the server';
  const text = {
    deploy: `${name}: generation ${short(e.to)} serves`, rollback: `${name}: back to generation ${short(e.to)}`,
    refuse: `${name}: an image was refused`, quarantine: `${name}: an image is in quarantine`, 'worker died': 'A worker has died',
    'worker serves': 'A new worker serves', handover: 'A new worker has taken over', 'handover failed': 'The handover has failed',
    'build failed': `${name}: the build failed`, 'configuration failed': 'The configuration was not taken up',
    missed: `${count(e.missed || 0, 'event')} were missed`,
  }[kind];
  if (text) document.getElementById('said').textContent = text;
}

addEventListener('hashchange', () => {
  draw();
  scrollTo(0, 0);
  document.getElementById('main').focus({preventScroll: true});
});

// Ages grow without events.
setInterval(() => { if (!document.hidden) changed(); }, 10_000);

// "/" goes to the filter, as in many programs.
addEventListener('keydown', e => {
  if (e.key !== '/' || e.ctrlKey || e.metaKey || /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName) || document.getElementById('order').open) return;
  const filter = document.querySelector('input[type=search]');
  if (filter) {
    e.preventDefault();
    filter.focus();
  }
});

watch(draw);
await refresh('status', 'memory', 'history');
listen(announce);
