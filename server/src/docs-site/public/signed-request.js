import { hashBody, signedPayload, signPayload } from './signature/browser.js';

/**
 * @typedef {{ name: string, in: 'path' | 'query' | 'header', required: boolean, type: string, description?: string,
 *   options?: string[], example?: string }} Input
 * @typedef {'nothing' | 'any key' | 'secret key' | 'publishable key' | 'access token' | 'admin access token'} Needs
 * @typedef {{ method: string, path: string, summary: string, needs: Needs, inputs: Input[], body?: string }} Operation
 * @typedef {{ method: string, path: string, body: string | undefined, headers: Record<string, string> }} Request
 * @typedef {{ timestamp: string, bodyHash: string, signature: string }} Signing
 */

/**
 * The request that was filled in, or the first sentence that says what is missing.
 * @param {Operation} operation
 * @param {Map<string, string>} values by name of the input
 * @param {string | undefined} body
 * @returns {{ request: Request } | { fault: string, input: string }}
 */
export function requestOf(operation, values, body) {
  const query = new URLSearchParams();
  /** @type {Record<string, string>} */
  const headers = body === undefined ? {} : { 'Content-Type': 'application/json' };
  let path = operation.path;
  for (const input of operation.inputs) {
    const value = values.get(input.name) ?? '';
    if (value === '') {
      if (input.required) return { fault: `${input.name} is required.`, input: input.name };
      continue;
    }
    if (input.in === 'query') query.set(input.name, value);
    else if (input.in === 'header') headers[input.name] = value;
    // A browser takes these for steps in the path, even when they are escaped.
    else if (value === '.' || value === '..')
      return { fault: `${input.name} cannot be ${value} in a browser.`, input: input.name };
    else path = path.replace(`{${input.name}}`, encodeURIComponent(value));
  }
  const search = query.size === 0 ? '' : `?${query}`;
  // What the browser will send, letter by letter: the signature is over exactly that.
  const url = new URL(path + search, location.origin);
  return { request: { method: operation.method, path: url.pathname + url.search, body, headers } };
}

/**
 * @param {Request} request
 * @param {string} hmacSecret
 * @returns {Promise<Signing>}
 */
export async function sign(request, hmacSecret) {
  const timestamp = String(Math.floor(Date.now() / 1000));
  const bodyHash = await hashBody(request.body ?? '');
  const payload = signedPayload({ timestamp, method: request.method, path: request.path, bodyHash });
  return { timestamp, bodyHash, signature: await signPayload(hmacSecret, payload) };
}

/**
 * @param {Request} request
 * @param {string} key
 * @param {Signing} signing
 * @returns {Record<string, string>}
 */
export function headersOf(request, key, { timestamp, signature }) {
  return { 'X-Partner-Key': key, 'X-Timestamp': timestamp, 'X-Signature': signature, ...request.headers };
}

/**
 * The same request for a shell.
 * @param {Request} request
 * @param {Record<string, string>} headers
 * @param {string[]} [more] options that are for the shell to fill in
 */
export function curlOf(request, headers, more = []) {
  const lines = [
    `curl -sS${request.method === 'GET' ? '' : ` -X ${request.method}`} ${quoted(location.origin + request.path)}`,
  ];
  lines.push(...more);
  for (const [name, value] of Object.entries(headers)) lines.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (request.body !== undefined) lines.push(`--data-binary ${quoted(request.body)}`);
  return lines.join(' \\\n  ');
}

/** @param {string} text */
function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
