import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { inject } from 'vitest';
import { connect, type Sql, sqlState } from '../src/platform/db.ts';

export interface TestDatabase {
  url: string;
  sql: Sql;
  /** Ends `sql`, cuts whoever is still connected and deletes the database. */
  drop(): Promise<void>;
}

const CLONE_ATTEMPTS = 20;
const OBJECT_IN_USE = '55006';

/** A fresh, migrated database of the test file's own, so that files run side by side. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const adminUrl = inject('adminDatabaseUrl');
  const name = `sir_test_${randomBytes(6).toString('hex')}`;
  await inAdminDatabase(adminUrl, (admin) => clone(admin, name));
  const url = new URL(adminUrl);
  url.pathname = `/${name}`;
  const sql = connect(url.href, { max: 10, applicationName: 'sir-test' });
  return {
    url: url.href,
    sql,
    drop: async () => {
      await sql.end({ timeout: 1 });
      await inAdminDatabase(adminUrl, (admin) => admin.unsafe(`drop database if exists ${name} with (force)`));
    },
  };
}

async function inAdminDatabase(adminUrl: string, work: (admin: Sql) => Promise<unknown>): Promise<void> {
  const admin = connect(adminUrl, { max: 1, applicationName: 'sir-test-admin' });
  try {
    await work(admin);
  } finally {
    await admin.end({ timeout: 1 });
  }
}

async function clone(admin: Sql, name: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await admin.unsafe(`create database ${name} template sir_template`);
      return;
    } catch (error) {
      // Autovacuum may be looking at the template at that moment.
      if (sqlState(error) !== OBJECT_IN_USE || attempt === CLONE_ATTEMPTS) throw error;
      await sleep(100);
    }
  }
}
