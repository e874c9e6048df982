export { type AuditEntry, recordAudit } from './record-audit.ts';
export { adminEndpoints } from './routes.ts';
export { verifyAudit } from './verify-audit.ts';
