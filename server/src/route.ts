import type { Scope } from './partners/index.ts';
import type { Endpoint } from './platform/endpoint.ts';

/** One line of the table: method, path, scope (who may call; a route without one does not build), endpoint. */
export type Route = readonly [
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
  path: string,
  scope: Scope,
  endpoint: Endpoint,
];
