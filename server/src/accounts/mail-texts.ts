import type { Mail } from '../platform/mail.ts';

/** Where the links of mails lead; a token stands behind the `#`, which no server and no log sees. */
export interface AccountLinks {
  verifyEmail(token: string): string;
  resetPassword(token: string): string;
  forgotPassword: string;
}

/** Links to the small pages of this host (account-pages/). `publicUrl`: without a slash at the end. */
export function accountLinks(publicUrl: string): AccountLinks {
  return {
    verifyEmail: (token) => `${publicUrl}/account/verify-email#${token}`,
    resetPassword: (token) => `${publicUrl}/account/reset-password#${token}`,
    forgotPassword: `${publicUrl}/account/forgot-password`,
  };
}

const FAREWELL = 'The SIR Giving team';

function mail(to: string, subject: string, ...paragraphs: string[]): Mail {
  return { to, subject, text: `${['Hello,', ...paragraphs, FAREWELL].join('\n\n')}\n` };
}

/** To somebody who has registered. */
export function verificationMail(to: string, links: AccountLinks, token: string): Mail {
  return mail(
    to,
    'Confirm your e-mail address',
    'Welcome to SIR Giving! Please confirm that this address is yours; then you can log in:',
    links.verifyEmail(token),
    'The link works once, for 30 minutes. If it has become too old, just register again.',
    'You did not register? Then somebody mistyped their address. You need not do anything.',
  );
}

/** To somebody who has an account and registered again, or whom somebody else tried to register. */
export function alreadyRegisteredMail(to: string, links: AccountLinks): Mail {
  return mail(
    to,
    'You already have an account',
    'Somebody, probably you, has just tried to register with this address. You already have an account, so nothing was changed: just log in as always.',
    'If you do not remember your password, you can choose a new one here:',
    links.forgotPassword,
  );
}

/** To somebody who has forgotten the password. */
export function passwordResetMail(to: string, links: AccountLinks, token: string): Mail {
  return mail(
    to,
    'Choose a new password',
    'Here you can choose a new password:',
    links.resetPassword(token),
    'The link works once, for 30 minutes. With the new password all devices are logged out.',
    'You did not ask for this? Then you need not do anything: your password stays as it is.',
  );
}

/** To somebody whose password has changed. */
export function passwordChangedMail(to: string, links: AccountLinks): Mail {
  return mail(
    to,
    'Your password was changed',
    'The password of your account has just been changed, and all devices were logged out.',
    'Was that not you? Then choose a new password at once:',
    links.forgotPassword,
  );
}
