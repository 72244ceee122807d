// The audit log, newest first: pages before and after the numbers that are shown.

import { element } from './elements.js';
import { silence, tell } from './page.js';
import { texts } from './texts.js';
import { callWithSession } from './wire.js';

const PAGE = 50;
const COLUMNS = ['time', 'who', 'address', 'what', 'status'];
const place = Object.fromEntries(['empty', 'newest', 'newer', 'older', 'where'].map((id) => [id, document.getElementById(id)]));
const table = document.getElementById('audit');
let asked = 0;
let shown = { oldest: 0, newest: 0 };

function cell(entry, key) {
  const text = key === 'time' ? entry.time.replace('T', ' ').replace('Z', '') : String(entry[key] ?? '');
  const label = texts[key === 'status' ? 'result' : key];
  const colour = key === 'status' ? (entry.status > 0 && entry.status < 400 ? 'state ok' : 'state bad') : '';
  return element('td', { className: key, 'data-label': label }, element('span', { className: colour }, text));
}

function show(answer) {
  const entries = [...answer.entries].reverse();
  table.tBodies[0].replaceChildren(
    ...entries.map((entry) => element('tr', {}, ...COLUMNS.map((key) => cell(entry, key)))));
  shown = { newest: entries[0]?.id ?? 0, oldest: entries.at(-1)?.id ?? 0 };
  const isEmpty = entries.length === 0;
  place.empty.textContent = texts.no_entries;
  place.empty.hidden = !isEmpty;
  table.hidden = isEmpty;
  place.newer.disabled = isEmpty || shown.newest >= answer.last_id;
  place.older.disabled = isEmpty || shown.oldest <= answer.first_id;
  place.where.textContent = isEmpty ? '' : texts.entries.replace('{first}', shown.newest)
    .replace('{last}', shown.oldest);
}

async function load(query) {
  const mine = (asked += 1);
  try {
    const answer = await callWithSession('GET', `/api/audit?limit=${PAGE}${query}`);
    if (mine !== asked) return; // another page was asked for since
    show(answer);
    silence();
  } catch (problem) {
    place.empty.hidden = true;
    tell(problem);
  }
}

place.newest.addEventListener('click', () => load(''));
place.newer.addEventListener('click', () => load(`&after=${shown.newest}`));
place.older.addEventListener('click', () => load(`&before=${shown.oldest}`));
load('');
