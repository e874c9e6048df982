import { findPartner, type Partner } from '../partners/index.ts';
import type { Queryable } from '../platform/db.ts';
import { CommandFailed } from './operator-context.ts';

/** The partner that an option names by slug or id. */
export async function getPartner(sql: Queryable, slugOrId: string): Promise<Partner> {
  const partner = await findPartner(sql, slugOrId);
  if (partner === undefined) throw new CommandFailed(`There is no partner ${slugOrId}.`);
  return partner;
}
