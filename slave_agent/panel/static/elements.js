// Making elements: whatever comes from elsewhere becomes text, never markup.

export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === 'className' || name === 'disabled' || name === 'title' || name === 'hidden') made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.map((child) => (child instanceof Node ? child : document.createTextNode(String(child)))));
  return made;
}

// Set a text only where it changed: a reader's selection and focus stay.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
