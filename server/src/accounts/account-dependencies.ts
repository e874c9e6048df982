import type { Environment, Membership } from '@sirgiving/contract';
import type { Static } from 'typebox';
import type { Clock } from '../platform/clock.ts';
import type { Sql } from '../platform/db.ts';
import type { Ids } from '../platform/ids.ts';
import type { MailOutbox } from '../platform/mail-outbox.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import type { IsInUse } from './link-identity.ts';
import type { AccountAccess } from './verify-access-token.ts';

/** What an account works with, as partners/ tells it. */
export interface AccountMembership {
  membership: Static<typeof Membership>;
  /** An active `pk_…` of the partner in this process's environment. */
  publishableKey: string | undefined;
}

export interface AccountDependencies {
  sql: Sql;
  clock: Clock;
  ids: Ids;
  secretBox: SecretBox;
  environment: Environment;
  mailOutbox: MailOutbox;
  access: AccountAccess;
  /** Where the public reaches this host, without a slash at the end: links of mails lead there. */
  publicUrl: string;
  /** The memberships of an account, the oldest first. */
  readMemberships(accountId: string): Promise<readonly AccountMembership[]>;
  /** Whether an account belongs to a partner. */
  isInUse: IsInUse;
}
