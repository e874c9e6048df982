/**
 * The element that the page is known to have.
 * @template {Element} T
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => T} kind
 * @returns {T}
 */
export function find(root, selector, kind) {
  const element = root.querySelector(selector);
  if (!(element instanceof kind)) throw new Error(`The page has no ${selector}`);
  return element;
}

/**
 * @param {string} name
 * @param {Record<string, string>} attributes
 * @param {(Node | string)[]} children
 */
export function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

const JSON_TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|\b(true|false|null)\b/g;

/**
 * Shows JSON with its names, texts and numbers marked.
 * @param {Element} target
 * @param {string} text
 */
export function showJson(target, text) {
  target.replaceChildren();
  let end = 0;
  for (const match of text.matchAll(JSON_TOKEN)) {
    const [whole, string, colon = '', number] = match;
    const kind = string === undefined ? (number === undefined ? 'word' : 'number') : colon === '' ? 'text' : 'name';
    target.append(text.slice(end, match.index), element('span', { class: `t-${kind}` }, string ?? whole), colon);
    end = match.index + whole.length;
  }
  target.append(text.slice(end));
}

/**
 * Copies what the button's panel shows, and says so for a moment.
 * @param {HTMLElement} button
 */
export async function copyPanel(button) {
  const code = button.closest('.panel')?.querySelector('code');
  const label = button.firstChild;
  if (code === null || code === undefined || label === null) return;
  const before = label.textContent;
  try {
    await navigator.clipboard.writeText(code.textContent ?? '');
    label.textContent = 'Copied';
  } catch {
    // Without the permission, or over plain http: the text is selected, so that the keyboard copies it.
    getSelection()?.selectAllChildren(code);
    label.textContent = 'Selected';
  }
  setTimeout(() => {
    label.textContent = before;
  }, 1600);
}
