// One app as a row of the table. It is kept while the app is there, so that focus stays where it was.

import { element, setText } from './elements.js';
import { rights, texts } from './texts.js';

const VERBS = ['start', 'stop', 'restart'];
const MIB = 1024 * 1024;
const COLOURS = {
  running: 'ok', crashed: 'bad', failed: 'bad', zombie: 'bad', starting: 'warn', restarting: 'warn', stopping: 'warn',
};

export class AppRow {
  constructor(name, onVerb) {
    this.isAtWork = false;
    this.status = element('span', { className: 'state' });
    this.problem = element('small', { className: 'problem' });
    this.numbers = Object.fromEntries(['pid', 'cpu', 'ram'].map((key) => [key, element('td', { className: key })]));
    this.buttons = VERBS.map((verb) => {
      const button = element('button', { type: 'button', 'data-verb': verb, 'aria-label': `${texts[verb]}: ${name}` },
        texts[verb]);
      button.addEventListener('click', () => onVerb(this, verb));
      return button;
    });
    for (const key of Object.keys(this.numbers)) this.numbers[key].dataset.label = texts[key];
    this.name = name;
    this.node = element('tr', { 'data-app': name },
      element('th', { scope: 'row', className: 'name' }, name),
      element('td', { className: 'status', 'data-label': texts.status }, this.status, this.problem),
      ...Object.values(this.numbers),
      element('td', { className: 'actions' }, ...this.buttons));
    this.allow();
  }

  show(app) {
    const cpu = app.cpu_percent === null ? '–' : `${app.cpu_percent.toFixed(1)} %`;
    const ram = app.memory_bytes === null ? '–' : `${(app.memory_bytes / MIB).toFixed(1)} MiB`;
    setText(this.numbers.pid, app.pid === null ? '–' : String(app.pid));
    setText(this.numbers.cpu, cpu);
    setText(this.numbers.ram, ram);
    setText(this.problem, app.problem ?? '');
    if (this.isAtWork) return;
    setText(this.status, texts[app.status] ?? app.status);
    this.status.className = `state ${COLOURS[app.status] ?? ''}`;
  }

  begin(verb) {
    this.isAtWork = true;
    setText(this.status, texts[`${verb}_doing`]);
    this.status.className = 'state warn';
    this.allow();
  }

  end() {
    this.isAtWork = false;
    this.allow();
  }

  allow() {
    for (const button of this.buttons) {
      button.disabled = this.isAtWork || !rights.has('operate');
      button.title = rights.has('operate') ? '' : texts.no_right;
    }
  }
}
