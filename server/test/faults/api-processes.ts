import type { Sql } from '../../src/platform/db.ts';
import type { ScenePartner } from './scene.ts';
import { ServerUnderTest, serverVariables } from './server-under-test.ts';
import { SignedClient } from './signed-client.ts';

/** Several API processes on one database, as behind a load balancer. */
export class ApiProcesses {
  private readonly servers: ServerUnderTest[];
  private baseUrls: readonly string[] = [];
  private readonly clients = new Map<string, SignedClient[]>();

  private constructor(databaseUrl: string, masterKey: string, count: number) {
    this.servers = Array.from({ length: count }, () => new ServerUnderTest(serverVariables(databaseUrl, masterKey)));
  }

  static async start(databaseUrl: string, masterKey: string, count: number): Promise<ApiProcesses> {
    const processes = new ApiProcesses(databaseUrl, masterKey, count);
    processes.baseUrls = await Promise.all(processes.servers.map((server) => server.ready()));
    return processes;
  }

  /** One client of a partner for each process; always the same ones. */
  clientsOf(partner: ScenePartner, connections = 128): SignedClient[] {
    const known = this.clients.get(partner.partnerId);
    if (known !== undefined) return known;
    const clients = this.baseUrls.map((baseUrl) => new SignedClient(baseUrl, partner.keys, connections));
    this.clients.set(partner.partnerId, clients);
    return clients;
  }

  /** What they logged as alarms; empty when all is well. */
  get alarms(): string[] {
    return this.servers.flatMap((server) => server.alarms);
  }

  /** Ends them in order, so that PostgreSQL has counted everything that they did. */
  async stop(): Promise<void> {
    await Promise.all([...this.clients.values()].flat().map((client) => client.close()));
    for (const server of this.servers) server.signal('SIGTERM');
    await Promise.all(this.servers.map((server) => server.exited));
  }
}

/** How many deadlocks PostgreSQL has seen in this database. Sessions tell of theirs when they end. */
export async function countDeadlocks(sql: Sql): Promise<number> {
  const [row] = await sql<{ deadlocks: number }[]>`
    select deadlocks from pg_stat_database where datname = current_database()`;
  return row?.deadlocks ?? Number.NaN;
}

/** How many transactions have written events since a moment; none updates an event, so each row tells which one wrote it. */
export async function countWriters(sql: Sql, since: Date): Promise<number> {
  const [row] = await sql<{ writers: number }[]>`
    select count(distinct xmin::text) as writers from events where created_at >= ${since}`;
  return row?.writers ?? 0;
}
