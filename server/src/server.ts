import type { Endpoint } from './platform/endpoint.ts';

/** Who may call a route. A route without one does not build. */
export type Scope = 'public' | 'signed' | 'secretKey';

/** One line of the table: method, path, scope, endpoint. */
export type Route = readonly [method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, scope: Scope, endpoint: Endpoint];
