// The audit log, newest first. Entries are numbered without a gap, so that a page is known by its oldest number.

import { element } from './elements.js';
import { silence, tell } from './page.js';
import { texts } from './texts.js';
import { callWithSession } from './wire.js';

const PAGE = 50;
const COLUMNS = ['time', 'who', 'address', 'what', 'status'];
const place = Object.fromEntries(['empty', 'newest', 'newer', 'older', 'where'].map((id) => [id, document.getElementById(id)]));
const table = document.getElementById('audit');
let shown = { oldest: 0, newest: 0, first: 0 };

function cell(entry, key) {
  const text = key === 'time' ? entry.time.replace('T', ' ').replace('Z', '') : String(entry[key] ?? '');
  const label = texts[key === 'status' ? 'result' : key];
  const colour = key === 'status' ? (entry.status < 400 ? 'state ok' : 'state bad') : '';
  return element('td', { className: key, 'data-label': label }, element('span', { className: colour }, text));
}

function show(answer) {
  const entries = [...answer.entries].reverse();
  table.tBodies[0].replaceChildren(
    ...entries.map((entry) => element('tr', {}, ...COLUMNS.map((key) => cell(entry, key)))));
  shown = { newest: entries[0]?.id ?? 0, oldest: entries.at(-1)?.id ?? 0, first: answer.first_id };
  const isEmpty = entries.length === 0;
  place.empty.textContent = texts.no_entries;
  place.empty.hidden = !isEmpty;
  table.hidden = isEmpty;
  place.newer.disabled = place.newest.disabled = isEmpty || shown.newest >= answer.last_id;
  place.older.disabled = isEmpty || shown.oldest <= answer.first_id;
  place.where.textContent = isEmpty ? '' : texts.entries.replace('{first}', shown.newest)
    .replace('{last}', shown.oldest).replace('{all}', answer.last_id);
}

async function load(query, limit = PAGE) {
  try {
    show(await callWithSession('GET', `/api/audit?limit=${limit}${query}`));
    silence();
  } catch (problem) {
    place.empty.hidden = true;
    tell(problem);
  }
}

place.newest.addEventListener('click', () => load(''));
place.newer.addEventListener('click', () => load(`&after=${shown.newest}`));
place.older.addEventListener('click', () => {
  const after = Math.max(shown.first - 1, shown.oldest - 1 - PAGE);
  load(`&after=${after}`, shown.oldest - 1 - after);
});
load('');
