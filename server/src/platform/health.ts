import Type from 'typebox';
import type { Sql } from './db.ts';
import { type Endpoint, endpoint } from './endpoint.ts';
import { migrationsArePending, readMigrations } from './migrate.ts';
import { problem } from './problem-json.ts';

const PATIENCE_MILLISECONDS = 2_000;

/** `/livez` says that the process answers; `/readyz` that it can do its work. */
export function healthEndpoints(sql: Sql): { live: Endpoint; ready: Endpoint } {
  const answer = Type.Object({ status: Type.Literal('ok') });
  const isReady = shareWhileRunning(() => asked(sql));
  const live = endpoint({ summary: 'Whether the process answers', status: 200, answer, errors: [] }, async () => ({
    status: 'ok',
  }));
  const ready = endpoint(
    {
      summary: 'Whether the service can work',
      description: 'The database is reachable and its migrations are current.',
      status: 200,
      answer,
      errors: ['UNAVAILABLE'],
    },
    async () => {
      if (!(await isReady())) throw problem('UNAVAILABLE', 'The database has not been migrated yet.');
      return { status: 'ok' };
    },
  );
  return { live, ready };
}

async function asked(sql: Sql): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<never>((_resolve, reject) => {
    // A database that hangs does not end a statement by its own timeout either.
    timer = setTimeout(() => reject(problem('UNAVAILABLE', 'The database does not answer.')), PATIENCE_MILLISECONDS);
  });
  try {
    return !(await Promise.race([migrationsArePending(sql, migrations()), patience]));
  } finally {
    clearTimeout(timer);
  }
}

let known: ReturnType<typeof readMigrations> | undefined;
function migrations(): ReturnType<typeof readMigrations> {
  known ??= readMigrations();
  return known;
}

/** However many ask at once, the database is asked once. */
function shareWhileRunning<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined;
  return () => {
    running ??= work().finally(() => {
      running = undefined;
    });
    return running;
  };
}
