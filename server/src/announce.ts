import type { WriteStream } from 'node:tty';

/** Tells the person at the console how the start goes on. */
export interface Progress {
  step(text: string): void;
  /** Takes the moving line away, before something else is written. */
  clear(): void;
}

const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const SPINNER_MILLISECONDS = 80;
const CLEAR_LINE = '\r\u001b[K';

/** On a terminal one moving line; elsewhere a plain line for each step. */
export function showProgress(output: WriteStream | NodeJS.WriteStream): Progress {
  if (!output.isTTY) return { step: (text) => output.write(`${text} …\n`), clear: () => {} };
  let timer: NodeJS.Timeout | undefined;
  let text = '';
  let frame = 0;
  const draw = () => {
    frame = (frame + 1) % SPINNER.length;
    output.write(`${CLEAR_LINE}${SPINNER[frame]} ${text} …`);
  };
  return {
    step: (next) => {
      text = next;
      draw();
      timer ??= setInterval(draw, SPINNER_MILLISECONDS).unref();
    },
    clear: () => {
      if (timer === undefined) return;
      clearInterval(timer);
      timer = undefined;
      output.write(CLEAR_LINE);
    },
  };
}

/** What the banner says. */
export interface Running {
  environment: string;
  /** Undefined where only background work is done. */
  baseUrl?: string | undefined;
  /** Undefined where mails are sent, or cannot be. */
  mailsUrl?: string | undefined;
  /** Undefined where no demo partner was made. */
  credentialsPath?: string | undefined;
}

/** The few lines that are printed once everything runs. */
export function banner({ environment, baseUrl, mailsUrl, credentialsPath }: Running): string {
  if (baseUrl === undefined) return `SIR Giving (${environment}) works in the background.\n`;
  const lines = [
    '',
    `  SIR Giving (${environment}) runs. Ctrl-C stops it.`,
    '',
    `  API          ${baseUrl}/v1/partner`,
    `  Docs         ${baseUrl}/partner-api`,
  ];
  if (mailsUrl !== undefined) lines.push(`  Mails        ${mailsUrl}`);
  if (credentialsPath === undefined) return `${lines.join('\n')}\n\n`;
  lines.push(
    `  Credentials  ${credentialsPath}`,
    '',
    '  Paste this into another terminal: it creates a user, rewards an action and prints the balance.',
    '',
  );
  return `${lines.join('\n')}\n${firstReward(credentialsPath)}\n\n`;
}

/** Inside single quotes a shell takes everything literally but the quote itself. */
function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * Shell lines for bash and zsh with GNU or BSD tools. They sign when they are pasted, since a signature lives five minutes. Kept
 * clear of what the two shells take differently: no comments, no `!`, no word splitting, none of zsh's own variables (`path`, `status`).
 */
export function firstReward(credentialsPath: string): string {
  return `sir_value() { node -p 'JSON.parse(require("fs").readFileSync(process.argv[1]))[process.argv[2]]' ${shellQuote(credentialsPath)} "$1"; }
sir_call() {
  local method="$1" target="$2" body="\${3-}" now hash signature
  now=$(date +%s)
  hash=$(printf '%s' "$body" | openssl dgst -sha256 | awk '{print $NF}')
  signature=$(printf '%s' "$now$method$target$hash" | openssl dgst -sha256 -hmac "$(sir_value hmacSecret)" | awk '{print $NF}')
  set --
  if [ -n "$body" ]; then set -- -H 'Content-Type: application/json' --data-binary "$body"; fi
  curl -sS -w '\\n' -X "$method" "$(sir_value baseUrl)$target" -H "X-Partner-Key: $(sir_value secretKey)" -H "X-Timestamp: $now" -H "X-Signature: $signature" "$@"
}
sir_user="user_$(date +%s)"
sir_call POST /v1/partner/users '{"externalUserId":"'"$sir_user"'","email":"'"$sir_user"'@example.com","firstName":"Jane"}'
sir_call POST /v1/partner/actions/submit '{"idempotencyKey":"order_'"$sir_user"'","actionType":"PURCHASE","amount":49.99,"currency":"USD","stakeholders":[{"stakeholderTypeCode":"CUSTOMER","partnerUserId":"'"$sir_user"'"}]}'
sir_call GET "/v1/partner/users/$sir_user/balance"`;
}
