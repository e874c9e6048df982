import type { Sql } from '../platform/db.ts';
import type { SecretBox } from '../platform/secret-box.ts';
import { type GoLiveRouteDependencies, goLiveEndpoints } from './go-live/routes.ts';
import { keyEndpoints } from './keys/routes.ts';
import { profileEndpoints } from './profile/routes.ts';
import type { InvitingDependencies } from './team/invite-member.ts';
import { teamEndpoints } from './team/routes.ts';

export interface PartnerEndpointDependencies extends GoLiveRouteDependencies, InvitingDependencies {
  sql: Sql;
  secretBox: SecretBox;
  /** Laptop mode: sandbox data only. */
  laptop: boolean;
}

/** What partners do about themselves: keys, profile, team, going live. */
export function partnerEndpoints(deps: PartnerEndpointDependencies) {
  return {
    keys: keyEndpoints(deps),
    profile: profileEndpoints(deps),
    team: teamEndpoints(deps),
    goLive: goLiveEndpoints(deps),
  };
}
