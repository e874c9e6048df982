export { DOCS_PATH, type DocsSite, registerDocsSite } from './register-docs-site.ts';
