import { setTimeout as sleep } from 'node:timers/promises';
import type { Sql } from '../../src/platform/db.ts';
import { addTokens, purchase, type ScenePartner } from './scene.ts';
import type { SignedClient } from './signed-client.ts';

const PAUSE_MILLISECONDS = 2;

/**
 * Other writers of the same books while a test looks at its own: a funder of the partner's pool, and a reverser that rewards an action
 * and takes it back again, at each process in turn.
 */
export class Disturbance {
  funded = 0;
  reversed = 0;
  private stopped = false;
  private readonly running: Promise<void>[];

  constructor(sql: Sql, partner: ScenePartner, clients: readonly SignedClient[]) {
    this.running = [this.fund(sql, partner), this.reverse(clients)];
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.running);
  }

  private async fund(sql: Sql, partner: ScenePartner): Promise<void> {
    while (!this.stopped) {
      await addTokens(sql, partner, partner.poolId ?? '', 1);
      this.funded += 1;
      await sleep(PAUSE_MILLISECONDS);
    }
  }

  private async reverse(clients: readonly SignedClient[]): Promise<void> {
    const prefix = `disturbance-${performance.now()}`;
    while (!this.stopped) {
      const client = clients[this.reversed % clients.length] as SignedClient;
      const rewarded = await client.submit(purchase(`${prefix}-${this.reversed}`, ['reversed'], 2));
      const path = `/v1/partner/actions/${rewarded.body.actionId}/reverse`;
      const answer = await client.send('POST', path, { reason: 'taken back' });
      if (answer.status !== 200) throw new Error(`a reversal was answered ${answer.status} ${answer.code}`);
      this.reversed += 1;
    }
  }
}
