export type { DocsSite } from './docs-site.ts';
export { DOCS_PATH, registerDocsSite } from './register-docs-site.ts';
