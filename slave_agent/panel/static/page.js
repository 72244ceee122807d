// What every page has: one place for notices, and the way out.

import { element } from './elements.js';
import { call } from './wire.js';

export function banner(kind, title, ...lines) {
  return element('div', { className: `banner ${kind}` },
    element('strong', {}, title), ...lines.filter(Boolean).map((line) => element('p', {}, line)));
}

export function notify(kind, title, ...lines) {
  document.getElementById('notice').replaceChildren(banner(kind, title, ...lines));
}

export function silence() {
  document.getElementById('notice').replaceChildren();
}

// A problem of the API, with all that it says: wrong fields, the end of an app's log.
export function tell(problem, title = problem.message) {
  const details = title === problem.message ? [] : [problem.message];
  for (const one of problem.document?.problems ?? []) details.push(`${one.field}: ${one.message}`);
  notify('bad', title, ...details, problem.hint);
  const log = problem.document?.log ?? [];
  if (log.length) document.querySelector('#notice .banner').append(element('pre', {}, log.join('\n')));
}

document.getElementById('logout')?.addEventListener('click', async () => {
  try {
    await call('POST', '/logout', {});
  } catch (problem) {
    if (problem.status !== 401) return tell(problem);
  }
  location.replace('/login');
});
