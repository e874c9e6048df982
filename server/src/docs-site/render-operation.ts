import type { JsonSchema, OpenApiDocument, Parameter, Response } from '../openapi/document.ts';
import { highlightJson } from './highlight.ts';
import { type Html, html } from './html.ts';
import { inlineMarkdown, markdown } from './markdown.ts';
import {
  bodySchemaOf,
  type DocumentedOperation,
  errorCodesOf,
  firstExample,
  parametersOf,
  resolve,
  successOf,
} from './read-document.ts';
import { renderField, renderFields, typeName } from './render-schema.ts';

const STATUS_TEXT: Record<string, string> = {
  '200': 'OK',
  '201': 'Created',
  '204': 'No Content',
  '400': 'Bad Request',
  '401': 'Unauthorized',
  '402': 'Payment Required',
  '403': 'Forbidden',
  '404': 'Not Found',
  '405': 'Method Not Allowed',
  '409': 'Conflict',
  '413': 'Content Too Large',
  '415': 'Unsupported Media Type',
  '422': 'Unprocessable Content',
  '429': 'Too Many Requests',
  '500': 'Internal Server Error',
  '503': 'Service Unavailable',
};

/** One operation: on the left what it takes and answers, on the right calls that were made. */
export function renderOperation(document: OpenApiDocument, documented: DocumentedOperation): Html {
  const { operation } = documented;
  return html`<section class="operation" id="${operation.operationId}" aria-labelledby="${operation.operationId}-title">
    <div class="operation-text">
      <h3 id="${operation.operationId}-title"><a href="#${operation.operationId}">${operation.summary}</a></h3>
      <p class="endpoint">${methodTag(documented.method)} <code>${breakable(documented.path)}</code></p>
      ${needsLine(documented)}
      ${operation.description === undefined ? '' : html`<div class="prose">${markdown(operation.description)}</div>`}
      ${parameterLists(document, documented)}
      ${bodyFields(document, bodySchemaOf(operation))}
      ${answerFields(document, documented)}
      ${errorTable(document, documented)}
    </div>
    <div class="operation-code">${requestPanel(document, documented)}${answerPanel(document, documented)}</div>
  </section>`;
}

export function methodTag(method: string): Html {
  return html`<span class="method method-${method.toLowerCase()}">${method}</span>`;
}

/** A path may break behind its slashes, so that it fits a phone. */
function breakable(path: string): Html[] {
  return path.split('/').map((segment, index) => html`${index === 0 ? '' : '/'}<wbr>${segment}`);
}

function needsLine({ needs, operation }: DocumentedOperation): Html {
  if (needs === 'nothing') return html`<p class="needs">No keys needed</p>`;
  if (needs === 'publishable key') return html`<p class="needs"><strong>Publishable key</strong> alone</p>`;
  const roles = operation['x-roles'].filter((role) => role in ROLE_TEXT).map((role) => ROLE_TEXT[role]);
  if (needs === 'admin access token') return html`<p class="needs"><strong>Access token</strong> of SIR Giving</p>`;
  if (needs === 'access token') return html`<p class="needs"><strong>Access token</strong>: ${roles.join(', ')}</p>`;
  const link = html`<a href="#authentication">signed</a>`;
  const key = needs === 'secret key' ? 'Secret key' : 'Publishable or secret key';
  return html`<p class="needs"><strong>${key}</strong>, ${link}; or access token: ${roles.join(', ')}</p>`;
}

/** Who may call with an access token, of those that `x-roles` names. */
const ROLE_TEXT: Record<string, string> = {
  viewer: 'viewer',
  developer: 'developer',
  owner: 'owner',
  developerInSandbox: 'developer (sandbox)',
  ownerInSandbox: 'owner (sandbox)',
  newcomer: 'who has no partner yet',
  account: 'anyone who is logged in',
  admin: 'SIR Giving',
};

function parameterLists(document: OpenApiDocument, { operation }: DocumentedOperation): Html[] {
  const titles = { path: 'Path', query: 'Query', header: 'Header' } as const;
  const parameters = parametersOf(document, operation);
  return (['path', 'query', 'header'] as const).map((place) => {
    const fields = parameters
      .filter((parameter) => parameter.in === place)
      .map(({ name, schema, required, description }) =>
        renderField({ name, schema, isRequired: required, document, description }),
      );
    return fields.length === 0 ? html`` : html`<h4>${titles[place]}</h4><ul class="fields">${fields}</ul>`;
  });
}

function bodyFields(document: OpenApiDocument, schema: JsonSchema | undefined): Html {
  if (schema === undefined) return html``;
  return html`<h4>Body <span class="field-type">${typeName(document, schema)}</span></h4>
    ${renderFields(document, schema) ?? html`<p class="muted">Any JSON object.</p>`}`;
}

