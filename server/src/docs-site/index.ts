export { type Html, html } from './html.ts';
export { DOCS_PATH, registerDocsSite } from './register-docs-site.ts';
