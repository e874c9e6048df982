import { readFileSync } from 'node:fs';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { DOCS_PATH, type Html, html } from '../docs-site/index.ts';

/** Nothing from elsewhere, nothing inline, no forms but those that a script of this host sends. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const HEADERS = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cache-control': 'no-store',
};

/** `src/` is there beside `dist/`, so that the path holds for the sources and for the compiled files. */
const PUBLIC_FOLDER = new URL('../../src/pages/public/', import.meta.url);
const SCRIPT_TYPE = 'text/javascript; charset=utf-8';
const FILES: Readonly<Record<string, string>> = {
  'pages.css': 'text/css; charset=utf-8',
  'account.js': SCRIPT_TYPE,
  'calls.js': SCRIPT_TYPE,
  'invitation.js': SCRIPT_TYPE,
};

/** Adds the files that the pages are dressed with. */
export function registerPageFiles(app: FastifyInstance): void {
  for (const [name, type] of Object.entries(FILES)) {
    const content = readFileSync(new URL(name, PUBLIC_FOLDER));
    app.get(`/pages/${name}`, { config: { scope: 'anyone' } }, (_request, reply) =>
      reply.headers({ ...HEADERS, 'content-type': type }).send(content),
    );
  }
}

/** Where a page says what came of a call. A script moves the focus there when what had it is gone. */
export const outcome = html`<p class="outcome" role="status" tabindex="-1" hidden></p>`;
export const needsScript = html`<noscript><p>This page needs JavaScript.</p></noscript>`;

/** A page in the dress of the documentation, without its navigation. */
export function plainPage(title: string, content: Html, script?: string): string {
  return html`<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>${title} · SIR Giving</title>
  <link rel="icon" href="${DOCS_PATH}/icon.svg" type="image/svg+xml">
  <link rel="preload" href="${DOCS_PATH}/fonts/figtree.woff2" as="font" type="font/woff2" crossorigin>
  <link rel="stylesheet" href="${DOCS_PATH}/page.css">
  <link rel="stylesheet" href="${DOCS_PATH}/layout.css">
  <link rel="stylesheet" href="/pages/pages.css">
  ${script !== undefined && html`<script type="module" src="${script}"></script>`}
</head>
<body>
  <main class="plain">
    <a class="brand" href="${DOCS_PATH}"><img src="${DOCS_PATH}/icon.svg" alt="" width="26" height="26"><span>SIR Giving</span></a>
    <h1>${title}</h1>
    ${content}
  </main>
</body>
</html>
`.text;
}

/** Answers a page. */
export function sendPage(reply: FastifyReply, page: string): FastifyReply {
  return reply.headers({ ...HEADERS, 'content-type': 'text/html; charset=utf-8' }).send(page);
}
