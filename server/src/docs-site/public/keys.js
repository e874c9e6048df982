/**
 * The keys that were typed in. They live in this module's variable and nowhere else: no storage, no cookie, no URL. Leaving the
 * page drops them, also when the browser keeps the page for its back button.
 */

/** @typedef {{ key: string, hmacSecret: string }} Keys */

/** @type {Keys | undefined} */
let keys;

/** @type {Set<() => void>} */
const listeners = new Set();

const HEX_64 = /^[0-9a-f]{64}$/;

export function currentKeys() {
  return keys;
}

/** @param {() => void} listener is called whenever keys are set or dropped. */
export function onKeysChanged(listener) {
  listeners.add(listener);
}

/** @param {Keys | undefined} next */
export function setKeys(next) {
  keys = next;
  for (const listener of listeners) listener();
}

addEventListener('pagehide', () => setKeys(undefined));

/**
 * What is wrong with what was typed, as a sentence; undefined when nothing is.
 * @param {Keys} typed
 * @param {string} environment of this host
 * @returns {string | undefined}
 */
export function faultOf({ key, hmacSecret }, environment) {
  const [, kind, mode, rest = ''] = /^(pk|sk)_(test|live)_(.*)$/.exec(key) ?? [];
  if (kind === undefined) return 'A partner key begins with pk_ or sk_.';
  if (environment === 'production' && kind === 'sk') {
    return 'This is a production host: a secret key does not belong in a browser. Read with a publishable key, or try changes in the sandbox.';
  }
  if (environment === 'production' && mode === 'test') return 'This is a test key: it works on the sandbox host.';
  if (environment === 'sandbox' && mode === 'live')
    return 'This is a live key: it works on the production host. The sandbox takes test keys.';
  if (!HEX_64.test(rest))
    return `A key has 64 hex digits behind ${kind}_${mode}_; this one has ${rest.length} characters there.`;
  if (!HEX_64.test(hmacSecret)) return 'The HMAC secret has 64 lowercase hex digits.';
  return undefined;
}

/**
 * Keys in a pasted credentials.json, or in the answer that made a key. The secret key is taken where it may be used.
 * @param {string} text
 * @param {string} environment
 * @returns {Keys | undefined}
 */
export function keysInJson(text, environment) {
  /** @type {unknown} */
  let found;
  try {
    found = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof found !== 'object' || found === null) return undefined;
  const key = Reflect.get(found, environment === 'sandbox' ? 'secretKey' : 'publicKey');
  const hmacSecret = Reflect.get(found, 'hmacSecret');
  return typeof key === 'string' && typeof hmacSecret === 'string' ? { key, hmacSecret } : undefined;
}

/**
 * `sk_test_1a2b…9c0d`: enough to tell keys apart.
 * @param {string} key
 */
export function masked(key) {
  return `${key.slice(0, 12)}…${key.slice(-4)}`;
}
