export { explainBindFailure } from './bind-failure.ts';
export { checkResource } from './check.ts';
export { follow, type FollowOptions, type Following, type RootChange } from './follow.ts';
export * from './remote/index.ts';
