// The login: sent as JSON by a script of this very page, which no other site can do.

import { notify, tell } from './page.js';
import { texts } from './texts.js';
import { call } from './wire.js';

const form = document.getElementById('login');

form.addEventListener('submit', async (event) => {
  event.preventDefault();
  const button = form.querySelector('button');
  button.disabled = true;
  try {
    const answer = await call('POST', '/login', { token: form.elements.token.value });
    location.replace(answer.next);
  } catch (problem) {
    button.disabled = false;
    if (problem.status === 401) notify('bad', texts.wrong_token, texts.token_help);
    else if (problem.status === 429) notify('bad', texts.too_many, texts.wait.replace('{seconds}', problem.retryAfter));
    else tell(problem);
    form.elements.token.select();
  }
});
