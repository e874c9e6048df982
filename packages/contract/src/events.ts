/** Every event type of this edition and what it tells (contract §7). Types of parts not built yet are not listed. */
export const eventTypes = {
  'action.completed': 'An action was rewarded.',
  'action.failed': 'An action could not be rewarded; its key can be used again.',
  'action.reversed': 'Tokens of an action were taken back.',
  'transaction.completed': 'A ledger row of a user was written: REWARD, REVERSAL, REDEMPTION or EXPIRATION.',
  'token_pool.funded': 'Tokens were added to a pool.',
  'token_pool.low_balance':
    'A pool’s balance reached one of its thresholds. Told once per threshold, and again only after `token_pool.recovered`.',
  'token_pool.depleted':
    'A pool is empty, or refused its first action for want of tokens. Told once, until `token_pool.recovered`.',
  'token_pool.recovered':
    'A pool’s balance rose 5 points above a threshold that it had reached, or from where it was depleted.',
  'token_pool.request.approved': 'A request for tokens was approved, and the tokens were allocated.',
  'token_pool.request.denied': 'A request for tokens was denied; `reason` says why.',
  'user.created': 'A user was created.',
  'reward.redeemed': 'A user spent tokens.',
  'api_key.expiring': 'A key stops working in 30, 7 or 1 days.',
  'webhook.test': 'Sent by the test endpoint.',
} as const;

export type EventType = keyof typeof eventTypes;
export const eventTypeNames = Object.keys(eventTypes) as EventType[];

/** The date of the event shapes; stands in every envelope as `apiVersion`. */
export const API_VERSION = '2026-11-24';
