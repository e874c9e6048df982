import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { extname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { DocsSite } from './docs-site.ts';
import { renderPage } from './render-page.ts';
import { siteData } from './site-data.ts';

/** Where the interactive documentation is on every host (contract §1). A problem's `type` is `<base URL>/partner-api#CODE`. */
export const DOCS_PATH = '/partner-api';

/**
 * Adds the documentation page, its few files and `openapi.json` to the server. All of it is public, is rendered once, and is
 * answered from memory; nothing of it comes from, or connects to, another origin.
 */
export function registerDocsSite(app: FastifyInstance, site: DocsSite): void {
  const files = new Map<string, StoredFile>();
  const add = (path: string, content: string | Buffer) => files.set(path, stored(path, content));
  add('/index.html', renderPage(site));
  add('/openapi.json', JSON.stringify(site.document));
  add('/site.json', JSON.stringify(siteData(site)));
  for (const name of PAGE_FILES) add(`/${name}`, readFileSync(new URL(name, PAGE_FOLDER)));
  for (const name of SIGNATURE_FILES) {
    add(`/signature/${name}`, readFileSync(new URL(name, signatureFolder())));
  }
  for (const [path, file] of files) {
    const paths = path === '/index.html' ? ['', '/'] : [path];
    for (const end of paths) {
      app.get(`${DOCS_PATH}${end}`, { config: { scope: 'anyone' } }, (request, reply) => answer(request, reply, file));
    }
  }
}

/** `src/` is there beside `dist/`, so that the path holds for the sources and for the compiled files. */
const PAGE_FOLDER = new URL('../../src/docs-site/public/', import.meta.url);
const PAGE_FILES = [
  'fonts/figtree.woff2',
  'fonts/jetbrains-mono.woff2',
  'icon.svg',
  'page.css',
  'layout.css',
  'navigation.css',
  'reference.css',
  'operations.css',
  'try.css',
  'try-outcome.css',
  'page.js',
  'elements.js',
  'keys.js',
  'keys-form.js',
  'navigation.js',
  'outcome.js',
  'request-form.js',
  'signed-request.js',
  'signing-view.js',
  'token-form.js',
];

/** The signature package's own browser build, so that the page signs with the code that partners use. */
const SIGNATURE_FILES = ['browser.js', 'canonical.js'];

function signatureFolder(): URL {
  const entry = createRequire(import.meta.url).resolve('@sirgiving/signature/browser');
  return new URL('../dist/', pathToFileURL(entry));
}

const CONTENT_TYPES: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml; charset=utf-8',
  '.woff2': 'font/woff2',
};

const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

interface StoredFile {
  content: Buffer;
  /** None for what is packed already. */
  zipped: Buffer | undefined;
  etag: string;
  headers: Record<string, string>;
}

function stored(path: string, given: string | Buffer): StoredFile {
  const content = Buffer.from(given);
  const digest = createHash('sha256').update(content).digest('base64url');
  return {
    content,
    zipped: extname(path) === '.woff2' ? undefined : gzipSync(content),
    etag: `W/"${digest.slice(0, 22)}"`,
    headers: {
      'content-type': CONTENT_TYPES[extname(path)] ?? 'application/octet-stream',
      'content-security-policy': CONTENT_SECURITY_POLICY,
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      // Kept, but asked for anew each time: a page and its script must be of one edition.
      'cache-control': 'no-cache',
      vary: 'accept-encoding',
    },
  };
}

function answer(request: FastifyRequest, reply: FastifyReply, file: StoredFile): FastifyReply {
  reply.headers({ ...file.headers, etag: file.etag });
  if (request.headers['if-none-match'] === file.etag) return reply.code(304).send();
  const takesGzip = file.zipped !== undefined && /\bgzip\b/.test(request.headers['accept-encoding'] ?? '');
  return takesGzip ? reply.header('content-encoding', 'gzip').send(file.zipped) : reply.send(file.content);
}
