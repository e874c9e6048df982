import type { OpenApiDocument } from '../openapi/document.ts';
import { deliveryHeaders } from '../openapi/webhook-operations.ts';
import { codePanel, heading, snippet } from './guide-parts.ts';
import { highlightJson, highlightScript } from './highlight.ts';
import { type Html, html } from './html.ts';
import { inlineMarkdown } from './markdown.ts';
import { firstExample } from './read-document.ts';
import { statusLine } from './render-operation.ts';

/** Event types, what a delivery looks like, and how to verify it. */
export function renderWebhooks(document: OpenApiDocument): Html {
  const events = Object.entries(document.webhooks);
  const example = events
    .map(([type, { post }]) => ({ type, value: firstExample(post.requestBody.content['application/json']) }))
    .find(({ value }) => value !== undefined);
  return html`<section class="guide" id="webhooks">
    ${heading('webhooks', 'Webhooks')}
    <div class="columns"><div class="prose">
      <p><a href="#createWebhook">Register an address</a>, choose the events, and keep the secret that is shown once. Each delivery is a signed <code>POST</code>;
      answer 2xx within 15 seconds. Anything else is tried again, ten times over some 75 hours.</p>
      <p>Deliveries arrive at least once: drop an <code>id</code> that you have seen. <code>sequence</code> counts an endpoint’s deliveries without gaps, so you can put them in order and notice one that is missing.</p>
      <h3>Headers</h3>
      <dl class="terms">${deliveryHeaders.map(({ name, description }) => html`<dt><code>${name}</code></dt><dd>${inlineMarkdown(description ?? '')}</dd>`)}</dl>
      <p>The libraries of <a href="https://www.standardwebhooks.com" rel="noreferrer">Standard Webhooks</a> verify our deliveries as they are.</p>
      <h3 id="event-types">Event types</h3>
      <dl class="terms events">${events.map(([type, { post }]) => html`<dt id="event-${type}"><code>${type}</code></dt><dd>${post.description}</dd>`)}</dl>
    </div><div class="stack">
      ${codePanel('Verify a delivery (Node.js)', highlightScript(snippet('verify-webhook.mjs')), 'verify-webhook')}
      ${example && codePanel(`Body of ${example.type}`, highlightJson(example.value))}
    </div></div>
  </section>`;
}

/** Every code with an anchor of its own, which the `type` of a problem leads to. */
export function renderErrors(document: OpenApiDocument): Html {
  const entries = Object.entries(document['x-error-catalog']);
  const statuses = [...new Set(entries.map(([, entry]) => entry.status))].sort((a, b) => a - b);
  return html`<section class="guide" id="errors">
    ${heading('errors', 'Errors')}
    <div class="prose"><p>Errors are problem details (<a href="https://www.rfc-editor.org/rfc/rfc9457" rel="noreferrer">RFC 9457</a>): decide by <code>code</code>, show <code>detail</code> to a developer, quote <code>requestId</code> to us.
    <code>errors</code> names each place that is wrong. This is every code there is.</p></div>
    ${statuses.map(
      (status) => html`<h3 class="status-head">${statusLine(String(status))}</h3>
      <ul class="catalog">${entries
        .filter(([, entry]) => entry.status === status)
        .map(
          ([code, entry]) => html`<li id="${code}">
            <p class="catalog-code"><a href="#${code}"><code>${code}</code></a>${entry.retryable ? html` <span class="tag">retry helps</span>` : ''}</p>
            <div><p class="catalog-title">${entry.title}</p><p>${inlineMarkdown(entry.description)}</p></div></li>`,
        )}</ul>`,
    )}
  </section>`;
}
