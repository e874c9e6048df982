import { hash, randomBytes } from 'node:crypto';

/**
 * Fields whose values are neither secret nor personal. Everything else is cut, also fields that nobody knows: what a partner sends by
 * mistake does not end up in a log.
 */
const SHOWN_FIELDS: ReadonlySet<string> = new Set([
  'acceptableUseVersion',
  'actionId',
  'actionType',
  'actionTypes',
  'amount',
  'apiKeyId',
  'autoCreateUsers',
  'campaignId',
  'code',
  'createdAfter',
  'createdBefore',
  'currency',
  'cursor',
  'dryRun',
  'environment',
  'eventTypes',
  'expiresAt',
  'frequency',
  'idempotencyKey',
  'isActive',
  'keyType',
  'kind',
  'limit',
  'method',
  'mode',
  'nonprofitSlug',
  'occurredAt',
  'onInsufficientBalance',
  'overlapHours',
  'page',
  'percent',
  'poolId',
  'provider',
  'quantity',
  'receiveAllEvents',
  'role',
  'stakeholderTypeCode',
  'status',
  'tipAmount',
  'tipPercent',
  'tokens',
  'unit',
]);
/** A code that is asked for in a body is a one-time password; in a query it is a problem's. */
const SECRET_IN_BODIES: ReadonlySet<string> = new Set(['code']);
/** The longest key of metadata that the contract allows: what is longer was never meant for a name. */
const MAX_NAME_CHARACTERS = 40;
const MARKER_CHARACTERS = 8;

/**
 * Cuts secrets and personal data out of what is logged. In their place stands a marker: a short hash, salted by a random value that
 * only this process knows, so that equal values can be told and none can be guessed.
 */
export class Redaction {
  readonly #salt = randomBytes(32).toString('hex');

  /** The marker of a value. */
  marker(value: unknown): string {
    return `[redacted ${hash('sha256', this.#salt + JSON.stringify(value)).slice(0, MARKER_CHARACTERS)}]`;
  }

  /** A body as JSON text, with markers in place of everything that is not known to be harmless. */
  body(value: unknown): string {
    return this.#part(value, false);
  }

  // Written at once and not first made anew as an object: this runs for every request.
  #part(value: unknown, isShown: boolean): string {
    if (Array.isArray(value)) return `[${value.map((item: unknown) => this.#part(item, isShown)).join(',')}]`;
    if (typeof value === 'object' && value !== null) {
      const members = Object.entries(value).map(([name, part]) => {
        const shown = SHOWN_FIELDS.has(name) && !SECRET_IN_BODIES.has(name);
        return `${JSON.stringify(this.#name(name))}:${this.#part(part, shown)}`;
      });
      return `{${members.join(',')}}`;
    }
    const isHarmless = isShown || value === null || typeof value === 'boolean';
    return isHarmless ? JSON.stringify(value) : `"${this.marker(value)}"`;
  }

  /** An unknown field may have anything for its name, a secret too. */
  #name(name: string): string {
    return name.length > MAX_NAME_CHARACTERS ? this.marker(name) : name;
  }

  /** A request target: ids of users and values of the query that are not known to be harmless are cut. */
  target(target: string, route: string): string {
    const mark = target.indexOf('?');
    if (mark === -1 && !route.includes(':externalId')) return target;
    const path = mark === -1 ? target : target.slice(0, mark);
    const pattern = route.split('/');
    const shown = path
      .split('/')
      .map((part, index) => (pattern[index] === ':externalId' ? this.marker(part) : part))
      .join('/');
    if (mark === -1) return shown;
    const query = target
      .slice(mark + 1)
      .split('&')
      .map((pair) => {
        const [name = '', ...value] = pair.split('=');
        return SHOWN_FIELDS.has(name) ? pair : `${this.#name(name)}=${this.marker(value.join('='))}`;
      });
    return `${shown}?${query.join('&')}`;
  }
}
