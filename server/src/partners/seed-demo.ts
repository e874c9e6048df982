import { randomBytes } from 'node:crypto';
import { hashPassword, seedAccount } from '../accounts/index.ts';
import type { Clock } from '../platform/clock.ts';
import { raiseCredentialChanges } from '../platform/credential-changes.ts';
import type { Sql, Tx } from '../platform/db.ts';
import { type Ids, publicId } from '../platform/ids.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import { createPool, findDefaultPoolId, fundPool } from '../pools/index.ts';
import { createKey } from './create-key.ts';
import { createPartner } from './create-partner.ts';
import type { Partner } from './partner.ts';
import { findPartner, worksAsKey } from './queries.ts';
import { addMember } from './team/add-member.ts';

/** What the data folder's `credentials.json` says about the demo partner. Ids are public ids. */
export interface DemoCredentials {
  environment: 'sandbox';
  partner: { id: string; name: string; slug: string };
  publicKey: string;
  secretKey: string;
  hmacSecret: string;
  tokenPoolId: string;
  /** Log-ins for the partner's owner and for an admin; made by the seed, they work on sandbox data only. */
  portal: LogIn;
  admin: LogIn;
}

interface LogIn {
  email: string;
  password: string;
}

interface SeedDemoDeps {
  sql: Sql;
  clock: Clock;
  ids: Ids;
  secretBox: SecretBox;
}

const DEMO_NAME = 'Demo Partner';
const DEMO_SLUG = 'demo-partner';
const DEMO_POOL_NAME = 'Demo pool';
const DEMO_TOKENS = 1_000_000;
const DEMO_OWNER = 'owner@demo-partner.example';
const DEMO_ADMIN = 'admin@sirgiving.example';
const PASSWORD_BYTES = 15;
const environment = 'sandbox';

/**
 * Creates the sandbox demo partner with a token pool of 1,000,000 SIR, once per database, all in one transaction. A key pair is issued
 * together with the partner, and anew when the one that was written down is lost or works no more, since secrets cannot be read again.
 * Answers what to write down, undefined when there is nothing new.
 */
export async function seedDemo(
  deps: SeedDemoDeps,
  options: { keptPublicKey: string | undefined },
): Promise<DemoCredentials | undefined> {
  const { sql, clock, ids, secretBox } = deps;
  const now = clock.now();
  const there = await findPartner(sql, DEMO_SLUG);
  const kept = options.keptPublicKey;
  if (there !== undefined && kept !== undefined && (await worksAsKey(sql, there.id, kept, now))) return undefined;
  const portal = await newLogIn(DEMO_OWNER);
  const admin = await newLogIn(DEMO_ADMIN);
  return sql.begin(async (tx) => {
    const { partner, isNew } = await findOrCreateDemo(tx, ids, now);
    const wanted = { partnerId: partner.id, environment, name: 'Demo key', createdAt: now } as const;
    const { publicKey, secretKey, hmacSecret } = await createKey(tx, ids, secretBox, wanted);
    const poolId = isNew ? await createDemoPool(tx, ids, partner.id, now) : await findDemoPool(tx, partner.id);
    const ownerId = await seedAccount(tx, ids, { ...portal, isAdmin: false, createdAt: now });
    await seedAccount(tx, ids, { ...admin, isAdmin: true, createdAt: now });
    if (isNew) await addMember(tx, { partnerId: partner.id, accountId: ownerId, role: 'owner' }, now);
    await raiseCredentialChanges(tx);
    return {
      environment,
      portal: { email: portal.email, password: portal.password },
      admin: { email: admin.email, password: admin.password },
      partner: { id: publicId('ptn', partner.id), name: partner.name, slug: partner.slug },
      publicKey,
      secretKey,
      hmacSecret,
      tokenPoolId: publicId('pool', poolId),
    };
  });
}

/** Hashed before the transaction, since that takes long. */
async function newLogIn(email: string): Promise<LogIn & { passwordHash: string }> {
  const password = randomBytes(PASSWORD_BYTES).toString('base64url');
  return { email, password, passwordHash: await hashPassword(password) };
}

/** Two processes may start at once: the one that comes second waits for the slug and finds the partner of the first. */
async function findOrCreateDemo(tx: Tx, ids: Ids, now: Date): Promise<{ partner: Partner; isNew: boolean }> {
  const found = await findPartner(tx, DEMO_SLUG);
  if (found !== undefined) return { partner: found, isNew: false };
  try {
    const wanted = {
      name: DEMO_NAME,
      slug: DEMO_SLUG,
      status: 'PENDING_APPROVAL',
      sandboxOnly: true,
      createdAt: now,
    } as const;
    return { partner: await createPartner(tx, ids, wanted), isNew: true };
  } catch (error) {
    const partner = await findPartner(tx, DEMO_SLUG);
    if (partner === undefined) throw error;
    return { partner, isNew: false };
  }
}

async function createDemoPool(tx: Tx, ids: Ids, partnerId: string, now: Date): Promise<string> {
  const { poolId } = await createPool(tx, ids, { partnerId, environment, name: DEMO_POOL_NAME }, now);
  await fundPool(tx, ids, { partnerId, environment, poolId, tokens: DEMO_TOKENS }, now);
  return poolId;
}

async function findDemoPool(tx: Tx, partnerId: string): Promise<string> {
  const poolId = await findDefaultPoolId(tx, { partnerId, environment });
  if (poolId === undefined) throw new Error('the demo partner has no token pool');
  return poolId;
}
