export { presentUser } from './present-user.ts';
export { userEndpoints } from './routes.ts';
export {
  createStakeholderUsers,
  fillEmptyFields,
  type KnownUser,
  readStakeholderUsers,
  type StakeholderUser,
} from './stakeholder-users.ts';
