// The control API, as package control describes it.

// Failure is an answer that is no success. code is "" if nobody has answered.
export class Failure extends Error {
  constructor(code, message, refusal) {
    super(message);
    this.code = code;
    this.refusal = refusal;
  }
}

async function call(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method, credentials: 'same-origin', cache: 'no-store',
      headers: method === 'POST' ? {'Content-Type': 'application/json', 'Sohost-Console': '1'} : {},
      body: body && JSON.stringify(body),
    });
  } catch {
    throw new Failure('', 'the server does not answer');
  }
  if (response.ok) return response;
  let failure;
  try {
    failure = await response.json();
  } catch {
    failure = {code: 'failed', error: `the server answers ${response.status} ${response.statusText}`};
  }
  throw new Failure(failure.code, failure.error, failure.refusal);
}

export const get = async path => (await call('GET', path)).json();
export const text = async path => (await call('GET', path)).text();
export const post = async (path, body) => (await call('POST', path, body)).json();
export const login = token => call('POST', '/login', {token});
