// The one place that speaks to the slave. Its problems are thrown as Problem, with the hint for the operator.

import { texts } from './texts.js';

const PATIENCE_MS = 15000;
const OPERATION_PATIENCE_MS = 180000; // an operation answers once the app has proved itself

export class Problem extends Error {
  constructor(status, detail, hint = '', document = {}, retryAfter = '') {
    super(detail);
    Object.assign(this, { status, hint, document, retryAfter });
  }
}

export async function call(method, path, document) {
  const options = {
    method,
    headers: { Accept: 'application/json' },
    signal: AbortSignal.timeout(method === 'GET' ? PATIENCE_MS : OPERATION_PATIENCE_MS),
  };
  if (document !== undefined) {
    options.headers['Content-Type'] = 'application/json';
    options.body = JSON.stringify(document);
  }
  let response;
  let answer;
  try {
    response = await fetch(path, options);
    answer = await response.json();
  } catch {
    throw new Problem(0, texts.unreachable);
  }
  if (response.ok) return answer;
  throw new Problem(response.status, answer.detail ?? response.statusText, answer.hint, answer,
    response.headers.get('Retry-After') ?? '');
}

// The same for pages that need a session: who has none any more is shown the login.
export async function callWithSession(method, path, document) {
  try {
    return await call(method, path, document);
  } catch (problem) {
    if (problem.status === 401) location.replace('/login');
    throw problem;
  }
}
