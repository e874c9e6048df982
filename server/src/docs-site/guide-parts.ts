import { readFileSync } from 'node:fs';
import { type Html, html } from './html.ts';

/** `src/` is there beside `dist/`, so that the path holds for the sources and for the compiled files. */
const SNIPPETS = new URL('../../src/docs-site/snippets/', import.meta.url);

/** The sections in front of the reference, in the order of the navigation. */
export const guideSections = [
  { id: 'introduction', title: 'Introduction' },
  { id: 'first-request', title: 'Your first signed request' },
  { id: 'authentication', title: 'Authentication' },
  { id: 'accounts-and-roles', title: 'Accounts and roles' },
  { id: 'retries', title: 'Retries' },
  { id: 'lists', title: 'Lists' },
  { id: 'rate-limits', title: 'Rate limits' },
] as const;

export function heading(id: string, title = titleOf(id)): Html {
  return html`<h2 id="${id}-title"><a href="#${id}">${title}</a></h2>`;
}

function titleOf(id: string): string {
  return guideSections.find((section) => section.id === id)?.title ?? id;
}

/** Code with a button that copies it; `name` lets a test find the block and run it. */
export function codePanel(title: string, code: Html, name?: string): Html {
  return html`<figure class="panel"><figcaption><span>${title}</span>
    <button type="button" class="copy" data-copy data-scripted>Copy<span class="visually-hidden">: ${title}</span></button></figcaption>
    <pre tabindex="0"${name === undefined ? '' : html` data-snippet="${name}"`}><code>${code}</code></pre></figure>`;
}

export function snippet(file: string): string {
  return readFileSync(new URL(file, SNIPPETS), 'utf8').trimEnd();
}
