export { findFirstCompletedAction, findFirstReversal } from './find-first-actions.ts';
export { reprocessFailedActions } from './reprocess-failed-actions.ts';
export { type ActionDependencies, actionEndpoints } from './routes.ts';
export { SubmissionQueue, type SubmissionQueueOptions } from './submission-queue.ts';
export { verifyTraces } from './verify-traces.ts';
