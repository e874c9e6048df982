import type { Sql } from '../platform/db.ts';
import type { Ids } from '../platform/ids.ts';
import type { MailOutbox } from '../platform/mail-outbox.ts';

export interface AdminDependencies {
  sql: Sql;
  ids: Ids;
  mailOutbox: MailOutbox;
  /** Whether this server runs in laptop mode, which has sandbox data only. */
  laptop: boolean;
}
