// What the server put into the page for the scripts: the texts in the browser's language, the rights of the session.

export const texts = JSON.parse(document.body.dataset.texts);
export const rights = new Set(document.body.dataset.rights.split(' '));