function answerFields(document: OpenApiDocument, { operation }: DocumentedOperation): Html {
  const { status, response } = successOf(document, operation);
  const media = response.content?.['application/json'];
  const head = html`<h4>Answer <span class="field-type">${statusLine(status)}</span></h4>`;
  if (media === undefined) return html`${head}<p class="muted">No body.</p>`;
  return html`${head}<details class="answer-fields"><summary>Fields of the ${typeName(document, media.schema)}</summary>
    ${renderFields(document, media.schema)}</details>`;
}

function errorTable(document: OpenApiDocument, { operation }: DocumentedOperation): Html {
  const own = new Set(operation['x-error-codes']);
  const codes = [...errorCodesOf(document, operation)].flatMap(([, group]) => group);
  const particular = codes.filter((code) => own.has(code));
  const common = codes.filter((code) => !own.has(code));
  return html`<h4>Errors</h4>
    ${particular.length === 0 ? '' : html`<ul class="own-errors">${particular.map((code) => errorLine(document, code))}</ul>`}
    <details class="common-errors"><summary>${particular.length === 0 ? '' : 'And '}${common.length} that any such request may meet</summary>
      <p class="code-chips">${common.map((code) => html`<a href="#${code}"><span>${document['x-error-catalog'][code]?.status}</span> ${code}</a> `)}</p>
    </details>`;
}

function errorLine(document: OpenApiDocument, code: string): Html {
  const entry = document['x-error-catalog'][code];
  return html`<li><span class="status status-${String(entry?.status).charAt(0)}">${entry?.status}</span>
    <span><a href="#${code}"><code>${code}</code></a> ${entry?.title}</span></li>`;
}

function requestPanel(document: OpenApiDocument, { method, path, operation, needs }: DocumentedOperation): Html {
  const body = firstExample(operation.requestBody?.content['application/json']);
  const headers = credentialLines(needs);
  return html`<figure class="panel">
    <figcaption><span>Request</span>
      <button type="button" class="try" data-try="${operation.operationId}" data-scripted>Try it<span class="visually-hidden">: ${operation.summary}</span></button>
    </figcaption>
    <pre tabindex="0"><code><span class="t-word">${method}</span> ${asSent(path, parametersOf(document, operation))}${headers}${
      body === undefined
        ? ''
        : html`
<span class="t-name">Content-Type</span>: application/json

${highlightJson(body)}`
    }</code></pre>
  </figure>`;
}

function credentialLines(needs: DocumentedOperation['needs']): Html | string {
  if (needs === 'nothing') return '';
  if (needs === 'access token' || needs === 'admin access token') {
    return html`
<span class="t-name">Authorization</span>: Bearer <span class="t-comment">access token</span>`;
  }
  const key = { 'secret key': 'sk_test_…', 'any key': 'pk_test_… or sk_test_…', 'publishable key': 'pk_test_…' }[needs];
  const signature = html`
<span class="t-name">X-Timestamp</span>: Unix seconds
<span class="t-name">X-Signature</span>: <span class="t-comment">hex HMAC</span>`;
  return html`
<span class="t-name">X-Partner-Key</span>: ${key}${needs === 'publishable key' ? '' : signature}`;
}

function answerPanel(document: OpenApiDocument, { operation }: DocumentedOperation): Html {
  const answers = Object.entries(operation.responses).flatMap(([status, given]) => {
    const response = resolve<Response>(document, given);
    const media = Object.values(response.content ?? {})[0];
    const examples = Object.values(media?.examples ?? {});
    return examples.map(({ summary, value }) => ({ status, summary, value }));
  });
  if (answers.length === 0) return html``;
  return html`<div class="panel answers">${answers.map(
    (
      { status, summary, value },
      index,
    ) => html`<details name="${operation.operationId}-answer"${index === 0 ? html` open` : ''}>
      <summary><span class="status status-${status.charAt(0)}">${status}</span> <span>${inlineMarkdown(summary)}</span></summary>
      <pre tabindex="0"><code>${highlightJson(value)}</code></pre>
    </details>`,
  )}</div>`;
}

/** The path of the recorded call. */
function asSent(path: string, parameters: readonly Parameter[]): string {
  const query = new URLSearchParams();
  let sent = path;
  for (const { name, in: place, example } of parameters) {
    if (example === undefined) continue;
    if (place === 'query') query.set(name, String(example));
    else sent = sent.replace(`{${name}}`, encodeURIComponent(example));
  }
  return query.size === 0 ? sent : `${sent}?${query}`;
}

export function statusLine(status: string): string {
  return `${status} ${STATUS_TEXT[status] ?? ''}`.trim();
}
