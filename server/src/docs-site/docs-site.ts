import type { Environment } from '@sirgiving/contract';
import type { OpenApiDocument } from '../openapi/document.ts';

export interface DocsSite {
  /** The page tells which keys fit this host, and takes a secret key only on a sandbox host. */
  environment: Environment;
  /** What `buildOpenApi` made: page and "Try it out" are rendered from it alone. */
  document: OpenApiDocument;
}
