import type { OpenApiDocument, Operation } from '../openapi/document.ts';
import { codePanel, heading } from './guide-parts.ts';
import { type Html, html } from './html.ts';
import { type DocumentedOperation, operationsOf } from './read-document.ts';
import { methodTag } from './render-operation.ts';

const COLUMNS = [
  { caller: 'publishableKey', title: 'pk_' },
  { caller: 'secretKey', title: 'sk_' },
  { caller: 'viewer', title: 'Viewer' },
  { caller: 'developer', title: 'Developer' },
  { caller: 'owner', title: 'Owner' },
] as const;

/** Callers that are not told apart by key and role: one sentence in place of the columns. */
const SENTENCES: Record<string, string> = {
  anyone: 'Nobody has to prove who they are',
  account: 'Everybody who is logged in',
  widget: 'The publishable key alone',
};

/** How people call, and the table of routes and roles, which is made of the server's own table. */
export function renderAccess(document: OpenApiDocument): Html {
  return html`<section class="guide" id="accounts-and-roles">
    ${heading('accounts-and-roles')}
    <div class="columns"><div class="prose">
      <p>Keys are for servers and pages. People have accounts: they <a href="#register">register</a>, <a href="#verifyEmail">confirm their address</a> and <a href="#logIn">log in</a>. The access token of the answer lives ten minutes; <a href="#refreshSession">refresh</a> gives the next one.</p>
      <p>The <a href="#createKey">first key</a> that a person makes also makes their partner, and them its owner. Others join by <a href="#createInvitation">invitation</a>.</p>
      <dl class="terms">
        <dt>Viewer</dt><dd>Reads everything but secrets.</dd>
        <dt>Developer</dt><dd>Changes what an integration needs: keys, webhooks, users, pools. Rewards in the sandbox only.</dd>
        <dt>Owner</dt><dd>Decides on the team, the settings and going live too.</dd>
      </dl>
      <p>A token is for both environments: <code>X-Partner-Environment</code> chooses one, else that of the host counts. Who belongs to several partners names one in <code>X-Partner-Id</code>. What is taken from somebody, such as a role, is gone within a second.</p>
    </div><div class="stack">${codePanel('A person’s request', EXAMPLE)}</div></div>
    ${routeTable(document)}
  </section>`;
}

const EXAMPLE = html`<span class="t-word">GET</span> /v1/partner/keys
<span class="t-name">Authorization</span>: Bearer <span class="t-comment">access token</span>
<span class="t-name">X-Partner-Environment</span>: sandbox
<span class="t-name">X-Partner-Id</span>: ptn_…`;

function routeTable(document: OpenApiDocument): Html {
  const operations = operationsOf(document).filter(({ path }) => !path.startsWith('/v1/admin/'));
  const headings = COLUMNS.map(({ title }) => html`<th scope="col">${title}</th>`);
  return html`<details class="route-table"><summary>Who may call what: ${operations.length} routes</summary>
    <div class="table-scroll" tabindex="0"><table>
      <caption class="visually-hidden">Routes, and the keys and roles that may call them</caption>
      <thead><tr><th scope="col">Route</th>${headings}</tr></thead>
      <tbody>${operations.map(routeRow)}</tbody>
    </table></div>
    <p class="muted">Who belongs to no partner yet may <a href="#createKey">create a key</a> too. Routes of the administration are for people of SIR Giving alone.</p>
  </details>`;
}

function routeRow({ method, path, operation }: DocumentedOperation): Html {
  const route = html`<th scope="row">${methodTag(method)} <a href="#${operation.operationId}"><code>${path.replace('/v1/partner/', '')}</code></a></th>`;
  const [first = ''] = operation['x-roles'];
  const sentence = SENTENCES[first];
  if (sentence !== undefined) return html`<tr>${route}<td colspan="${COLUMNS.length}">${sentence}</td></tr>`;
  return html`<tr>${route}${COLUMNS.map(({ caller }) => html`<td>${cell(operation, caller)}</td>`)}</tr>`;
}

function cell({ 'x-roles': roles }: Operation, caller: string): string {
  if (roles.includes(caller)) return 'yes';
  return roles.includes(`${caller}InSandbox`) ? 'sandbox' : '–';
}
