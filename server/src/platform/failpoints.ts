/** The places of one batch, of one webhook and of a rewrap at which the fault tests kill the process. */
export type Failpoint =
  | 'lock'
  | 'evaluate'
  | 'claim'
  | 'post'
  | 'events'
  | 'before_commit'
  | 'after_commit'
  | 'webhook_before_send'
  | 'webhook_after_send'
  | 'webhook_reschedule'
  | 'rewrap_before_commit'
  | 'rewrap_after_commit';

/**
 * Kills this process at a named place, so that tests can show what survives it. Armed by `SIR_FAILPOINT=name` or `name:n` (the n-th
 * time it is reached); unarmed it costs one comparison.
 */
export class Failpoints {
  private readonly name: string | undefined;
  private remaining: number;

  constructor(armed: string | undefined) {
    const [name, count = '1'] = (armed ?? '').split(':');
    this.name = name === '' ? undefined : name;
    this.remaining = Number(count);
  }

  /** `sent` is what was sent to the database before this place: it is waited for, so that the place is really reached there. */
  async reached(name: Failpoint, sent?: Promise<unknown>): Promise<void> {
    if (this.name !== name) return;
    await sent;
    this.remaining -= 1;
    if (this.remaining === 0) process.kill(process.pid, 'SIGKILL');
  }
}
