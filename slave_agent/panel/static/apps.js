// The table of apps: asked for again every few seconds while somebody can see it.

import { AppRow } from './app_row.js';
import { element } from './elements.js';
import { banner, notify, tell } from './page.js';
import { texts } from './texts.js';
import { callWithSession } from './wire.js';

const PAUSE_MS = 3000;
const PERMISSIONS_EVERY_MS = 60000;
const table = document.getElementById('apps');
const away = document.getElementById('away'); // not the place of notices: what became of an order stays to be read
const empty = document.getElementById('empty');
const rows = new Map();
let timer = 0;
let isAsking = false;
let permissionsAsked = -Infinity;

async function operate(row, verb) {
  row.begin(verb);
  try {
    const app = await callWithSession('POST', `/api/apps/${encodeURIComponent(row.name)}/${verb}`, {});
    row.end();
    row.show(app);
    notify('ok', `${row.name}: ${texts[app.status] ?? app.status}`);
  } catch (problem) {
    row.end();
    if (problem.status === 0) problem.hint = texts.outcome_unknown;
    tell(problem, `${row.name}: ${texts[verb]}`);
  }
  refresh();
}

function show(apps) {
  const names = new Set(apps.map((app) => app.name));
  for (const [name, row] of rows) {
    if (!names.has(name)) {
      row.node.remove();
      rows.delete(name);
    }
  }
  const body = table.tBodies[0];
  apps.forEach((app, index) => {
    if (!rows.has(app.name)) rows.set(app.name, new AppRow(app.name, operate));
    const row = rows.get(app.name);
    row.show(app);
    if (body.rows[index] !== row.node) body.insertBefore(row.node, body.rows[index] ?? null);
  });
  empty.textContent = texts.no_apps;
  empty.hidden = apps.length > 0;
  table.hidden = apps.length === 0;
}

async function showMissing() {
  if (performance.now() - permissionsAsked < PERMISSIONS_EVERY_MS) return;
  permissionsAsked = performance.now();
  const report = await callWithSession('GET', '/api/permissions');
  const missing = report.permissions.filter((one) => !one.granted);
  const place = document.getElementById('missing');
  place.replaceChildren();
  if (report.ok || missing.length === 0) return;
  place.append(element('div', { className: 'banner warn' },
    element('strong', {}, texts.missing_rights),
    element('ul', {}, ...missing.map((one) => element('li', {}, one.detail,
      ...(one.command ? [element('div', { className: 'command' }, `${texts.to_mend}: `, element('code', {}, one.command))] : []))))));
}

async function refresh() {
  clearTimeout(timer);
  if (document.hidden || isAsking) return;
  isAsking = true;
  try {
    show((await callWithSession('GET', '/api/apps')).apps);
    away.replaceChildren();
    table.classList.remove('old');
    showMissing().catch((problem) => tell(problem, texts.missing_rights));
  } catch (problem) {
    table.classList.add('old');
    away.replaceChildren(banner('bad', problem.message, problem.hint, texts.retrying));
  } finally {
    isAsking = false;
    timer = setTimeout(refresh, PAUSE_MS);
  }
}

document.addEventListener('visibilitychange', refresh);
refresh();
