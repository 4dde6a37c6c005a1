// Texts for numbers, times and names. Durations come from the server in nanoseconds.

const ms = 1e6, second = 1e9;

// duration returns a duration with at most three digits: "0.04 ms", "37 ms", "1.2 s", "3 h 5 min".
export function duration(ns) {
  if (ns < 100 * ms) return `${digits(ns / ms)} ms`;
  if (ns < second) return `${Math.round(ns / ms)} ms`;
  if (ns < 60 * second) return `${digits(ns / second)} s`;
  const min = Math.floor(ns / second / 60);
  if (min < 60) return `${min} min`;
  if (min < 48 * 60) return min % 60 ? `${Math.floor(min / 60)} h ${min % 60} min` : `${min / 60} h`;
  return `${Math.floor(min / 60 / 24)} days`;
}

function digits(x) {
  if (x === 0) return '0';
  if (x < 0.001) return '<0.001';
  return x < 0.1 ? x.toFixed(3).replace(/0+$/, '') : x < 10 ? x.toFixed(1).replace(/\.0$/, '') : x.toFixed(0);
}

// size returns a number of bytes.
export function size(bytes) {
  for (const [unit, of] of [['GiB', 2 ** 30], ['MiB', 2 ** 20], ['KiB', 2 ** 10]]) {
    if (bytes >= of) return `${digits(bytes / of)} ${unit}`;
  }
  return `${bytes || 0} B`;
}

// Go's zero time stands for none.
export const when = text => text && !text.startsWith('0001-') ? new Date(text) : null;

// age returns how long ago a time was, in nanoseconds.
export const age = text => Math.max(0, Date.now() - new Date(text)) * ms;

export const ago = text => when(text) ? `${duration(age(text))} ago` : '–';

const time = new Intl.DateTimeFormat('en-GB', {hour: '2-digit', minute: '2-digit', second: '2-digit'});
const day = new Intl.DateTimeFormat('en-GB', {day: 'numeric', month: 'short'});

// clock returns a time of day, with the date unless that is today.
export function clock(text) {
  const at = new Date(text);
  return at.toDateString() === new Date().toDateString() ? time.format(at) : `${day.format(at)} ${time.format(at)}`;
}

// short returns the beginning of an image's id.
export const short = id => id ? id.slice(0, 12) : '–';

export const count = (n, one, many = one + 's') => `${n.toLocaleString('en')} ${n === 1 ? one : many}`;

export const total = phases => Object.values(phases || {}).reduce((a, b) => a + b, 0);

export const base = file => file.slice(file.lastIndexOf('/') + 1);
