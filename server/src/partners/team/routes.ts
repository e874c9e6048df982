import {
  ChangeRole,
  Invitation,
  InvitationList,
  InvitationParams,
  InvitationToken,
  Invite,
  Joined,
  Member,
  MemberList,
  MemberParams,
  ShownInvitation,
} from '@sirgiving/contract';
import { callerOfKind } from '../../platform/caller.ts';
import type { Sql } from '../../platform/db.ts';
import { endpoint, keyedEndpoint } from '../../platform/endpoint.ts';
import { inTransaction } from '../../platform/in-transaction.ts';
import { acceptInvitation, declineInvitation, showInvitation } from './answer-invitation.ts';
import { changeRole, leaveTeam, removeMember } from './change-team.ts';
import { type InvitingDependencies, inviteMember, listInvitations, revokeInvitation } from './invite-member.ts';
import { listMembers } from './list-members.ts';

/** The endpoints under `/v1/partner/members` and `/v1/partner/invitations`. */
export function teamEndpoints(deps: InvitingDependencies & { sql: Sql }) {
  return { members: memberEndpoints(deps), invitations: { ...invitingEndpoints(deps), ...answerEndpoints(deps) } };
}

function memberEndpoints({ sql }: { sql: Sql }) {
  const list = endpoint({ summary: 'List the team', status: 200, answer: MemberList, errors: [] }, (call) =>
    listMembers(sql, call.tenant.partnerId, callerOfKind(call, 'member').accountId),
  );
  const patch = keyedEndpoint(
    {
      summary: 'Change a member’s role',
      description: 'Holds within a second; the member logs in anew. A team always has an owner.',
      params: MemberParams,
      body: ChangeRole,
      status: 200,
      answer: Member,
      errors: ['NOT_FOUND', 'LAST_OWNER'],
    },
    (tx, call) => {
      const change = { memberId: call.params.id, role: call.body.role, you: callerOfKind(call, 'member').accountId };
      return changeRole(tx, call.tenant.partnerId, change, call.now);
    },
  );
  const remove = keyedEndpoint(
    {
      summary: 'Remove a member',
      description: 'Holds within a second. A team always has an owner.',
      params: MemberParams,
      status: 204,
      errors: ['NOT_FOUND', 'LAST_OWNER'],
    },
    (tx, { tenant, params, now }) => removeMember(tx, tenant.partnerId, params.id, now),
  );
  const leave = keyedEndpoint(
    { summary: 'Leave the team', description: 'The last owner cannot.', status: 204, errors: ['LAST_OWNER'] },
    (tx, call) => leaveTeam(tx, call.tenant.partnerId, callerOfKind(call, 'member').accountId),
  );
  return { list, patch, delete: remove, leave };
}

function invitingEndpoints(deps: InvitingDependencies & { sql: Sql }) {
  const list = endpoint(
    { summary: 'List invitations', status: 200, answer: InvitationList, errors: [] },
    ({ tenant, now }) => listInvitations(deps.sql, tenant.partnerId, now),
  );
  const create = keyedEndpoint(
    {
      summary: 'Invite somebody',
      description:
        'Mails a link that works once, for 7 days, for the account with this address. A second one replaces the first.',
      body: Invite,
      status: 201,
      answer: Invitation,
      errors: ['MEMBER_EXISTS', 'LIMIT_REACHED', 'MAIL_NOT_CONFIGURED'],
    },
    (tx, call) => {
      const invitedBy = callerOfKind(call, 'member').accountId;
      return inviteMember(tx, deps, call.tenant.partnerId, { ...call.body, invitedBy }, call.now);
    },
  );
  const revoke = keyedEndpoint(
    { summary: 'Take an invitation back', params: InvitationParams, status: 204, errors: ['NOT_FOUND'] },
    (tx, { tenant, params, now }) => revokeInvitation(tx, tenant.partnerId, params.id, now),
  );
  return { list, create, delete: revoke };
}

function answerEndpoints({ sql }: { sql: Sql }) {
  const show = endpoint(
    {
      summary: 'Read an invitation',
      description: 'With the token of the mail’s link.',
      body: InvitationToken,
      status: 200,
      answer: ShownInvitation,
      errors: ['NOT_FOUND'],
    },
    ({ body, now }) => showInvitation(sql, body.token, now),
  );
  const accept = endpoint(
    {
      summary: 'Accept an invitation',
      description: 'With the token of the mail’s link, as the account with the address that the mail went to.',
      body: InvitationToken,
      status: 200,
      answer: Joined,
      errors: ['NOT_FOUND', 'INVITATION_NOT_YOURS', 'MEMBER_EXISTS', 'LIMIT_REACHED'],
    },
    (call) => {
      const { accountId } = callerOfKind(call, 'account');
      return inTransaction(sql, (tx) => acceptInvitation(tx, call.body.token, accountId, call.now));
    },
  );
  const decline = endpoint(
    {
      summary: 'Decline an invitation',
      description: 'With the token of the mail’s link.',
      body: InvitationToken,
      status: 204,
      errors: ['NOT_FOUND'],
    },
    ({ body, now }) => inTransaction(sql, (tx) => declineInvitation(tx, body.token, now)),
  );
  return { show, accept, decline };
}
