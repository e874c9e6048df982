import type { Environment } from '@sirgiving/contract';
import { type Html, html } from './html.ts';

/** "Try it out": one dialog for all operations, filled by request-form.js when it opens. */
export function renderTryDialog(environment: Environment): Html {
  return html`<dialog id="try" class="try-dialog" aria-labelledby="try-title">
    <div class="try-frame">
      <header class="try-head">
        <div><h2 id="try-title"></h2><p class="endpoint" data-endpoint></p></div>
        <button type="button" class="close" data-close><span aria-hidden="true">×</span><span class="visually-hidden">Close</span></button>
      </header>
      <div class="try-body">
        <div class="try-inputs">
          ${keysSection(environment)}${tokenSection()}
          <section data-inputs hidden><h3>Parameters</h3><div data-input-list></div></section>
          <section data-body hidden>
            <div class="section-head"><h3 id="body-title">Body</h3><button type="button" class="quiet" data-reset>Reset to the example</button></div>
            <textarea data-body-text aria-labelledby="body-title" aria-describedby="body-fault" rows="12" spellcheck="false" autocomplete="off" autocapitalize="off"></textarea>
            <p class="fault" id="body-fault" role="status" data-body-fault></p>
          </section>
        </div>
        <div class="try-outcome">
          <section class="signing">
            <h3 data-signed-only>What is signed</h3>
            <p class="muted" data-signing-empty>Enter your keys, and the canonical string and its signature appear here.</p>
            <div data-signing hidden>
              <p class="canonical" data-signed-only data-canonical></p>
              <p class="canonical-legend" data-signed-only aria-hidden="true"><code class="part part-timestamp">timestamp</code><code class="part part-method">method</code><code class="part part-path">path</code><code class="part part-body">body hash</code></p>
              <p class="signature" data-signed-only><span>X-Signature</span> <code data-signature></code></p>
              <figure class="panel"><figcaption><span>curl <span class="muted" data-validity></span></span>
                <button type="button" class="copy" data-copy>Copy<span class="visually-hidden">: curl</span></button></figcaption>
                <pre tabindex="0"><code data-curl></code></pre></figure>
            </div>
          </section>
          <section class="outcome" aria-live="polite">
            <h3>Answer</h3>
            <p class="muted" data-outcome-empty>Nothing sent yet.</p>
            <p class="fault" data-outcome-fault hidden></p>
            <div data-outcome hidden>
              <p class="outcome-line"><span class="status" data-status></span> <span class="muted" data-timing></span></p>
              <figure class="panel"><figcaption><span data-content-type></span>
                <button type="button" class="copy" data-copy>Copy<span class="visually-hidden">: answer</span></button></figcaption>
                <pre tabindex="0"><code data-answer></code></pre></figure>
              <details><summary>Headers</summary><dl class="headers" data-headers></dl></details>
            </div>
          </section>
        </div>
      </div>
      <footer class="try-foot"><p class="fault" role="alert" data-send-fault></p>
        <span class="try-hint" aria-hidden="true"><kbd>Ctrl</kbd> or <kbd>⌘</kbd> and <kbd>Enter</kbd></span><button type="button" class="primary" data-send>Send request</button></footer>
    </div>
  </dialog>`;
}

function keysSection(environment: Environment): Html {
  const placeholder = environment === 'sandbox' ? 'sk_test_… or pk_test_…' : 'pk_live_…';
  return html`<section class="keys" data-keys-section>
    <div class="section-head"><h3>Keys</h3><button type="button" class="quiet" data-forget hidden>Forget them</button></div>
    <p data-keys-set hidden></p>
    <div data-keys-form>
      ${
        environment === 'sandbox'
          ? html`<p class="muted">Kept in this page’s memory and nowhere else: reload it, and they are gone. You can paste the whole <code>credentials.json</code> into either field.</p>`
          : html`<p class="muted">A secret key has no place in a browser, so this host takes a publishable key only, for reading. Kept in this page’s memory and nowhere else.</p>`
      }
      <label>Partner key <input data-key type="text" autocomplete="off" autocapitalize="off" spellcheck="false" data-1p-ignore data-lpignore="true" placeholder="${placeholder}" aria-describedby="key-fault"></label>
      <label>HMAC secret <input data-hmac class="concealed" type="text" autocomplete="off" autocapitalize="off" spellcheck="false" data-1p-ignore data-lpignore="true" placeholder="64 hex digits" aria-describedby="key-fault"></label>
      <p class="fault" id="key-fault" role="status" data-key-fault></p>
      <button type="button" data-use-keys>Use these keys</button>
    </div>
  </section>`;
}

function tokenSection(): Html {
  return html`<section class="keys" data-token-section hidden>
    <div class="section-head"><h3>Access token</h3><button type="button" class="quiet" data-forget-token data-token-set hidden>Forget it</button></div>
    <p data-token-set hidden>Sent as <code>Authorization: Bearer …</code></p>
    <div data-token-form>
      <p class="muted"><button type="button" class="quiet" data-try="logIn">Log in</button> here and the token is taken over, or paste one. Kept in this page’s memory and nowhere else.</p>
      <label>Access token <input data-token class="concealed" type="text" autocomplete="off" autocapitalize="off" spellcheck="false" data-1p-ignore data-lpignore="true" placeholder="eyJ…" aria-describedby="token-fault"></label>
      <p class="fault" id="token-fault" role="status" data-token-fault></p>
      <button type="button" data-use-token>Use this token</button>
    </div>
  </section>`;
}
