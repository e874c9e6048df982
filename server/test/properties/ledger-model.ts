/**
 * What the books should say, worked out the plain way: one thing after the other, in memory, in code that shares nothing with the code
 * under test. Amounts are cents, tokens are whole.
 */
export interface Submit {
  key: string;
  cents: number;
  currency: 'USD' | 'EUR';
  stakeholders: { code: string; user: string; email?: string }[];
  autoCreateUsers: boolean;
}

export interface Reverse {
  /** The key of the action. */
  action: string;
  mode: 'negative' | 'partial' | 'refuse';
  key?: string;
  tokens?: number;
  parts?: { code: string; user: string; tokens: number }[];
}

export interface Redeem {
  user: string;
  tokens: number;
  key: string;
}

export interface ModelUser {
  email: string | null;
  available: number;
  earned: number;
  reversed: number;
  redeemed: number;
}

interface ModelReversal {
  request: string;
  answer: ReverseAnswer;
}

export interface ModelAction {
  body: Submit;
  status: 'COMPLETED' | 'FAILED' | 'PARTIALLY_REVERSED' | 'REVERSED';
  shares: number[];
  taken: number[];
  attempts: number;
  reversals: Map<string, ModelReversal>;
  lastReversal: ReverseAnswer | undefined;
}

/** An answer by what a client can see of it; a problem by its code. */
export type Answer<T> = { code: string } | ({ replayed: boolean } & T);
export type SubmitAnswer = Answer<{ tokens: number; shares: number[]; rows: number }>;
export type ReverseAnswer = Answer<{
  status: string;
  reversedTokens: number;
  tokens: number;
  debt: number;
  rows: number;
}>;
export type RedeemAnswer = Answer<{ tokens: number }>;

const sum = (numbers: readonly number[]) => numbers.reduce((all, number) => all + number, 0);

/** In proportion to the weights; who is owed the largest fraction gets one of what is left, the earlier one first. */
function inProportion(total: number, weights: readonly number[]): number[] {
  const all = sum(weights);
  const parts = weights.map((weight) => Math.floor((total * weight) / all));
  const byFraction = weights
    .map((weight, index) => ({ index, fraction: (total * weight) % all }))
    .sort((a, b) => b.fraction - a.fraction || a.index - b.index);
  for (const { index } of byFraction.slice(0, total - sum(parts))) parts[index] = (parts[index] ?? 0) + 1;
  return parts;
}

export class LedgerModel {
  /** Undefined as long as there is no pool. */
  pool: number | undefined;
  readonly users = new Map<string, ModelUser>();
  readonly actions = new Map<string, ModelAction>();
  readonly redemptions = new Map<string, Redeem>();

  /** A copy to try things out on. */
  clone(): LedgerModel {
    return Object.assign(new LedgerModel(), structuredClone({ ...this }));
  }

  user(name: string): ModelUser {
    const known = this.users.get(name) ?? { email: null, available: 0, earned: 0, reversed: 0, redeemed: 0 };
    this.users.set(name, known);
    return known;
  }

  submit(body: Submit): SubmitAnswer {
    const existing = this.actions.get(body.key);
    if (existing !== undefined && JSON.stringify(existing.body) !== JSON.stringify(body)) {
      return { code: 'IDEMPOTENCY_KEY_REUSED' };
    }
    if (existing !== undefined && existing.status !== 'FAILED') return { ...answerOf(existing.shares), replayed: true };
    const tokens = Math.floor((body.cents + 50) / 100);
    if (this.pool !== undefined) {
      if (body.currency !== 'USD') return { code: 'UNSUPPORTED_CURRENCY' };
      const someoneIsUnknown = body.stakeholders.some(({ user }) => !this.users.has(user));
      if (!body.autoCreateUsers && someoneIsUnknown) return { code: 'USER_NOT_FOUND' };
    }
    for (const { user, email } of body.stakeholders) this.user(user).email ??= email ?? null;
    const code = this.pool === undefined ? 'NO_ACTIVE_POOL' : tokens > this.pool ? 'INSUFFICIENT_POOL' : undefined;
    const shares =
      code === undefined
        ? inProportion(
            tokens,
            body.stakeholders.map(() => 1),
          )
        : [];
    this.actions.set(body.key, {
      body,
      status: code === undefined ? 'COMPLETED' : 'FAILED',
      shares,
      taken: shares.map(() => 0),
      attempts: (existing?.attempts ?? 0) + 1,
      reversals: new Map(),
      lastReversal: undefined,
    });
    if (code !== undefined) return { code };
    this.pool = (this.pool ?? 0) - tokens;
    shares.forEach((share, index) => {
      const user = this.user(body.stakeholders[index]?.user ?? '');
      user.available += share;
      user.earned += share;
    });
    return { ...answerOf(shares), replayed: false };
  }

