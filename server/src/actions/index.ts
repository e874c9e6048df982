export { type ActionDependencies, actionEndpoints } from './routes.ts';
export { SubmissionQueue, type SubmissionQueueOptions } from './submission-queue.ts';
