/** Names that the rule below would get wrong. */
const exceptions: Record<string, string> = {
  'GET /v1/partner/actions/:id/explain': 'explainAction',
  'POST /v1/partner/actions/batch': 'batchActions',
  'POST /v1/partner/auth/register': 'register',
  'POST /v1/partner/auth/verify-email': 'verifyEmail',
  'POST /v1/partner/auth/login': 'logIn',
  'POST /v1/partner/auth/refresh': 'refreshSession',
  'POST /v1/partner/auth/logout': 'logOut',
  'POST /v1/partner/auth/forgot-password': 'forgotPassword',
  'POST /v1/partner/auth/reset-password': 'resetPassword',
  'GET /v1/partner/auth/me': 'getAccount',
  'POST /v1/partner/auth/change-password': 'changePassword',
  'POST /v1/partner/auth/totp': 'enrolTotp',
  'POST /v1/partner/auth/totp/confirm': 'confirmTotp',
  'POST /v1/partner/auth/totp/disable': 'disableTotp',
  'POST /v1/partner/auth/totp/prove': 'proveOtp',
  'GET /v1/partner/keys/partner-info': 'getPartnerInfo',
  'GET /v1/partner/settings': 'getSettings',
  'PATCH /v1/partner/settings': 'updateSettings',
  'POST /v1/partner/members/leave': 'leaveTeam',
  'POST /v1/partner/go-live': 'applyForGoLive',
};

const PARTNER_PREFIX = '/v1/partner/';
const ADMIN_PREFIX = '/v1/admin/';
const VERB_OF_METHOD: Record<string, string> = { GET: 'get', POST: 'create', PATCH: 'update', DELETE: 'delete' };

/**
 * The name of an operation, as client generators turn it into a method: `listUsers`, `getUserBalance`, `reverseAction`; those of the
 * administration begin with `admin`.
 * A last segment behind POST that is no plural is a verb of its own (`…/reverse`); `isList` says that a page is answered.
 */
export function operationId(method: string, path: string, isList: boolean): string {
  if (path.startsWith(ADMIN_PREFIX)) {
    const name = operationId(method, path.replace(ADMIN_PREFIX, PARTNER_PREFIX), isList);
    return `admin${name.charAt(0).toUpperCase()}${name.slice(1)}`;
  }
  const exception = exceptions[`${method} ${path}`];
  if (exception !== undefined) return exception;
  const segments = path.replace(PARTNER_PREFIX, '').split('/').filter(Boolean);
  const words = segments.filter((segment) => !segment.startsWith(':'));
  const last = words.at(-1) ?? '';
  const endsInParameter = segments.at(-1)?.startsWith(':') ?? false;
  if (method === 'POST' && !endsInParameter && !last.endsWith('s')) {
    return camel(last) + words.slice(0, -1).map(singular).map(pascal).join('');
  }
  const verb = isList ? 'list' : (VERB_OF_METHOD[method] ?? method.toLowerCase());
  const keepsPlural = isList && !endsInParameter;
  const names = words.map((word, index) => (keepsPlural && index === words.length - 1 ? word : singular(word)));
  return verb + names.map(pascal).join('');
}

/** Groups whose name is not that of their path. */
const groupOfResource: Record<string, string> = {
  auth: 'Accounts',
  members: 'Team',
  invitations: 'Team',
  config: 'Settings',
  'go-live': 'Going live',
  requests: 'Request log',
};

/** The name of the group that an operation is shown in: `Token pools` of `/v1/partner/token-pools/:id`. */
export function tagOf(path: string): string {
  if (path.startsWith(`${ADMIN_PREFIX}auth/`)) return 'Admin sessions';
  if (path.startsWith(ADMIN_PREFIX)) return 'Administration';
  if (!path.startsWith(PARTNER_PREFIX)) return 'Service';
  const [resource = ''] = path.slice(PARTNER_PREFIX.length).split('/');
  const words = resource.replaceAll('-', ' ');
  return groupOfResource[resource] ?? words.charAt(0).toUpperCase() + words.slice(1);
}

function singular(word: string): string {
  if (word.endsWith('ies')) return `${word.slice(0, -3)}y`;
  return word.endsWith('s') && !word.endsWith('ss') ? word.slice(0, -1) : word;
}

function camel(word: string): string {
  const text = pascal(word);
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function pascal(word: string): string {
  return word
    .split('-')
    .map((part) => part.charAt(0).toUpperCase() + part.slice(1))
    .join('');
}