  /** All or nothing: the first that fails, by its place, or every answer. */
  submitTogether(bodies: readonly Submit[]): { at: number; code: string } | SubmitAnswer[] {
    const trial = this.clone();
    const answers = bodies.map((body) => trial.submit(body));
    const at = answers.findIndex((answer) => 'code' in answer);
    const failed = answers[at];
    if (failed !== undefined && 'code' in failed) return { at, code: failed.code };
    Object.assign(this, { ...trial });
    return answers;
  }

  reverse(request: Reverse): ReverseAnswer {
    const { key, tokens, parts, mode } = request;
    const asksForAll = tokens === undefined && parts === undefined;
    if (key === undefined && (!asksForAll || mode === 'partial')) return { code: 'INVALID_REQUEST' };
    const action = this.actions.get(request.action);
    if (action === undefined) return { code: 'NOT_FOUND' };
    const same = key === undefined ? undefined : action.reversals.get(key);
    if (same !== undefined && same.request !== JSON.stringify(request)) return { code: 'IDEMPOTENCY_KEY_REUSED' };
    const earlier = same?.answer ?? (action.status === 'REVERSED' && asksForAll ? action.lastReversal : undefined);
    if (earlier !== undefined) return { ...earlier, replayed: true };
    if (action.status === 'FAILED') return { code: 'ACTION_NOT_REVERSIBLE' };
    const wanted = wantedOf(request, action);
    if (wanted === undefined) return { code: 'REVERSAL_EXCEEDS_REMAINING' };
    return this.takeBack(request, action, wanted);
  }

  private takeBack(request: Reverse, action: ModelAction, wanted: readonly number[]): ReverseAnswer {
    const balances = new Map([...this.users].map(([name, user]) => [name, user.available]));
    let debt = 0;
    const takes = wanted.map((want, index) => {
      const name = action.body.stakeholders[index]?.user ?? '';
      const balance = balances.get(name) ?? 0;
      const covered = Math.min(want, Math.max(0, balance));
      const take = request.mode === 'partial' ? covered : want;
      debt += take - covered;
      balances.set(name, balance - take);
      return take;
    });
    const nothing = sum(wanted) > 0 && sum(takes) === 0;
    if ((request.mode === 'refuse' && debt > 0) || nothing) return { code: 'INSUFFICIENT_BALANCE' };
    takes.forEach((take, index) => {
      const user = this.user(action.body.stakeholders[index]?.user ?? '');
      user.available -= take;
      user.reversed += take;
      action.taken[index] = (action.taken[index] ?? 0) + take;
    });
    this.pool = (this.pool ?? 0) + sum(takes);
    const reversedTokens = sum(action.taken);
    action.status = reversedTokens === sum(action.shares) ? 'REVERSED' : 'PARTIALLY_REVERSED';
    const rows = takes.filter((take) => take > 0).length;
    const answer = { status: action.status, reversedTokens, tokens: sum(takes), debt, rows, replayed: false };
    action.lastReversal = answer;
    if (request.key !== undefined) action.reversals.set(request.key, { request: JSON.stringify(request), answer });
    return answer;
  }

  redeem(request: Redeem): RedeemAnswer {
    const user = this.users.get(request.user);
    if (user === undefined) return { code: 'NOT_FOUND' };
    const existing = this.redemptions.get(request.key);
    if (existing !== undefined) {
      const isSame = JSON.stringify(existing) === JSON.stringify(request);
      return isSame ? { tokens: existing.tokens, replayed: true } : { code: 'IDEMPOTENCY_KEY_REUSED' };
    }
    if (this.pool === undefined) return { code: 'NO_ACTIVE_POOL' };
    if (user.available < request.tokens) return { code: 'INSUFFICIENT_BALANCE' };
    user.available -= request.tokens;
    user.redeemed += request.tokens;
    this.redemptions.set(request.key, request);
    return { tokens: request.tokens, replayed: false };
  }
}

const answerOf = (shares: number[]) => ({
  tokens: sum(shares),
  shares,
  rows: shares.filter((share) => share > 0).length,
});

/** What a reversal asks for, by distribution; undefined where more is asked for than remains. */
function wantedOf({ tokens, parts }: Reverse, { body, shares, taken }: ModelAction): number[] | undefined {
  const remaining = shares.map((share, index) => share - (taken[index] ?? 0));
  if (tokens !== undefined) return tokens > sum(remaining) ? undefined : inProportion(tokens, remaining);
  if (parts === undefined) return remaining;
  const wanted = body.stakeholders.map((holder) =>
    sum(parts.filter((part) => part.code === holder.code && part.user === holder.user).map((part) => part.tokens)),
  );
  const isNamed = sum(wanted) === sum(parts.map((part) => part.tokens));
  return isNamed && wanted.every((want, index) => want <= (remaining[index] ?? 0)) ? wanted : undefined;
}
