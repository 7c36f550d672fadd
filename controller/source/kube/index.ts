export { openCluster, type KindHealth, type KubeSource, type KubeSourceEnvironment } from './source.ts';
export { reflect, type Mirror, type RawObject, type ReflectEnvironment, type ReflectLimits } from './reflect.ts';
export { listPages, type ListOptions } from './list.ts';
export { locateKind, pathOf, type Location } from './locate.ts';
export type { LiveObject } from './store.ts';
export { isStatusOurs } from './authors.ts';
export { readCluster, type ClusterReading, type ReadEnvironment } from './read.ts';
export { follow, type Followed, type FollowEnvironment } from './follow.ts';
