import type { Environment } from '@sirgiving/contract';
import { type FieldError, problem } from '../../platform/problem-json.ts';

/** What a page on the developer’s own machine has for a host. */
const LOCAL_HOSTS = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * Brings origins of pages into the form that browsers send: `https://shop.example`. Pages without TLS are for trying things out: on
 * this machine, in the sandbox. INVALID_REQUEST names every entry that is none.
 */
export function canonicalOrigins(texts: readonly string[], environment: Environment): string[] {
  const errors: FieldError[] = [];
  const origins = texts.map((text, index) => {
    const origin = parseOrigin(text, environment);
    if (origin === undefined) {
      errors.push({
        path: `/allowedOrigins/${index}`,
        message: 'an origin such as https://shop.example, without a path',
      });
    }
    return origin ?? '';
  });
  if (errors.length > 0) throw problem('INVALID_REQUEST', 'The list of origins is not valid.', { errors });
  return [...new Set(origins)];
}

function parseOrigin(text: string, environment: Environment): string | undefined {
  const trimmed = text.trim();
  if (!URL.canParse(trimmed)) return undefined;
  const url = new URL(trimmed);
  const isBare = url.pathname === '/' && !/[?#@\\]/.test(trimmed);
  const isLocal = url.protocol === 'http:' && LOCAL_HOSTS.has(url.hostname) && environment === 'sandbox';
  return isBare && (url.protocol === 'https:' || isLocal) ? url.origin : undefined;
}
