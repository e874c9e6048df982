export { DOCS_PATH, registerDocsSite } from './register-docs-site.ts';
