import type { OpenApiDocument } from '../openapi/document.ts';
import type { DocsSite } from './docs-site.ts';
import { codePanel, heading, snippet } from './guide-parts.ts';
import { highlightJson, highlightScript, highlightShell } from './highlight.ts';
import { type Html, html } from './html.ts';
import { firstExample, operationsOf, successOf } from './read-document.ts';
import { renderAccess } from './render-access.ts';

export function renderGuide(site: DocsSite): Html {
  return html`${introduction(site)}${firstRequest(site)}${authentication()}${renderAccess(site.document)}${retries()}${lists()}${rateLimits()}`;
}

function introduction({ environment, document }: DocsSite): Html {
  const here =
    environment === 'sandbox'
      ? 'This is a sandbox host: nothing here is worth real money. Everything on this page can be tried right here, against'
      : 'This is a production host. What reads can be tried right here, against';
  return html`<section class="guide intro" id="introduction">
    <div class="intro-columns"><div>
      <p class="eyebrow">Partner API</p>
      <h1>Thank people for doing&nbsp;good.</h1>
      <p class="lead">Tell SIR Giving what someone did: a purchase, a volunteer shift, a referral. The API turns it into SIR tokens,
        keeps the books, and lets your server know.</p>
    </div>${exchange(document)}</div>
    <ol class="path">
      <li><a href="#first-request"><strong>Sign a request</strong><span>Three variables and one paste.</span></a></li>
      <li><a href="#submitAction"><strong>Reward an action</strong><span>49.99 USD become 50 tokens.</span></a></li>
      <li><a href="#webhooks"><strong>Hear of it</strong><span>A signed event on your server.</span></a></li>
    </ol>
    <div class="table-scroll" tabindex="0"><table>
      <caption class="visually-hidden">The two environments</caption>
      <thead><tr><th scope="col">Environment</th><th scope="col">Base URL</th><th scope="col">Keys</th></tr></thead>
      <tbody>
        <tr><th scope="row">Sandbox</th><td><code>https://devapi.sirgiving.org</code></td><td><code>pk_test_…</code> <code>sk_test_…</code></td></tr>
        <tr><th scope="row">Production</th><td><code>https://api.sirgiving.org</code></td><td><code>pk_live_…</code> <code>sk_live_…</code></td></tr>
      </tbody>
    </table></div>
    <p class="muted">${here} <code data-base-url>${document.servers[0]?.url}</code>.
      The same in a file: <a href="/partner-api/openapi.json">openapi.json</a>.</p>
  </section>`;
}

/** A reward in a few lines: members of the call that was recorded for `actions/submit`. */
function exchange(document: OpenApiDocument): Html {
  const submit = operationsOf(document).find(({ operation }) => operation.operationId === 'submitAction')?.operation;
  const request = submit && firstExample(submit.requestBody?.content['application/json']);
  const answer = submit && firstExample(successOf(document, submit).response.content?.['application/json']);
  if (request === undefined || answer === undefined) return html``;
  return html`<div class="panel exchange">
    <p class="panel-head"><code>POST actions/submit</code></p>
    <pre><code>${highlightJson(some(request, ['idempotencyKey', 'actionType', 'amount', 'currency']))}</code></pre>
    <p class="panel-head"><span class="status status-2">200</span> OK</p>
    <pre><code>${highlightJson(some(answer, ['status', 'tokensDistributed']))}</code></pre>
  </div>`;
}

function some(value: unknown, names: readonly string[]): Record<string, unknown> {
  const members = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  return Object.fromEntries(members.filter(([name]) => names.includes(name)));
}

