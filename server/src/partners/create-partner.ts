import type { Tx } from '../platform/db.ts';
import type { Ids } from '../platform/ids.ts';
import { problem } from '../platform/problem-json.ts';
import type { Partner, PartnerStatus, Tier } from './partner.ts';

export interface NewPartner {
  name: string;
  /** Left out: made from the name, with a number behind it where that is taken. */
  slug?: string | undefined;
  status: PartnerStatus;
  tier?: Tier;
  /** For who may never see production data (contract §1). */
  sandboxOnly?: boolean;
  createdAt: Date;
}

const NAME_MAX_CHARACTERS = 200;
const SLUG_MAX_CHARACTERS = 60;
const SLUG_PATTERN = /^[a-z0-9]+(-[a-z0-9]+)*$/;

/** Creates a partner under a slug of its own. A bad name, a bad slug or one that is taken is INVALID_REQUEST. */
export async function createPartner(tx: Tx, ids: Ids, wanted: NewPartner): Promise<Partner> {
  const name = wanted.name.trim();
  if (name === '' || name.length > NAME_MAX_CHARACTERS || /[\u0000-\u001f\u007f]/.test(name)) {
    throw invalid('name', `1 to ${NAME_MAX_CHARACTERS} characters, no control characters`);
  }
  const id = ids.uuid();
  const slug = await takeSlug(tx, id, name, wanted.slug);
  const { status, tier = 'STANDARD', sandboxOnly = false, createdAt } = wanted;
  await tx`
    insert into partners (id, name, slug, status, tier, sandbox_only, created_at)
    values (${id}, ${name}, ${slug}, ${status}, ${tier}, ${sandboxOnly}, ${createdAt})`;
  return { id, name, slug, status, tier, createdAt };
}

async function takeSlug(tx: Tx, partnerId: string, name: string, wanted: string | undefined): Promise<string> {
  if (wanted !== undefined) {
    if (wanted.length > SLUG_MAX_CHARACTERS || !SLUG_PATTERN.test(wanted)) {
      throw invalid('slug', `at most ${SLUG_MAX_CHARACTERS} of a-z, 0-9 and single hyphens between them`);
    }
    if (!(await tryToTake(tx, partnerId, wanted))) throw invalid('slug', `"${wanted}" is taken`);
    return wanted;
  }
  const base = slugFromName(name);
  for (let number = 1; ; number++) {
    const slug = number === 1 ? base : `${base}-${number}`;
    if (await tryToTake(tx, partnerId, slug)) return slug;
  }
}

/** Waits for a transaction that is just taking the same slug, and loses if that one commits. */
async function tryToTake(tx: Tx, partnerId: string, slug: string): Promise<boolean> {
  const { count } = await tx`
    insert into partner_slugs (slug, partner_id) values (${slug}, ${partnerId}) on conflict (slug) do nothing`;
  return count === 1;
}

function slugFromName(name: string): string {
  const slug = name
    .normalize('NFKD')
    .replace(/\p{Mark}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    // Room for a number behind it.
    .slice(0, SLUG_MAX_CHARACTERS - 10)
    .replace(/^-+|-+$/g, '');
  return slug === '' ? 'partner' : slug;
}

function invalid(path: string, message: string): Error {
  return problem('INVALID_REQUEST', `${path}: ${message}.`, { errors: [{ path: `/${path}`, message }] });
}
