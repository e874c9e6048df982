export { presentUser, type UserRow } from './present-user.ts';
export { type UserDependencies, userEndpoints } from './routes.ts';
export {
  createStakeholderUsers,
  fillEmptyFields,
  type KnownUser,
  readStakeholderUsers,
  type StakeholderUser,
} from './stakeholder-users.ts';
