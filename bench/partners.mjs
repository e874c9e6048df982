import { randomBytes } from 'node:crypto';
import { openUserAccounts } from '../server/dist/ledger/index.js';
import { createKey, createPartner } from '../server/dist/partners/index.js';
import { randomIds } from '../server/dist/platform/ids.js';
import { migrate } from '../server/dist/platform/migrate.js';
import { createSecretBox } from '../server/dist/platform/secret-box.js';
import { createPool, fundPool } from '../server/dist/pools/index.js';
import { createStakeholderUsers, presentUser } from '../server/dist/users/index.js';
import { recordEvents } from '../server/dist/webhooks/record-events.js';
import { makeTemplate } from './cluster.mjs';
import { nameOf } from './signed-requests.mjs';
import { PARTNERS, USERS } from './yardsticks.mjs';

/**
 * @typedef {import('./cluster.mjs').Cluster} Cluster
 * @typedef {import('./signed-requests.mjs').Signer} Signer
 *
 * @typedef {object} Partners
 * @property {string} masterKey
 * @property {Signer[]} hot the one partner whose single pool everybody draws from
 * @property {Signer[]} spread 200 partners, each with a key, a pool and users of its own
 */

export const TEMPLATE = 'bench_server';
const TOKENS = 1_000_000_000_000;
const environment = 'sandbox';

/**
 * The database of the server under test before a run: migrated, with the partners, pools and users that the yardsticks have too.
 * @param {Cluster} cluster @returns {Promise<Partners>}
 */
export async function makeServerTemplate(cluster) {
  const masterKey = randomBytes(32).toString('hex');
  const secretBox = createSecretBox(masterKey);
  /** @type {Signer[]} */
  const spread = [];
  await makeTemplate(cluster, TEMPLATE, async (sql) => {
    await migrate(sql);
    const now = new Date();
    await sql.begin(async (tx) => {
      for (let number = 1; number <= PARTNERS; number++) {
        const wanted = /** @type {const} */ ({ name: `Partner ${number}`, status: 'ACTIVE', createdAt: now });
        const { id: partnerId } = await createPartner(tx, randomIds, wanted);
        const tenant = /** @type {const} */ ({ partnerId, environment });
        const key = await createKey(tx, randomIds, secretBox, { ...tenant, name: 'Bench', createdAt: now });
        const { poolId } = await createPool(tx, randomIds, { ...tenant, name: 'Pool' }, now);
        await fundPool(tx, randomIds, { ...tenant, poolId, tokens: TOKENS }, now);
        const count = number === 1 ? USERS.hot.before : USERS.spread.before;
        const users = Array.from({ length: count }, (_, index) => user(tenant, `user_${index + 1}`));
        await createStakeholderUsers(tx, users, now);
        await openUserAccounts(tx, users, now);
        await recordEvents(
          tx,
          users.map((created) => creation(created, now)),
        );
        spread.push({ secretKey: key.secretKey, hmacSecret: key.hmacSecret, users: USERS.spread.in });
      }
    });
  });
  return { masterKey, spread, hot: spread.slice(0, 1).map((signer) => ({ ...signer, users: USERS.hot.in })) };
}

/** @param {{ partnerId: string, environment: 'sandbox' }} tenant @param {string} externalUserId */
function user(tenant, externalUserId) {
  const id = randomIds.uuid();
  const { userEmail, userFirstName, userLastName } = nameOf(externalUserId);
  return {
    ...tenant,
    id,
    userId: id,
    externalUserId,
    email: userEmail,
    firstName: userFirstName,
    lastName: userLastName,
  };
}

/** The verifier asks for it: a user who exists was told of. @param {ReturnType<typeof user>} created @param {Date} createdAt */
function creation(created, createdAt) {
  const data = { ...presentUser({ ...created, metadata: {}, createdAt, updatedAt: createdAt }) };
  const type = /** @type {const} */ ('user.created');
  return { partnerId: created.partnerId, environment, id: randomIds.uuid(), type, data, createdAt };
}