function firstRequest({ document, environment }: DocsSite): Html {
  const kind = environment === 'sandbox' ? 'test' : 'live';
  const setUp = html`<span class="t-word">export</span> SIR_BASE_URL=<span data-base-url>${document.servers[0]?.url}</span>
<span class="t-word">export</span> SIR_SECRET_KEY=sk_${kind}_…
<span class="t-word">export</span> SIR_HMAC_SECRET=…`;
  return html`<section class="guide" id="first-request">
    ${heading('first-request')}
    <div class="columns"><div class="prose">
      <p>You need a <strong>secret key</strong> and its <strong>HMAC secret</strong>. Both are shown once, when a key is made. Keep them on your server.
      ${environment === 'sandbox' ? html` On your own machine <code>npm start</code> writes a pair to <code>.data/credentials.json</code>.` : ''}</p>
      <p>Then sign and send. The answer is your list of users, with status 200.</p>
      <p>A signed request to <code>actions/submit</code> is all it takes to reward someone. Send it twice: the key <code>order_98765</code> makes sure that it counts once.</p>
    </div><div class="stack">
      ${codePanel('Your credentials', setUp)}
      ${codePanel('List your users', highlightShell(snippet('first-request.sh')), 'first-request')}
      ${codePanel('Reward an action', highlightShell(snippet('submit-action.sh')), 'submit-action')}
    </div></div>
  </section>`;
}

function authentication(): Html {
  return html`<section class="guide" id="authentication">
    ${heading('authentication')}
    <div class="columns"><div class="prose">
      <p>Every request carries three headers.</p>
      <dl class="terms">
        <dt><code>X-Partner-Key</code></dt><dd>A publishable key <code>pk_…</code> may read. A secret key <code>sk_…</code> may read and change, and never leaves your server.</dd>
        <dt><code>X-Timestamp</code></dt><dd>Unix seconds, within 5 minutes of our clock either way.</dd>
        <dt><code>X-Signature</code></dt><dd>Lowercase hex HMAC-SHA256 of the text below, keyed with your HMAC secret.</dd>
      </dl>
      <p class="canonical-legend" aria-label="What is signed: timestamp, method, path and body hash, one behind the other">
        <code class="part part-timestamp">timestamp</code><code class="part part-method">METHOD</code><code class="part part-path">path?query</code><code class="part part-body">SHA-256 of the body</code></p>
      <p>The four parts stand one behind the other with nothing between. Hash the exact bytes that you send; a request without a body hashes the empty string.
      A wrong signature is answered <a href="#INVALID_SIGNATURE">401</a>, and the sandbox adds a <code>hint</code> that says what it saw.</p>
      <p>Try it out on this page shows all of this for your own request.</p>
    </div><div class="stack">${codePanel('Node.js', highlightScript(snippet('sign-request.mjs')), 'sign-request')}</div></div>
  </section>`;
}

function retries(): Html {
  return html`<section class="guide" id="retries">
    ${heading('retries')}<div class="prose">
    <p>Networks fail between the work and the answer. Send the same request again, with the same key, and it is done once.</p>
    <ul>
      <li>Actions, reversals and redemptions carry an <code>idempotencyKey</code> in the body. It is remembered for ever.</li>
      <li>Other requests that create something take an <code>Idempotency-Key</code> header, remembered for 30 days.</li>
      <li>A repeated request is given the first answer with <code>Idempotent-Replayed: true</code>. The same key with another body is <a href="#IDEMPOTENCY_KEY_REUSED">422</a>.</li>
      <li>Each error says in <code>retryable</code> whether sending it again can help. After <a href="#OUTCOME_UNKNOWN">503</a> it always does.</li>
    </ul>
  </div></section>`;
}

function lists(): Html {
  return html`<section class="guide" id="lists">
    ${heading('lists')}<div class="prose">
    <p>A list answers <code>data</code> and <code>pagination</code>. While <code>hasMore</code> is true, ask again with <code>cursor</code> set to <code>nextCursor</code>; pages then neither skip nor repeat, whatever is added meanwhile. <code>limit</code> is 1 to 100. <code>page</code> works too, and then the total is counted.</p>
  </div></section>`;
}

function rateLimits(): Html {
  return html`<section class="guide" id="rate-limits">
    ${heading('rate-limits')}<div class="prose">
    <p>Requests are counted per minute, for all keys of a partner in one environment: 1,000 in the Standard tier, 5,000 in Professional, 50,000 in Enterprise, unless another number was agreed with you. A batch costs one for every ten actions.
    <code>X-RateLimit-Limit</code>, <code>X-RateLimit-Remaining</code> and <code>X-RateLimit-Reset</code> tell where you stand; past the limit you get <a href="#RATE_LIMITED">429</a> and <code>Retry-After</code>.</p>
  </div></section>`;
}
