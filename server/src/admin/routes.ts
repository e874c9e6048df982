import type { AdminDependencies } from './admin-dependencies.ts';
import { adminAdminEndpoints } from './admin-endpoints.ts';
import { goLiveAdminEndpoints } from './go-live-endpoints.ts';
import { overviewAdminEndpoints } from './overview-endpoints.ts';
import { partnerAdminEndpoints } from './partner-endpoints.ts';
import { poolAdminEndpoints } from './pool-endpoints.ts';
import { poolRequestAdminEndpoints } from './pool-request-endpoints.ts';

/** The endpoints under `/v1/admin` (contract §9) but for log-in and sessions. */
export function adminEndpoints(deps: AdminDependencies) {
  return {
    partners: partnerAdminEndpoints(deps),
    goLive: goLiveAdminEndpoints(deps),
    poolRequests: poolRequestAdminEndpoints(deps),
    pools: poolAdminEndpoints(deps),
    admins: adminAdminEndpoints(deps),
    overview: overviewAdminEndpoints(deps),
  };
}
