import { setTimeout as sleep } from 'node:timers/promises';
import type { SubmitAction } from '@sirgiving/contract';
import type { Journal, Outcome } from './journal.ts';
import type { Answer, SignedClient } from './signed-client.ts';

const PAUSE_AFTER_503_MILLISECONDS = 250;
const POLL_MILLISECONDS = 1;
const PATIENCE_MILLISECONDS = 30_000;
const WRITTEN_AHEAD = 1_000;

/** Many clients that submit one action after the other, each noted in the journal before it is sent. */
export class Load {
  /** Sent and not yet answered. */
  inFlight = 0;
  /** How many ended without an answer, since the connection was lost. */
  lost = 0;
  readonly answers: Answer[] = [];
  private readonly workers: Promise<void>[] = [];
  /** Written down and not yet sent. */
  private readonly intended: SubmitAction[] = [];
  private writingAhead: Promise<void> | undefined;
  private stopped = false;

  constructor(
    private readonly client: SignedClient,
    private readonly journal: Journal,
    private readonly next: () => SubmitAction,
  ) {}

  /** So many at once from now on. */
  start(clients: number): this {
    for (let count = 0; count < clients; count++) this.workers.push(this.work());
    return this;
  }

  /** One more at each interval, whether or not those before it are answered; resolves when the last one is sent. */
  async arrive(count: number, everyMilliseconds: number): Promise<void> {
    for (let sent = 0; sent < count; sent++) {
      this.workers.push(this.submit().then(() => {}));
      await sleep(everyMilliseconds);
    }
  }

  /** Sends nothing new, and waits for what is on its way. */
  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.workers);
    await this.writingAhead;
  }

  /** Waits until so many are on their way at once. */
  whenInFlight(count: number): Promise<void> {
    return this.when(() => this.inFlight >= count);
  }

  /** Waits until so many more have been answered. */
  whenAnswered(count: number): Promise<void> {
    const wanted = this.answers.length + count;
    return this.when(() => this.answers.length >= wanted);
  }

  /** How often each kind of answer came. */
  get counts(): Record<string, number> {
    const counts: Record<string, number> = this.lost === 0 ? {} : { 'connection lost': this.lost };
    for (const { status, code } of this.answers) {
      const kind = code === undefined ? String(status) : `${status} ${code}`;
      counts[kind] = (counts[kind] ?? 0) + 1;
    }
    return counts;
  }

  private async when(holds: () => boolean): Promise<void> {
    const giveUpAt = performance.now() + PATIENCE_MILLISECONDS;
    while (!holds()) {
      if (this.lost > 0) throw new Error('the server is gone');
      if (performance.now() > giveUpAt) throw new Error(`waited in vain, with ${this.inFlight} on their way`);
      await sleep(POLL_MILLISECONDS);
    }
  }

  /** A client whose connection is lost stops, like one that has no other server to go to. */
  private async work(): Promise<void> {
    while (!this.stopped) {
      const answer = await this.submit();
      if (answer === undefined) return;
      if (answer.status === 503) await sleep(PAUSE_AFTER_503_MILLISECONDS);
    }
  }

  private async submit(): Promise<Answer | undefined> {
    const body = await this.takeNext();
    this.inFlight += 1;
    try {
      const answer = await this.client.submit(body);
      this.answers.push(answer);
      this.journal.note(body.idempotencyKey, outcomeOf(answer), actionIdOf(answer));
      return answer;
    } catch {
      this.lost += 1;
      this.journal.note(body.idempotencyKey, 'unknown');
      return undefined;
    } finally {
      this.inFlight -= 1;
    }
  }

  /** One that is in the journal already. Many are written ahead, so that the clients wait for the server and not for their disk. */
  private async takeNext(): Promise<SubmitAction> {
    for (;;) {
      const body = this.intended.pop();
      if (this.intended.length < WRITTEN_AHEAD / 2) this.writingAhead ??= this.writeAhead();
      if (body !== undefined) return body;
      await this.writingAhead;
    }
  }

  private async writeAhead(): Promise<void> {
    const bodies = Array.from({ length: WRITTEN_AHEAD }, () => this.next());
    await this.journal.intend(bodies);
    this.intended.push(...bodies);
    this.writingAhead = undefined;
  }
}

/** What an answer to a submission means for the client. Throws for one that no fault excuses. */
export function outcomeOf({ status, code, body }: Pick<Answer, 'status' | 'code' | 'body'>): Outcome {
  if (status === 200) return 'done';
  if (status === 402) return 'failed';
  if (code === 'OUTCOME_UNKNOWN') return 'unknown';
  if (code === 'UNAVAILABLE' || code === 'OVERLOADED') return 'notDone';
  throw new Error(`a submission was answered ${status} ${JSON.stringify(body)}`);
}

/** The action that a 2xx answer speaks of. */
export function actionIdOf({ status, body }: Pick<Answer, 'status' | 'body'>): string | undefined {
  return status === 200 ? String(body.actionId) : undefined;
}
