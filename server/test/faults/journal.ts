import { type FileHandle, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SubmitAction } from '@sirgiving/contract';

/**
 * What a client knows of a submission: `done` (2xx), `failed` (402: kept as FAILED), `notDone` (503 UNAVAILABLE or OVERLOADED, or an
 * answer before anything was written), `unknown` (503 OUTCOME_UNKNOWN, or the connection was lost).
 */
export type Outcome = 'done' | 'failed' | 'notDone' | 'unknown';

export interface JournalEntry {
  body: SubmitAction;
  /** In the order in which they came. */
  outcomes: Outcome[];
  /** As the 2xx answers named it. */
  actionIds: string[];
}

interface Line {
  text: string;
  written(): void;
  failed(error: unknown): void;
}

/**
 * A client's own book: every submission is on disk before it is sent, so that what the database holds afterwards can be compared with
 * what was really asked for. Submissions of one moment share an fsync.
 */
export class Journal {
  private readonly waiting: Line[] = [];
  private writing: Promise<void> | undefined;

  private constructor(
    private readonly folder: string,
    private readonly path: string,
    private readonly file: FileHandle,
  ) {}

  static async create(): Promise<Journal> {
    const folder = await mkdtemp(join(tmpdir(), 'sir-journal-'));
    const path = join(folder, 'journal');
    return new Journal(folder, path, await open(path, 'a'));
  }

  /** Resolves once it is on disk that these will be sent. */
  intend(bodies: readonly SubmitAction[]): Promise<void> {
    return this.append(bodies.map((body) => ({ body })));
  }

  /** Notes what became of it. */
  note(key: string, outcome: Outcome, actionId?: string): void {
    void this.append([{ key, outcome, actionId }]);
  }

  /** Reads back from the file what was sent; call it when nothing is on its way any more. */
  async read(): Promise<Map<string, JournalEntry>> {
    await this.writing;
    const entries = new Map<string, JournalEntry>();
    for (const text of (await readFile(this.path, 'utf8')).split('\n')) {
      if (text === '') continue;
      const line: { body?: SubmitAction; key?: string; outcome?: Outcome; actionId?: string } = JSON.parse(text);
      if (line.body !== undefined) {
        const { body } = line;
        if (!entries.has(body.idempotencyKey)) entries.set(body.idempotencyKey, { body, outcomes: [], actionIds: [] });
        continue;
      }
      const entry = entries.get(line.key ?? '');
      if (entry === undefined || line.outcome === undefined)
        throw new Error(`sent before it was written down: ${text}`);
      entry.outcomes.push(line.outcome);
      if (line.actionId !== undefined) entry.actionIds.push(line.actionId);
    }
    for (const [key, { outcomes }] of entries) if (outcomes.length === 0) entries.delete(key);
    return entries;
  }

  async remove(): Promise<void> {
    await this.writing;
    await this.file.close();
    await rm(this.folder, { recursive: true });
  }

  private append(lines: readonly object[]): Promise<void> {
    return new Promise((written, failed) => {
      const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
      this.waiting.push({ text, written, failed });
      this.writing ??= this.write().finally(() => {
        this.writing = undefined;
      });
    });
  }

  private async write(): Promise<void> {
    while (this.waiting.length > 0) {
      const lines = this.waiting.splice(0);
      try {
        await this.file.appendFile(lines.map(({ text }) => text).join(''));
        await this.file.datasync();
        for (const { written } of lines) written();
      } catch (error) {
        for (const { failed } of lines) failed(error);
      }
    }
  }
}
