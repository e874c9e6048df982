export { findFirstCompletedAction, findFirstReversal } from './find-first-actions.ts';
export { reprocessFailedActions } from './reprocess-failed-actions.ts';
export { actionEndpoints } from './routes.ts';
export { SubmissionQueue } from './submission-queue.ts';
export { verifyTraces } from './verify-traces.ts';
