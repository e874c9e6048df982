import type { OpenApiDocument } from '../openapi/document.ts';
import type { DocsSite } from './docs-site.ts';
import { guideSections } from './guide-parts.ts';
import { type Html, html } from './html.ts';
import { markdown } from './markdown.ts';
import { type DocumentedOperation, operationsOf } from './read-document.ts';
import { renderErrors, renderWebhooks } from './render-catalog.ts';
import { renderGuide } from './render-guide.ts';
import { methodTag, renderOperation } from './render-operation.ts';
import { renderTryDialog } from './render-try-dialog.ts';

const STYLES = ['page', 'layout', 'navigation', 'reference', 'operations', 'try', 'try-outcome'];

const FONTS = ['figtree', 'jetbrains-mono'];

interface Group {
  name: string;
  description: string | undefined;
  operations: DocumentedOperation[];
}

/** The whole documentation as one page. It reads and links without any script; scripts add search and "Try it out". */
export function renderPage(site: DocsSite): string {
  const groups = groupsOf(site.document);
  const page = html`<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <meta name="description" content="${site.document.info.summary} The reference of the SIR Giving Partner API, to read and to try.">
  <title>SIR Giving Partner API</title>
  <link rel="icon" href="/partner-api/icon.svg" type="image/svg+xml">
  ${FONTS.map((name) => html`<link rel="preload" href="/partner-api/fonts/${name}.woff2" as="font" type="font/woff2" crossorigin>`)}
  ${STYLES.map((name) => html`<link rel="stylesheet" href="/partner-api/${name}.css">`)}
  <script type="module" src="/partner-api/page.js"></script>
</head>
<body data-environment="${site.environment}">
  <a class="skip" href="#content">Skip to the content</a>
  ${topBar(site)}
  <div class="frame">
    ${navigation(site.document, groups)}
    <main id="content" tabindex="-1">
      ${renderGuide(site)}
      ${renderWebhooks(site.document)}
      ${renderErrors(site.document)}
      ${groups.map((group) => renderGroup(site.document, group))}
      <footer class="foot"><p>${site.document.info.title} ${site.document.info.version}</p></footer>
    </main>
  </div>
  ${renderTryDialog(site.environment)}
</body>
</html>
`;
  return page.text;
}

function topBar({ environment }: DocsSite): Html {
  return html`<header class="bar">
    <button type="button" class="menu" aria-expanded="false" aria-controls="navigation" data-scripted><span class="menu-lines" aria-hidden="true"></span><span class="visually-hidden">Contents</span></button>
    <a class="brand" href="#introduction"><img src="/partner-api/icon.svg" alt="" width="26" height="26"><span>SIR Giving <span class="brand-part">Partner API</span></span></a>
    <span class="environment environment-${environment}">${environment === 'sandbox' ? 'Sandbox' : 'Production'}</span>
    <button type="button" class="keys-button" data-keys data-scripted><span class="keys-dot" aria-hidden="true"></span><span data-keys-label>Enter keys</span></button>
  </header>`;
}

function navigation(document: OpenApiDocument, groups: readonly Group[]): Html {
  const item = (id: string, label: Html | string, words: string) =>
    html`<li data-words="${words.toLowerCase()}"><a href="#${id}">${label}</a></li>`;
  const operationItem = ({ method, path, operation }: DocumentedOperation) =>
    item(
      operation.operationId,
      html`<span class="nav-text">${operation.summary}</span>${methodTag(method)}`,
      `${method} ${path} ${operation.summary} ${operation.operationId}`,
    );
  return html`<nav id="navigation" aria-label="Contents">
    <div class="search" data-scripted><label class="visually-hidden" for="search">Search the contents</label>
      <input id="search" type="search" placeholder="Search" autocomplete="off" spellcheck="false"><kbd aria-hidden="true">/</kbd></div>
    <p class="nav-empty" role="status" hidden></p>
    <div class="nav-groups">
      <section><h2>Guide</h2><ul>${guideSections.map(({ id, title }) => item(id, title, title))}
        ${item('webhooks', 'Webhooks', 'webhooks verify signature delivery')}${item('errors', 'Errors', 'errors problem codes')}</ul></section>
      ${groups.map(
        (group) => html`<section><h2>${group.name}</h2><ul>${group.operations.map(operationItem)}</ul></section>`,
      )}
      <section data-search-only hidden><h2>Event types</h2><ul>${Object.entries(document.webhooks).map(
        ([type, { post }]) => item(`event-${type}`, html`<code>${type}</code>`, `${type} ${post.description}`),
      )}</ul></section>
      <section data-search-only hidden><h2>Error codes</h2><ul>${Object.entries(document['x-error-catalog']).map(
        ([code, entry]) => item(code, html`<code>${code}</code>`, `${code} ${entry.status} ${entry.title}`),
      )}</ul></section>
    </div>
  </nav>`;
}

function renderGroup(document: OpenApiDocument, { name, description, operations }: Group): Html {
  const id = name.toLowerCase().replaceAll(' ', '-');
  return html`<section class="group" aria-labelledby="group-${id}">
    <div class="group-head"><h2 id="group-${id}"><a href="#group-${id}">${name}</a></h2>
    ${description === undefined ? '' : html`<div class="prose">${markdown(description)}</div>`}</div>
    ${operations.map((operation) => renderOperation(document, operation))}
  </section>`;
}

function groupsOf(document: OpenApiDocument): Group[] {
  const operations = operationsOf(document);
  return document.tags.map(({ name, description }) => ({
    name,
    description,
    operations: operations.filter(({ operation }) => operation.tags.includes(name)),
  }));
}
