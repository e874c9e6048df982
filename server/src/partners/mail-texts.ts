import type { Role } from '../platform/caller.ts';
import type { Mail } from '../platform/mail.ts';

const FAREWELL = 'The SIR Giving team';

function mail(to: string, subject: string, ...paragraphs: string[]): Mail {
  return { to, subject, text: `${['Hello,', ...paragraphs, FAREWELL].join('\n\n')}\n` };
}

/** What each role is, in words for people. */
export const roleTexts: Readonly<Record<Role, string>> = {
  viewer: 'a viewer, who can see everything and change nothing',
  developer: 'a developer, who can do everything but change the team and go live',
  owner: 'an owner, who can do everything',
};

/** To somebody who is invited to a team. What others have written is only in the text, never in a header. */
export function invitationMail(
  to: string,
  { partnerName, role, link }: { partnerName: string; role: Role; link: string },
): Mail {
  return mail(
    to,
    'You are invited to a team at SIR Giving',
    `${partnerName} invites you to its team, as ${roleTexts[role]}:`,
    link,
    'The link works once, for 7 days, for the account with this e-mail address.',
    'You do not know them? Then you need not do anything.',
  );
}

/** To the contact of a partner whose key is about to stop working. */
export function keyExpiringMail(
  to: string,
  key: { name: string; publicKey: string; environment: string; expiresAt: Date; days: number },
): Mail {
  const when = key.days === 1 ? 'within a day' : `in ${key.days} days`;
  return mail(
    to,
    `An API key stops working ${when}`,
    `your ${key.environment} key "${key.name}" (${key.publicKey.slice(0, 16)}…) stops working at ${key.expiresAt.toISOString()}.`,
    'Rotate it before then: the old and the new one work side by side while you bring the new one to your servers. If it is no longer used, you need not do anything.',
  );
}

/** To who has applied to go live. */
export function goLiveApprovedMail(to: string, { partnerName }: { partnerName: string }): Mail {
  return mail(
    to,
    'You are live at SIR Giving',
    `${partnerName} is approved for production: live keys may do everything now.`,
    'Your production token pool was made. The tokens that go with it were requested for you; you will hear when they are there.',
  );
}

/** To who has applied to go live. */
export function goLiveDeniedMail(to: string, { partnerName, reason }: { partnerName: string; reason: string }): Mail {
  return mail(
    to,
    'Your application to go live',
    `we cannot approve ${partnerName} for production yet:`,
    reason,
    'You can apply again at any time; the sandbox stays as it is.',
  );
}
